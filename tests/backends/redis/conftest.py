from tests.engines.fixtures import redis, redis_cluster, redis_sentinel

__all__ = ["redis", "redis_cluster", "redis_sentinel"]
