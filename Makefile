# `make up` deploys to the lab, `make down` removes it, `make test` proves it.
python := .venv/bin/python
LAB ?= lab
LONG ?=

.DEFAULT_GOAL := help
.PHONY: help up down test test-long test-pulumi test-vm test-vm-long lint check golden bench lock

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

up: ## a whole deployment in the lab: two countries, two accounts, one page (LAB=name for another beside it)
	@bin/farshore lab up --name $(LAB)

down: ## remove exactly what `make up` made
	@bin/farshore lab down --name $(LAB)

test: lint ## every test of the default run
	$(python) -m pytest -n 4 --dist loadgroup --durations=20 --durations-min=5

test-long: ## what takes too long for the default run: hours; LONG=tests/engine for a part of it, see CONTRIBUTING
	$(python) -m pytest -n 2 --dist loadgroup -m 'long and not vm' $(LONG)

test-vm: ## machines with a kernel of their own (QEMU), and the end-to-end tests on them; ./setup vm installs what it needs
	$(python) -m pytest -n 2 --dist loadgroup --machines=vm -m 'vm and not long' tests/machines_vm tests/first_light

test-vm-long: ## what of it takes too long for that: Debian 13, stock machines, interrupted ups, more disks
	$(python) -m pytest -n 2 --dist loadgroup --machines=vm -m 'vm and long' tests/machines_vm tests/first_light tests/host_live

test-pulumi: ## recordings and end-to-end tests under Pulumi's own engine, where the pulumi command is on PATH
	$(python) -m pytest -rs -m pulumi --engine=pulumi
	@command -v pulumi >/dev/null || echo "did not run: pulumi is not on PATH"

lint: ## format, lint and types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

check: lint ## what every commit passes: lint, and the tests that need no lab
	$(python) -m pytest -q -m 'not lab and not long and not vm'

golden: ## write the rendered trees, the refusals and the reference anew; read the diff
	$(python) -m tests.trees
	$(python) -m tests.refused.reading
	$(python) -m tools.reference

bench: ## measure, and print ratios
	$(python) -m benchmarks

lock: ## pin what requirements*.in name, with hashes and without addresses
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal requirements.in -o requirements.txt
	.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal requirements-dev.in -o requirements-dev.txt
