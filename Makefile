# make demo · make test · make check · make bench · make install
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install demo test fast check bench clean

help:  ## what can be asked
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ ·/'

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Vuông needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.demo
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

catalogues: $(VENV)/.dev
	@$(BIN)/python scripts/compile_catalogues.py

install: $(VENV)/.dev catalogues  ## virtual environment with everything a developer needs

demo: $(VENV)/.demo  ## the whole system with simulated ponds at http://127.0.0.1:8000; Ctrl-C ends it
	@$(BIN)/vuong demo $(ARGS)

test: install  ## install what the tests need (Debian), then run all of them
	@scripts/install_test_system.sh
	@# What fails is tried again, once or (slow) twice, and the summary names it (RERUN): real processes on a busy machine.
	$(BIN)/python -m pytest -n 4 --reruns 1 -m 'not slow' --cov --cov-report=term $(ARGS)
	$(BIN)/python -m pytest -n 3 --reruns 2 -m slow $(ARGS)

fast: install  ## only the fast tests, under two minutes
	$(BIN)/python -m pytest -n 4 -m 'not slow' $(ARGS)

check: install  ## formatting, lint, types, import arrows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pyright

bench: install  ## speed and memory, printed
	$(BIN)/python benchmarks/gateway.py
	$(BIN)/python benchmarks/ingest.py

clean:  ## remove what was made here
	rm -rf $(VENV) .demo .micropython .cloud-init .mypy_cache .ruff_cache .pytest_cache
