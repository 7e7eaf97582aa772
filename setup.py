"""The data plane compiled, when AIT_GATEWAY_KERNEL is set; setup.cfg has all the rest.

The same files run either way. `make kernel` compiles them in place, `make build` into the wheel.
"""

import os
from glob import glob

from setuptools import setup

KERNEL = [
    *glob("gateway/http1/[!_]*.py"),
    *glob("gateway/routing/[!_]*.py"),
    "gateway/attributes.py",
    "gateway/chain.py",
    "gateway/client_connection.py",
    "gateway/dataplane.py",
    "gateway/request_stream.py",
    "gateway/listener.py",
    "gateway/guarding.py",
    "gateway/inprocess.py",
    "gateway/finishing.py",
    "gateway/forwarding.py",
    "gateway/exchange.py",
    "gateway/plugin_head.py",
    "gateway/plugin_message.py",
    "gateway/proxy.py",
    "gateway/rewrite.py",
    "gateway/router.py",
    "gateway/wheel.py",
    "gateway/whole_answer.py",
    "gateway/upstream/answer.py",
    "gateway/upstream/balance.py",
    "gateway/upstream/connection.py",
    "gateway/upstream/pool.py",
    "gateway/upstream/request_head.py",
    "gateway/upstream/target.py",
    "gateway/telemetry/durations.py",
    "gateway/telemetry/json_lines.py",
    "gateway/telemetry/access_lines.py",
    "gateway/telemetry/access_log.py",
    "gateway/middlewares/circuit_breaker.py",
    "gateway/middlewares/jwt.py",
    "gateway/middlewares/rate_limit.py",
    "backends/limits/memory.py",
]
"""On the way of every request. mypyc loses the types of a msgspec struct: those are elsewhere."""

if os.environ.get("AIT_GATEWAY_KERNEL"):
    from mypyc.build import mypycify

    # The library that all share lies in the package that imports no other.
    setup(ext_modules=mypycify(sorted(KERNEL), debug_level="0", group_name="backends.kernel"))
else:
    setup()
