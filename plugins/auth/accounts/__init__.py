"""People: who has an account, what proves it, and who is signed in."""
