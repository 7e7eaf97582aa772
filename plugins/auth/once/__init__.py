"""What a client signs to be used once: proofs of possession, assertions of who it is."""
