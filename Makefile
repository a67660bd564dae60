# All that is needed is Python 3.11 or newer and make; everything else goes into this folder.
PYTHON ?= python3
RUN = $(PYTHON) deploy/bootstrap.py
# What has a stack of its own, and leaves the tests' shared one alone, runs beside the other tests that need engines.
BESIDE = tests/e2e tests/faults tests/integration/bench tests/integration/prometheus/test_queries.py

.PHONY: help demo test faults up down status check clean

help: ## What can be made
	@sed -n 's/^\([a-z]*\): ## \(.*\)/make \1	\2/p' Makefile

demo: ## Set everything up, run the whole loop once, show it, stop again
	@$(RUN) chuishao demo

test: ## Set everything up and run all tests
	@$(RUN) python -m pytest -m "not engines" -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder; plain=$$?; \
	$(RUN) python -m pytest $(BESIDE) --durations 10 > var/beside.txt 2>&1 & beside=$$!; \
	$(RUN) python -m pytest -m engines $(BESIDE:%=--ignore %) --durations 15; engines=$$?; \
	echo "waiting for $(BESIDE), which run beside them"; wait $$beside; end_to_end=$$?; cat var/beside.txt; \
	test "$$plain $$engines $$end_to_end" = "0 0 0"

faults: ## Inject 1,000 faults of every kind, ask for every invariant, catch every mutation (80 minutes); SEED=7 repeats it
	@$(RUN) chuishao faults run --rounds 4 --injections 255 $(if $(SEED),--seed $(SEED))
	@$(RUN) python -m tests.faults.show_mutations $(if $(SEED),--seed $(SEED))

up: ## Start the local stack and keep it running
	@$(RUN) chuishao up

down: ## Stop the local stack; the data stays
	@$(RUN) chuishao down

status: ## Show the local stack's processes and addresses
	@$(RUN) chuishao status

check: ## Lint, types, import contracts, freshness of the generated docs
	@$(RUN) python -m ruff check .
	@$(RUN) python -m ruff format --check .
	@$(RUN) python -m mypy
	@$(RUN) python -c "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())"
	@$(RUN) python -m deploy.documents check

clean: ## Stop the stack, then remove all that make has made here, DATA INCLUDED
	@test ! -e .venv/chuishao-stamp || $(RUN) chuishao down --all --erase
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
