from tests.engines.fixtures import kafka, nats, postgres, postgres_url, redis, session_folder

__all__ = ["kafka", "nats", "postgres", "postgres_url", "redis", "session_folder"]
