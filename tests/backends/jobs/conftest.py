from tests.engines.fixtures import (  # noqa: F401 - fixtures, by being here
    postgres,
    redis,
    redis_cluster,
    redis_sentinel,
)
