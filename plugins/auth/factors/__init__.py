"""What else than a password proves who somebody is."""
