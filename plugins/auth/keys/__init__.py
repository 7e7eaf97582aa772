"""Keys: what is signed with, and what is encrypted at rest with."""
