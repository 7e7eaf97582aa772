"""The gateway beside its peers, measured on one machine: see README.md."""
