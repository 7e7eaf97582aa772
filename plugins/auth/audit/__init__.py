"""What happened, for those who must know it later."""
