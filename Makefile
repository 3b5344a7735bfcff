# Agent Gateway. `make` alone says what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first Python from 3.11 up; the distribution's is preferred, being built with profile-guided optimisation.
PYTHON := $(shell for python in $(PYTHON) /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$python" && break; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is needed and was not found. Debian: apt-get install python3 python3-venv)
endif

LOCAL := PYTHONPATH=deploy/local $(PYTHON) -m gateway_local
RIG := PYTHON=$(PYTHON) PYTHONPATH=deploy/local $(PYTHON) -m bench
DEV := .local/venvs/dev/bin
PACKAGES := shared services/edge services/router services/billing simulator deploy/authority deploy/local

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  .local/bin/gateway edge|router|billing COMMAND runs a service's command in the stack that make start made."
	@echo "  PORT_BASE=18000 moves all ports, AGENT_GATEWAY_HOME=folder the data: a second stack beside the first."

.PHONY: run start stop clean
run:  ## Set up what is missing, start everything, follow the logs; Ctrl-C stops it all
	@$(LOCAL) run

start:  ## The same in the background; returns when every service is ready
	@$(LOCAL) start

stop:  ## Stop what `start` started; the data is kept
	@$(LOCAL) stop

clean:  ## Stop, and remove the data (database, queue, journal, keys, certificates, logs)
	@$(LOCAL) clean

.PHONY: develop test test-long test-compose chaos lint bench bench-quick bench-billing
develop:
	@$(LOCAL) develop

test: develop  ## Everything that must pass
	$(DEV)/pytest -m "not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-long: develop  ## Long faults and soak
	$(DEV)/pytest -m long

test-compose: develop  ## The compose stack on the container engine that `docker` reaches
	$(DEV)/pytest tests/compose

chaos: develop  ## Faults by chance under load, then an exact ledger: make chaos CHAOS_S=600 SEED=7
	$(DEV)/python -m tests.acceptance.chaos $(if $(CHAOS_S),--seconds $(CHAOS_S)) $(if $(SEED),--seed $(SEED))

lint: develop  ## Formatting, types, layers, dependencies, dead code
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/mypy $(PACKAGES) deploy/compose tests bench
	$(DEV)/lint-imports
	@for package in $(PACKAGES); do (cd $$package && $(CURDIR)/$(DEV)/deptry . --known-first-party gateway_shared \
		--per-rule-ignores DEP002=agent-gateway-shared) || exit 1; done
	$(DEV)/vulture

bench:  ## The gateway and its peers under load, 15 minutes; BENCH="--shapes json-16 --peers gateway nginx2" for some of it
	$(RIG) $(BENCH)

bench-quick:  ## The working tree and a commit of ours, two minutes: make bench-quick COMMIT=main~1
	$(RIG) --against $(or $(COMMIT),HEAD) $(BENCH)

bench-billing: develop  ## From the queue into the ledger: events per second, CPU of each part, freshness
	$(DEV)/python -m bench.billing_rate $(BENCH)

.PHONY: lock compose-credentials
lock:  ## Make every lock file anew
	@$(LOCAL) lock

compose-credentials:  ## Keys and the billing reader's certificate of the running compose stack
	@$(PYTHON) deploy/compose/credentials.py
