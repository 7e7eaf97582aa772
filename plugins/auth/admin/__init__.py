"""The admin API: what operators do, as JSON under `/admin` of the issuer."""
