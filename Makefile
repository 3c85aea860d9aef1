# make demo   a first picture: installs into .venv, makes a night raw, renders it under two profiles
# make test   everything that has to hold: lint, types, tests with branch coverage
# make lint   only the first two of these
# make soak   kill -9, 500 times the daemon and 500 times its worker, while captures arrive: about an hour
# make knobs  the pictures of docs/knobs.md anew
# make clean  remove what the others made
#
# Each does all of its own set-up and needs python3 (3.11 or newer) and nothing else. PYTHON=python3.12 chooses another.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
RUN_STAMP := .venv/.installed-run
TEST_STAMP := .venv/.installed-test
DEMO ?= demo
TYPES_OF_TESTS := --allow-untyped-defs --allow-untyped-calls --allow-incomplete-defs

# The tests run many small tensors, for which more threads are slower.
export OMP_NUM_THREADS ?= 2

# A file's tests stay together, and files begin in their order, so that the longest are not left for the end.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DELETE_ON_ERROR:
.PHONY: demo test lint soak knobs clean

demo: $(RUN_STAMP)
	$(BIN)/flexispd demo --outbox $(DEMO)

test: lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term-missing:skip-covered

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy $(TYPES_OF_TESTS) --exclude 'tests/.+/conftest\.py' tests
	for file in tests/*/conftest.py; do $(BIN)/mypy $(TYPES_OF_TESTS) $$file || exit 1; done  # all of one name

soak: $(TEST_STAMP)
	FLEXISPD_KILLS=500 $(BIN)/python -m pytest tests/faults/test_kill_loop.py -v

knobs: $(RUN_STAMP)
	$(BIN)/python -m flexispd.demo.knobs docs

clean:
	rm -rf .venv $(DEMO) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing flexispd into .venv (a few minutes the first time) ..."
	@$(PIP) --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip  # an interrupted run leaves a .venv without pip
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@echo "installing what the tests need ..."
	$(PIP) install -c constraints.txt -e '.[test,train]'
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: there is no $(PYTHON)."; \
	  echo "  fix: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $$($(PYTHON) --version 2>&1) is too old; flexispd needs 3.11 or newer."; \
	  echo "  fix: install a newer one and name it: make PYTHON=python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) cannot make virtual environments: its venv module is missing."; \
	  echo "  fix: install it, on Debian and Ubuntu with: apt install python3-venv"; exit 1; } >&2
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
