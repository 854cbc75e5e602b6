# What a person or a machine types here; `make help` lists it. Every target prepares what it needs.
# Nothing is installed outside .venv. Variables: PYTHON=python3.12, ARGS="--port 9000" for serve, bench, soak and faults.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
PYTHON_CANDIDATES := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python
LOCK := build/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links
CLIENT_LOCKS := tests/clients/python
CLIENTS := python aider
WORKERS ?= 3
FAULTS_SCALE ?= 1
POSTGRES ?= $(firstword $(sort $(wildcard /usr/lib/postgresql/*/bin)))

# Whoever wants no bytecode beside sources pays for it in each worker of each run: half of what collecting takes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install dev serve test check unit clients soak faults postgres bench format docs lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## prepare .venv with .venv/bin/dashcam

serve: install  ## start Dashcam on 127.0.0.1:8484 (ARGS="--port 9000 …")
	@exec $(BIN)/dashcam serve $(ARGS)

test: check  ## everything: the checks, then all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

unit: dev  ## the quick part of the tests
	$(BIN)/python -m pytest -n $(WORKERS) tests/unit tests/architecture $(ARGS)

check: dev  ## format, lint, types, import contracts, docstrings, licences, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.architecture.licences
	$(BIN)/python -m tests.architecture.advisories

clients: dev $(VENV)/clients/.installed  ## other people's clients (LiteLLM, LangChain, aider …) in environments of their own, 1.2 GB
	$(BIN)/python -m pytest tests/acceptance/test_other_clients.py $(ARGS)

soak: dev  ## the kill -9 tests in their long form, fifty rounds of each (FAULTS_SCALE=0.2 for ten)
	FAULTS_SCALE=$(FAULTS_SCALE) $(BIN)/python -m pytest tests/faults/test_killing.py --timeout 7200 $(ARGS)

faults: dev  ## all fault tests in their long form, on both engines: some hours (FAULTS_SCALE=0.1 for a tenth)
	FAULTS_SCALE=$(FAULTS_SCALE) $(BIN)/python -m pytest tests/faults --timeout 7200 --verbose -rs --durations=0 $(ARGS)
	$(if $(ARGS),,$(MAKE) postgres)

postgres: dev  ## all tests that need a Postgres, on the one that Debian has installed (POSTGRES=/usr/lib/postgresql/15/bin)
ifneq ($(POSTGRES),)
	FAULTS_SCALE= TEST_POSTGRES_PROGRAMS=$(POSTGRES) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m postgres $(ARGS)
else
	@echo "NOT TESTED: another Postgres than the tests' own: none is installed (Debian, Ubuntu: apt install postgresql)" >&2
endif

bench: dev  ## measure; prints a table, writes JSON under bench-results/ (ARGS="--million")
	$(BIN)/python -m bench $(ARGS)

format: dev  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: dev  ## write the parts of the documents that come from the program
	$(BIN)/python -m tests.architecture.documents

lock: | $(BIN)/python  ## resolve the dependencies anew and write both lock files
	@$(BIN)/python -m venv build/lock && build/lock/bin/python -m pip install --quiet uv
	@$(LOCK) pyproject.toml --extra postgres --extra redaction --output-file requirements.lock
	@$(LOCK) pyproject.toml --extra postgres --extra redaction --extra parquet --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@for set in $(CLIENTS); do $(LOCK) $(CLIENT_LOCKS)/$$set.in --output-file $(CLIENT_LOCKS)/$$set.lock; done

$(VENV)/clients/.installed: $(CLIENTS:%=$(CLIENT_LOCKS)/%.lock) | $(BIN)/python
	@echo "Installing other people's clients into $(VENV)/clients …"
	@for set in $(CLIENTS); do \
	  $(BIN)/python -m venv $(VENV)/clients/$$set && $(VENV)/clients/$$set/bin/python -m pip -qq --disable-pip-version-check \
	    install --require-hashes -r $(CLIENT_LOCKS)/$$set.lock || exit 1; \
	done
	@touch $@

clean:  ## remove .venv and what tools left behind; never touches recorded data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build bench-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev: $(VENV)/.dev  ## prepare .venv for tests and checks as well

$(BIN)/python:
	@for name in $(PYTHON_CANDIDATES); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found="$$name"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Dashcam needs Python 3.11 or newer, and none of these is one: $(PYTHON_CANDIDATES)." >&2; \
	  echo "Install one (Debian, Ubuntu: apt install python3 python3-venv) or say where it is: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -m venv $(VENV); then \
	  rm -rf $(VENV); \
	  echo "$$found cannot make a virtual environment (Debian, Ubuntu: apt install python3-venv)." >&2; \
	  exit 1; \
	fi

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Dashcam into $(VENV) …"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock tests/clients/node/package-lock.json $(VENV)/.installed
	@echo "Installing what the tests and checks need …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@if node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null; then \
	  npm ci --silent --ignore-scripts --prefix tests/clients/node; \
	else echo "Without Node 20 or newer the JavaScript client is not tested."; fi
	@touch $@
