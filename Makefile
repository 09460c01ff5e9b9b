# Every target sets itself up: the environment is rebuilt when pyproject.toml or the constraints change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup demo test check soak bench docs clean

help:
	@echo "make demo    see it all work on real data (under a minute after set-up)"
	@echo "make test    linters, types, contracts, tests"
	@echo "make setup   the environment alone"
	@echo "make check   linters, types and import contracts alone"
	@echo "make bench   the benchmarks, with ratios"
	@echo "make docs    the reference pages, from the code"
	@echo "make clean   remove the environment and what runs have left here"
	@echo "make soak    2,000 kills, and every rule of the lake taken out once"

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	PYTHON=$(PYTHON) sh scripts/setup.sh $(VENV)
	@touch $(STAMP)

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/headgate demo

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest -n 2

soak: $(STAMP)
	HEADGATE_EXAMPLES=100 HEADGATE_HISTORIES=20 $(BIN)/pytest -n 2 tests/transform tests/oracles
	HEADGATE_CRASHES=2000 $(BIN)/pytest -n 2 -m "soak or not soak" tests/crash tests/lake tests/concurrency

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/python scripts/reference.py

clean:
	rm -rf $(VENV) demo .headgate
