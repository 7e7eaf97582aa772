from tests.engines.fixtures import (  # noqa: F401 - fixtures, by being here
    postgres,
    postgres_url,
    redis,
    redis_cluster,
    redis_sentinel,
)
