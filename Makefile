# Two commands matter: `make demo` and `make test`. Each sets up everything it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Half of a two-core machine is still parallel enough; the e2e tests start real processes.
JOBS ?= auto

.PHONY: demo test test-all conformance check format bench lock generate clean help

help:  ## what there is to run
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 is not on PATH: install Python 3.11 or newer"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## four releases, live: one good, one failing, one slow (about a minute)
	$(BIN)/shipway demo

test: $(STAMP)  ## the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-all: $(STAMP)  ## the tests and the slow rest
	SHIPWAY_HYPOTHESIS=thorough $(BIN)/python -m pytest -n $(JOBS)

conformance: $(STAMP)  ## the field's public policy suites, when their data is there; writes docs/conformance.md
	$(BIN)/python -m tools.conformance

check: $(STAMP)  ## formatter, linter, strict types, import contracts, generated files fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check

format: $(STAMP)  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(STAMP)  ## write schemas/, docs/state-machine.svg and the other generated files
	$(BIN)/python -m tools.generate

lock: $(STAMP)  ## pin the dependencies again
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --extra dev -o requirements.txt pyproject.toml

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
