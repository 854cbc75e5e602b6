# Dashcam's chores. `make help` lists them; `make serve` is all that a fresh clone needs.

PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$candidate >/dev/null 2>&1 && $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$candidate; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install dev serve test check bench lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

install: $(VENV)/.installed ## prepare .venv with .venv/bin/dashcam
	@echo "Ready: $(BIN)/dashcam"

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Dashcam needs Python 3.11 or newer; none was found. Install it, or say PYTHON=/path/to/python3."; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Installing Dashcam …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

dev: $(VENV)/.dev ## prepare .venv for development and tests

serve: $(VENV)/.installed ## start Dashcam
	@exec $(BIN)/dashcam serve

test: check ## everything: checks and all tests
	@$(BIN)/python -m pytest -n $(JOBS) tests

check: $(VENV)/.dev ## format, lint, types, import floors
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

clean: ## remove what was built
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis bench-results
