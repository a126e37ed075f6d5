# Every task of the project. `make help` lists them; each takes ARGS="…" for the tool behind it.
# Setting up is part of each target that needs it, and happens once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ordermend-ready
UV ?= uv
# How many processes share the tests; each has a broker and a database of its own.
WORKERS ?= 2
CODE := schemas telemetry normalizers streaming store intake modification_processor dlq_handler console ordermend tests

# The first Python that is new enough; PYTHON=… overrides.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)

.PHONY: help setup up down status run demo lint format types imports test test-unit test-integration test-e2e test-faults test-faults-counted test-simulation test-planted test-fuzz test-laws measure-rules bench docs docs-check \
	schemas check lock clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the locked packages and this project

$(READY): requirements/lock.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found: install one, or say make PYTHON=/path/to/python3" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11" >&2; exit 2; }
	@test -x $(BIN)/python || { echo "setup 1/3: making $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "setup 2/3: installing the locked packages (about 250 MB the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@echo "setup 3/3: installing ordermend from this checkout"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

up: setup ## start broker, database and token issuer on this machine
	$(BIN)/ordermend up $(ARGS)

down: setup ## stop them
	$(BIN)/ordermend down $(ARGS)

status: setup ## show what runs
	$(BIN)/ordermend status $(ARGS)

run: setup ## run a service: make run ARGS=processor
	$(BIN)/ordermend run $(ARGS)

demo: setup ## the whole thing on this machine: orders, edits, a report
	$(BIN)/ordermend demo $(ARGS)

lint: setup ## check style and formatting
	$(BIN)/ruff check $(ARGS) .
	$(BIN)/ruff format --check .

format: setup ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format $(ARGS) .

types: setup ## check types, strictly
	$(BIN)/mypy $(ARGS) $(CODE)

imports: setup ## check that imports go one way
	$(BIN)/lint-imports $(ARGS)

test: setup ## unit, contract and integration tests, on a real broker and a real database
	$(BIN)/python -m pytest tests/unit tests/contract tests/simulation tests/integration -n $(WORKERS) --dist loadfile $(ARGS)

test-unit: setup ## unit and contract tests only: no server, seconds
	$(BIN)/python -m pytest tests/unit tests/contract tests/simulation -m "not server" $(ARGS)

test-integration: setup ## integration tests only
	$(BIN)/python -m pytest tests/integration $(ARGS)

test-e2e: setup ## the agent's day in a real browser; needs Chromium (Debian: apt-get install chromium), or CHROMIUM=/path/to/it
	$(BIN)/python -m pytest tests/e2e $(ARGS)

test-faults: setup ## five minutes of kills, freezes and restarts under load, then the proof that nothing is lost; ARGS="--seed 7 --brokers 3"; long: ARGS="--minutes 60 --rate 400"
	$(BIN)/python -m tests.faults.ring $(ARGS)

test-simulation: setup ## the protocol under 1,000 seeds of faults, in one thread; ARGS="--seeds 5000 --first 1", "--seed 7" for one with its trace, "--store postgresql --seeds 100" over the real tables
	$(BIN)/python -m tests.simulation.run $(ARGS)

test-planted: setup ## plant each known bug, and find it in the simulation; ARGS="--seeds 5000", or "--store postgresql --seeds 200 fence_removed"
	$(BIN)/python -m tests.simulation.planted $(ARGS)

test-faults-counted: setup ## each fault scenario at its counts: 10 zombies, 50 cuts, 50 races of fifty clients … COUNTS=long: 200, 1,000, 1,000 …
	ORDERMEND_ZOMBIES=$(if $(filter long,$(COUNTS)),200,10) ORDERMEND_CUTS=$(if $(filter long,$(COUNTS)),1000,50) \
	ORDERMEND_ROUNDS=$(if $(filter long,$(COUNTS)),1000,50) ORDERMEND_LANES=$(if $(filter long,$(COUNTS)),2000,200) \
	ORDERMEND_LANE_EDITS=20 ORDERMEND_RESTARTS=20 ORDERMEND_SAME=1000 ORDERMEND_OUTAGE=$(if $(filter long,$(COUNTS)),900,30) \
	ORDERMEND_DUPLICATES=$(if $(filter long,$(COUNTS)),10000,600) $(BIN)/python -m pytest -o timeout=14400 \
		tests/integration/test_a_frozen_processor_wakes_as_a_zombie_and_commits_nothing.py \
		tests/integration/test_a_commit_whose_answer_is_lost_is_done_once.py \
		tests/integration/test_dead_letters_are_worked_by_one_person_at_a_time.py \
		tests/integration/test_every_orders_end_is_what_its_edits_say_one_by_one.py \
		tests/integration/test_a_rolling_restart_repeats_nothing.py \
		tests/integration/test_one_message_id_is_one_message.py \
		tests/integration/test_an_outage_of_a_dependency_makes_no_storm.py \
		tests/integration/test_duplicates_and_reordering_leave_the_newest_state.py $(ARGS)

test-fuzz: setup ## 1,000,000 mutated payloads over all channels and as many messages over all records (ORDERMEND_FUZZ says how many), each name in each object of an order
	ORDERMEND_FUZZ=$${ORDERMEND_FUZZ:-1000000} $(BIN)/python -m pytest tests/contract/test_a_mutated_payload_is_read_or_refused.py \
		tests/contract/test_a_mutated_message_is_read_or_refused.py tests/contract/test_a_field_of_any_name_is_kept.py $(ARGS)

test-laws: setup ## the laws of locks over 1,000,000 cases and of money over 100,000 each; hours: ORDERMEND_LAWS=10000 for fewer each
	ORDERMEND_CASES=1000000 $(BIN)/python -m pytest tests/unit/test_what_a_form_shows_is_what_the_commit_does.py tests/unit/test_totals.py \
		tests/unit/test_leaves.py tests/unit/test_payment_plan.py --hypothesis-profile=laws -o timeout=7200 $(ARGS)

measure-rules: setup ## how often intake's rules judge too hard or too softly, per channel, on the labelled set; ARGS="--show --channel ebay"
	$(BIN)/python -m tests.verdicts.measure $(ARGS)

bench: setup ## measure throughput and latency
	$(BIN)/ordermend bench $(ARGS)

docs: setup ## write docs/reference and deploy/dashboards from the code
	$(BIN)/python -m ordermend.docs $(ARGS)
	$(BIN)/python -m ordermend.dashboards $(ARGS)

docs-check: setup ## check that docs/reference and deploy/dashboards are what the code says
	$(BIN)/python -m ordermend.docs --check $(ARGS)
	$(BIN)/python -m ordermend.dashboards --check $(ARGS)

schemas: setup ## write schemas/avro from the models
	$(BIN)/python -m schemas.write_avro $(ARGS)

check: lint types imports docs-check ## everything that needs no server: lint, types, imports, docs

lock: ## resolve requirements/lock.txt again (needs uv)
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra local --extra test pyproject.toml requirements/build.in -o requirements/lock.txt $(ARGS)

clean: ## stop the local stack, remove .venv, .ordermend and caches
	@if [ -x $(BIN)/ordermend ]; then $(BIN)/ordermend down; fi
	rm -rf $(VENV) .ordermend .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
