from tests.engines.fixtures import nats, postgres, postgres_url, redis

__all__ = ["nats", "postgres", "postgres_url", "redis"]
