# `make run` and `make test` set up what they need; a second run finds it done.

.DEFAULT_GOAL := help
.PHONY: help run demo test lint types check bench screenshots setup clean

VENV := .venv
BIN := $(VENV)/bin

# The newest Python from 3.11 on that this machine has. PYTHON=... names another.
PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v $$name && break; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

# Tests run side by side, one process a core. TESTS=tests/unit ARGS="-k name" runs some of them.
TESTS ?= tests
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run-stamp ## serve on PORT (5000) with DATA_DIR (./var); needs no database server
	@exec $(BIN)/python app.py

demo: $(VENV)/.run-stamp ## serve a project full of realistic events, and say what to ask it
	@exec $(BIN)/python -m commands.demo

test: $(VENV)/.dev-stamp ## the whole test suite; tests of servers that are not here are skipped
	@$(BIN)/python -m pytest -n auto $(ARGS) $(TESTS)

lint: $(VENV)/.dev-stamp ## style and common mistakes (ruff)
	@$(BIN)/ruff check .

types: $(VENV)/.dev-stamp ## types (mypy)
	@$(BIN)/mypy

check: lint types test ## everything that CI checks

bench: $(VENV)/.dev-stamp ## measure ingest and reports, on small sizes; bench/README.md tells more
	@$(BIN)/python -m bench.ingest --seconds 2 --rounds 3
	@$(BIN)/python -m bench.reports --events 200000 --rounds 3 --mongo --mongo-cache-gb 0.5

screenshots: $(VENV)/.dev-stamp ## pictures of every view of the dashboard, into docs/screenshots
	@$(BIN)/python -m tests.browser.screenshots

setup: $(VENV)/.dev-stamp ## only install what `make run` and `make test` need

clean: ## remove the virtual environment and caches; data in DATA_DIR stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.run-stamp: requirements.txt
	@test -x $(BIN)/pip || test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer with its venv module is needed; make PYTHON=/path/to/python names one" >&2; exit 1; }
	@test -x $(BIN)/pip || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing requirements.txt"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.txt $(VENV)/.run-stamp
	@echo "Installing requirements-dev.txt"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
