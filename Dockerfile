FROM python:3.11-slim AS build
WORKDIR /src
COPY setup.py setup.cfg pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY plugins plugins
COPY backends backends
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && python -m pip install . mypy types-PyYAML 'setuptools>=77' \
 && AIT_GATEWAY_KERNEL=1 python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m venv /opt/ait-gateway \
 && /opt/ait-gateway/bin/pip install --no-cache-dir /wheels/*.whl \
 && /opt/ait-gateway/bin/pip uninstall --yes pip

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/ait-gateway --create-home gateway
COPY --from=build /opt/ait-gateway /opt/ait-gateway
# The embedded default is a demo: mount your own table over /etc/ait-gateway.
COPY config /etc/ait-gateway
ENV PATH=/opt/ait-gateway/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/ait-gateway
USER 10001:10001
EXPOSE 4003
# The first SIGTERM drains; give `docker stop` more time than server.drain.
STOPSIGNAL SIGTERM
# Where the table puts the admin listener: in the container, on its own loopback.
ENV ADMIN=127.0.0.1:9901
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import os; from http.client import HTTPConnection as C; c = C(os.environ['ADMIN'], timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["ait-gateway"]
CMD ["serve", "-c", "/etc/ait-gateway/gateway.yaml"]
