# For GNU make 3.81 and newer. Everything is installed into .venv; stamp files there make repeated calls instant.

VENV := .venv
BIN := $(VENV)/bin
# Which Python makes .venv: PYTHON=/path/to/python3.12 overrides the search.
PYTHON ?=
# Passed on to the command: make demo ARGS=--exit
ARGS ?=

.PHONY: help setup demo test graphiql check mutants soak fuzz flood bench watchers deployment lock clean
.DEFAULT_GOAL := help
# Two ways lead to an installation into .venv, which must not meet.
.NOTPARALLEL:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## Make .venv with everything for development

demo: graphiql ## Show the service with a made-up wedding and a simulated WhatsApp (ARGS=--exit to end by itself)
	@$(BIN)/invites demo $(ARGS)

test: $(VENV)/.dev graphiql ## Run the tests on SQLite and PostgreSQL (ARGS="tests/cli -k token" for some of them)
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

graphiql: $(VENV)/.runtime ## Fetch GraphiQL's own files with npm, checked by their digests; without npm its page loads them
	@$(BIN)/python -m app.graphiql_files

check: $(VENV)/.dev ## Format, lint, types, schema.graphql, known faults of dependencies (AUDIT=required to insist)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/invites export-schema --check schema.graphql
	@$(BIN)/python -m tests.audit

mutants: $(VENV)/.dev ## Break the code on purpose, one guard at a time, and see the tests catch it
	@$(BIN)/python -m tests.mutants $(ARGS)

soak: $(VENV)/.dev ## Five minutes of kills, storms, blocks and edits, then the reckoning (ARGS="--minutes 1 --seed 7")
	@$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(VENV)/.dev ## Send 20,000 made-up requests, webhooks, lists and tokens (ARGS="--cases 1000 --seed 7")
	@$(BIN)/python -m tests.fuzz $(ARGS)

flood: $(VENV)/.dev ## Measure what 10,000 forged webhooks do to genuine ones (ARGS="--forged 1000")
	@$(BIN)/python -m benchmarks.forged_flood $(ARGS)

bench: $(VENV)/.dev ## Measure every figure beside its floor (ARGS="--quick --only webhooks --json found.json")
	@$(BIN)/python -m benchmarks $(ARGS)

watchers: $(VENV)/.dev ## Measure what 1 and 200 watchers of one run cost (ARGS="--seconds 2")
	@$(BIN)/python -m benchmarks.watchers $(ARGS)

deployment: $(VENV)/.dev ## Try the deployment guide on this machine: nginx, restarts, an upgrade, a restore
	@$(BIN)/python -m tests.deployment $(ARGS)

lock: $(VENV)/.made ## Renew constraints.txt with the newest versions that pyproject.toml allows
	@rm -rf $(VENV)/lock
	@$(BIN)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	@{ sed -n '/^#/p' constraints.txt; $(VENV)/lock/bin/python -m pip freeze --exclude whatsapp-invites; } > $(VENV)/constraints
	@mv $(VENV)/constraints constraints.txt
	@rm -rf $(VENV)/lock
	@echo "constraints.txt is renewed; now: make test"

clean: ## Remove .venv and everything that tools left behind
	@rm -rf $(VENV) app/static/graphiql build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find app tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Three ways to an environment, for Debian splits venv and pip from Python: how to install into it is kept beside it.
$(VENV)/.made:
	@new='import sys; sys.exit(sys.version_info < (3, 11))'; python=; \
	for each in $(if $(PYTHON),'$(PYTHON)',python3.14 python3.13 python3.12 python3.11 python3 python); do \
	  if "$$each" -c "$$new" 2>/dev/null; then python=$$each; break; fi; \
	done; \
	if [ -n "$$python" ] && "$$python" -m venv $(VENV) >/dev/null 2>&1 \
	    && $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  how="$(BIN)/python -m pip"; \
	elif [ -n "$$python" ] && "$$python" -m pip --version >/dev/null 2>&1 \
	    && "$$python" -m venv --without-pip $(VENV) >/dev/null 2>&1 \
	    && "$$python" -m pip --python $(BIN)/python --version >/dev/null 2>&1; then \
	  how="$$python -m pip --python $(BIN)/python"; \
	elif uv venv --quiet --allow-existing --python "$${python:-$(if $(PYTHON),$(PYTHON),>=3.11)}" $(VENV) 2>/dev/null; then \
	  how="uv pip"; \
	else \
	  echo "Install Python 3.11 or newer with venv and pip (Debian, Ubuntu: apt install python3-venv python3-pip), or uv; then try again." >&2; \
	  exit 2; \
	fi; \
	echo "$$how" > $@

# $(1): what to install. pip says nothing unless it fails; which index it asks is the machine's own affair.
define install
	@echo "Installing $(1) into $(VENV) ..."
	@how=$$(cat $(VENV)/.made); case "$$how" in \
	  uv*) VIRTUAL_ENV=$(VENV) uv pip install --quiet -c constraints.txt -e '$(1)' ;; \
	  *) $$how install -qq --disable-pip-version-check --no-input --root-user-action=ignore -c constraints.txt -e '$(1)' ;; \
	esac
	@touch $@
endef

$(VENV)/.runtime: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.)

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $(VENV)/.runtime
