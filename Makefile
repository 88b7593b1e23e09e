# Unstatic on a fresh machine: Python 3.11 or newer, git and make are enough. `make` alone lists what there is.
# PYTHON=... picks the interpreter, EXTRAS=... what to install, PIP_FLAGS=... is handed to pip, PYTEST_FLAGS=... to pytest.

EXTRAS ?= instructor,dev
CONSTRAINTS ?= constraints.txt
comma := ,
RUN := .venv/bin/python -m
STAMP := .venv/installed-$(subst $(comma),-,$(EXTRAS))
SEED ?= 1

.PHONY: help install test grade check exercises pictures bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## set up .venv with the tested versions
	@echo "Ready: . .venv/bin/activate, or run what is in .venv/bin."

grade: $(STAMP) ## grade the sample cohort into results/
	.venv/bin/unstatic grade data/submissions/*/ --seed $(SEED) --json results/grade.json --html results/report
	@echo "For people: results/report/index.html   For programs: results/grade.json"

test: $(STAMP) ## test the course and the grader
	$(RUN) pytest tests --ignore tests/bench -p no:benchmark -m "not slow" -n auto --dist loadgroup $(PYTEST_FLAGS)

check: $(STAMP) ## lint, format, types, layers, and that what is generated is fresh
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	$(RUN) mypy
	.venv/bin/lint-imports
	$(RUN) grader.source.stubs --check

exercises: $(STAMP) ## write the stubs again from solutions/; a stub that holds answers is kept
	$(RUN) grader.source.stubs

pictures: $(STAMP) ## draw the lessons' pictures again
	$(RUN) solutions.pictures

bench: $(STAMP) ## measure the grader
	$(RUN) pytest tests/bench --benchmark-only $(PYTEST_FLAGS)

lock: $(STAMP) ## write constraints.txt from what .venv holds
	@{ grep '^#' constraints.txt; $(RUN) pip freeze --exclude-editable \
	  | grep -v -e '^nvidia' -e '^cuda' -e '^triton' | sed 's/+[a-z0-9]*$$//'; } > .venv/lock
	mv .venv/lock constraints.txt

clean: ## remove .venv and results/
	rm -rf .venv results

# The stamp is newer than the two files that say what to install, so that a second run starts at once.
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; python=; done; \
	if [ -z "$$python" ]; then \
	  echo 'Unstatic needs Python 3.11 or newer and finds none. Install one, or say where it is: make PYTHON=/path/to/python3'; exit 1; fi; \
	echo "Setting up .venv with $$("$$python" --version); torch is large, so the first time takes minutes."; \
	.venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv
	$(RUN) pip install $(PIP_FLAGS) $(CONSTRAINTS:%=-c %) -e '.[$(EXTRAS)]'
	@touch $@
