# Everything here sets up what it needs by itself; see setup.sh.
SHELL := /bin/bash
BIN := .venv/bin
LINKS := $(HOME)/.local/bin/harness /usr/local/bin/harness

.DEFAULT_GOAL := help
.PHONY: help setup demo renode test format clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: Debian packages, .venv, the project
	@./setup.sh

demo: setup ## run scenarios/quickstart.yaml: table, plots and report
	@$(BIN)/harness run scenarios/quickstart.yaml
	@command -v harness >/dev/null && echo 'From now on: harness run scenarios/quickstart.yaml' \
		|| echo 'From now on: . .venv/bin/activate && harness run scenarios/quickstart.yaml'

renode: setup ## install Renode into the user's cache and see it run
	@$(BIN)/harness renode install

test: setup ## linters, types, C tests and Python tests
	@$(BIN)/tox run

format: setup ## rewrite Python and C sources in the project's style
	@$(BIN)/tox run -q -e format

clean: ## remove .venv, builds and caches of this checkout; keep results in out/
	@for link in $(LINKS); do \
		if [[ $$(readlink "$$link") == "$(CURDIR)/.venv/bin/harness" ]]; then rm -f "$$link"; fi; done
	rm -rf .venv .tox build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
