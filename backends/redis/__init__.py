"""How drivers of several capabilities talk to Redis, Redis Cluster and Valkey."""
