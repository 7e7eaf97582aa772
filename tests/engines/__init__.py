"""Real servers for the tests, each stopped, killed and started again on its port and data."""
