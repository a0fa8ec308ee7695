# Rapport's commands. `make` alone lists them; every other target first makes .venv ready.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
PY := .venv/bin/python
UV := .venv/bin/uv
STAMP := .venv/.ready
PROJECTS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml deploy/local/pyproject.toml)
NO_SERVERS := not integration and not e2e and not faults and not bench
# Extra arguments: `make test-fast ARGS="-k rules"`, `make logs ARGS="-f profile"`.
ARGS ?=
# One service only: `make test SERVICE=profile`.
SERVICE ?=
HERE := $(if $(SERVICE),services/$(SERVICE))
# Tests side by side: more than cores, since most of them wait (WORKERS=0 for one after the other).
WORKERS ?= 3
# `make test-long` and `make test-repeat`.
SEEDS ?= 3
COUNT ?= 20
BUSY ?= 2
PYTEST := $(PY) -m pytest -n $(WORKERS)
# Property tests look at all their examples, instead of at a quarter (`rapport_common.testing.examples`).
FULL := HYPOTHESIS_PROFILE=$(or $(HYPOTHESIS_PROFILE),full)
# Some shells tell Python not to keep bytecode: every process of a run would compile all again.
unexport PYTHONDONTWRITEBYTECODE

# ---- getting ready

.PHONY: help
help: ## List the targets (this list)
	@awk 'BEGIN {FS = ":.*## "} /^# ---- / {printf "\n%s\n", substr($$0, 8)} \
	  /^[a-z][a-z-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Make .venv from requirements.lock with hashes (PYTHON=... picks the interpreter)
	@:

$(STAMP): requirements.lock data.lock deploy/bootstrap.py $(PROJECTS)
	@for one in $(or $(PYTHON),$(CANDIDATES)); do \
	  if "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$one" deploy/bootstrap.py >&2 && touch $@; exit; \
	  fi; \
	done; \
	echo "make: Rapport needs Python 3.11 or newer; tried: $(or $(PYTHON),$(CANDIDATES))." >&2; \
	echo "      Install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
	exit 1

# ---- running it here

.PHONY: demo
demo: $(STAMP) ## Start all, replay a real purchase history, report (KEEP=1 leaves it up)
	@$(PY) -m rapport_local demo $(ARGS)

.PHONY: up
up: $(STAMP) ## Start Postgres, Kafka, the mail catcher and the five services
	@$(PY) -m rapport_local up $(ARGS)

.PHONY: down
down: $(STAMP) ## Stop everything; the data stays
	@$(PY) -m rapport_local down $(ARGS)

.PHONY: status
status: $(STAMP) ## Show each component: state, port, restarts, memory
	@$(PY) -m rapport_local status $(ARGS)

.PHONY: logs
logs: $(STAMP) ## Show the merged log (ARGS="-f profile" follows one component)
	@$(PY) -m rapport_local logs $(ARGS)

.PHONY: clean
clean: $(STAMP) ## Stop everything and delete its data
	@$(PY) -m rapport_local clean $(ARGS)

.PHONY: token
token: $(STAMP) ## Print an operator token for the APIs
	@$(PY) -m rapport_cli token --installation $(ARGS)

# ---- checking

.PHONY: check
check: format-check lint types arch isolated ## Everything that needs no server

.PHONY: format-check
format-check: $(STAMP) ## The code is formatted
	@$(PY) -m ruff format --check $(or $(HERE),.)

.PHONY: lint
lint: $(STAMP) ## Ruff, and who may import whom
	@$(PY) -m ruff check $(or $(HERE),.)
	@.venv/bin/lint-imports --no-logo

.PHONY: types
types: $(STAMP) ## mypy, strict, over code and tests
	@$(PY) -m mypy $(HERE)

.PHONY: arch
arch: $(STAMP) ## Sizes, names, generated files, tables, compose file, alerts
	@$(PY) -m pytest -q tests/arch

.PHONY: isolated
isolated: $(STAMP) ## Each service's unit tests where the other services are not installed
	@$(PY) deploy/isolated_tests.py $(SERVICE)

# Side by side: while tests wait, the checks have the processors.
.PHONY: test
test: $(STAMP) ## All checks and tests, on real Kafka and Postgres (SERVICE=profile: of that only)
	@$(MAKE) --no-print-directory -j5 format-check lint types isolated test-rest

.PHONY: test-rest
test-rest: $(STAMP) ## The tests of `make test` that `make isolated` has not run
	@$(PYTEST) -m "not bench" --without-long --seconds $(or $(ARGS),--without-isolated) $(HERE)

.PHONY: test-long
test-long: $(STAMP) ## All tests at full length: each SDK, all examples, each fault with SEEDS=3 seeds
	@$(FULL) RAPPORT_SEEDS=$(SEEDS) $(PYTEST) -m "not bench" --seconds $(ARGS)

.PHONY: test-repeat
test-repeat: $(STAMP) ## COUNT=20 runs of integration and faults beside BUSY=2 loops; count the red
	@$(PY) tests/repeat.py --count $(COUNT) --busy $(BUSY) -- \
	  -n $(WORKERS) -m "integration or faults" --without-long $(ARGS) $(HERE)

.PHONY: coverage
coverage: $(STAMP) ## All tests with branch coverage, of the services' processes too
	@$(FULL) $(PY) deploy/isolated_tests.py --coverage $(SERVICE)
	@$(PY) -m coverage erase
	@status=0; $(FULL) $(PY) -m coverage run -m pytest -n $(WORKERS) -m "not bench" --without-long $(ARGS) $(HERE) || status=$$?; \
	  $(PY) -m coverage combine --quiet && $(PY) -m coverage report --skip-covered --skip-empty; exit $$status

.PHONY: test-fast
test-fast: $(STAMP) ## Unit and property tests, no servers
	@$(PY) -m pytest -q -m "$(NO_SERVERS)" $(ARGS) $(HERE)

.PHONY: test-integration
test-integration: $(STAMP) ## Tests on the run's own Kafka and Postgres
	@$(PYTEST) -m integration $(ARGS) $(HERE)

.PHONY: test-faults
test-faults: $(STAMP) ## Kill and freeze every process, then count
	@$(PYTEST) -m faults $(ARGS)

.PHONY: sdk-table
sdk-table: $(STAMP) ## Run the SDKs in the field through faults; a table of what became of their events
	@$(PY) -m pytest -q tests/sdks $(ARGS)

.PHONY: bench
bench: $(STAMP) ## Measure all, the ceiling beside each number (ARGS="--json FILE")
	@$(PY) tests/bench $(ARGS)

.PHONY: bench-ingest
bench-ingest: $(STAMP) ## Measure only what ingest accepts
	@$(PY) tests/bench --only ingest $(ARGS)

.PHONY: bench-profile
bench-profile: $(STAMP) ## Measure only profile, with a million people in its store (kept in .bench)
	@$(PY) tests/bench --only profile $(ARGS)

.PHONY: bench-segment
bench-segment: $(STAMP) ## Measure only segment, with a million people in its store (kept in .bench; ARGS="--people 20000")
	@$(PY) tests/bench --only segment $(ARGS)

.PHONY: bench-campaign
bench-campaign: $(STAMP) ## Measure only campaign: planned, sent, from an event to its mail (ARGS="--people 1000000 --rate 200")
	@$(PY) tests/bench --only campaign $(ARGS)

.PHONY: bench-feedback
bench-feedback: $(STAMP) ## Measure only feedback: answers, cases, clocks, scores (kept in .bench; ARGS="--answers 5000000 --clocks 1000000")
	@$(PY) tests/bench --only feedback $(ARGS)

.PHONY: bench-identity
bench-identity: $(STAMP) ## Measure only how quickly it is worked out who is who; needs no server
	@$(PY) tests/bench --only identity $(ARGS)

.PHONY: bench-due
bench-due: $(STAMP) ## Measure only how late what has a time is run, beside 1 M that wait
	@$(PY) tests/bench --only due $(ARGS)

.PHONY: bench-search
bench-search: $(STAMP) ## Measure only the search for people, at rest and beside events
	@$(PY) tests/bench --only search $(ARGS)

.PHONY: duplicates-table
duplicates-table: $(STAMP) ## Precision and recall of the finder of duplicates on FEBRL 1 to 3 (ARGS=--weights)
	@$(PY) -m tests.bench.duplicates $(ARGS)

.PHONY: texts-table
texts-table: $(STAMP) ## How well texts are read: languages, moods, topics, near copies, on labelled sets
	@$(PY) -m tests.bench.texts

# ---- changing it

.PHONY: fmt
fmt: $(STAMP) ## Format the code and apply the safe fixes
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

.PHONY: generate
generate: $(STAMP) ## Write docs/events.md and the JSON Schemas from the topic registry (ARGS=--release: keep them as released)
	@$(PY) -m rapport_common.events.generate $(ARGS)

COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url
.PHONY: lock
lock: $(STAMP) ## Compile requirements.lock and data.lock (ARGS=--upgrade takes newer versions)
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) $(ARGS) requirements.in dev.in -o requirements.lock
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(COMPILE) $(ARGS) --no-deps data.in -o data.lock

.PHONY: lock-kafka
lock-kafka: $(STAMP) ## Resolve Kafka's jars into deploy/local/jgo.lock.toml
	@$(PY) -m rapport_local lock-kafka $(ARGS)

.PHONY: compose-env
compose-env: $(STAMP) ## Write .env with random secrets for docker-compose.yml
	@$(PY) deploy/compose_env.py
