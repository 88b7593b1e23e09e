# Unstatic on a fresh machine: Python 3.11 or newer, git and make are enough. `make` alone lists what there is.
# PYTHON=... picks the interpreter, EXTRAS=... what to install, PIP_FLAGS=... is handed to pip, PYTEST_FLAGS=... to pytest.
# VENV=... or an active virtual environment is used as it is: only `make install` installs anything into it.

OWN := .venv
VENV ?= $(or $(VIRTUAL_ENV),$(OWN))
EXTRAS ?= instructor,dev
CONSTRAINTS ?= constraints.txt
comma := ,
RUN := $(VENV)/bin/python -m
STAMP := $(VENV)/installed-$(subst $(comma),-,$(EXTRAS))
READY := $(if $(filter $(OWN) $(CURDIR)/$(OWN),$(VENV)),$(STAMP),look)
SEED ?= 1
COURSE := tests/test_course.py tests/test_exercises.py tests/test_lessons.py
CHROMIUM ?= chromium

.PHONY: help install look test grade screenshot check new exercise exercises contract pictures site build-site bench gpu ci gradescope lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## set up .venv, or the environment that is active or named by VENV, with the tested versions
	@echo "Ready: . $(VENV)/bin/activate, or run what is in $(VENV)/bin."

look:
	@$(VENV)/bin/python -c 'import importlib.util as i, sys; sys.exit(not all(map(i.find_spec, "hypothesis jaxtyping matplotlib pytest rich torch".split())))' || \
	  { echo '$(VENV) lacks what the course needs. To install it there: make install VENV=$(VENV)   To leave it alone: make VENV=$(OWN) ...'; exit 1; }

grade: $(READY) ## grade the sample cohort into results/
	$(RUN) grader grade data/submissions/*/ --seed $(SEED) --json results/grade.json --html results/report
	@echo "For people: results/report/index.html   For programs: results/grade.json"

screenshot: grade ## draw docs/report.png again (CHROMIUM=... a Chromium or Chrome, and its flags)
	$(CHROMIUM) --headless --hide-scrollbars --window-size=1100,1480 --screenshot=docs/report.png "file://$(CURDIR)/results/report/index.html"

test: $(READY) ## test the course and the grader
	$(RUN) pytest tests --ignore tests/bench -p no:benchmark -m "not slow" -n auto --dist loadgroup --no-loadscope-reorder --timeout 900 $(PYTEST_FLAGS)

check: $(READY) ## lint, format, types, layers, and that what is generated is fresh
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(VENV)/bin/lint-imports
	$(RUN) grader.source.stubs --check

new: $(READY) ## lay what a new exercise needs: EXERCISE=name SECTION=sN_name, and AFTER=another if it is not the last
	$(RUN) grader.source.scaffold $(EXERCISE) $(SECTION) $(if $(AFTER),--after $(AFTER))

exercise: $(READY) ## test one exercise, NAME=q_sample, causes first
	@test -n "$(NAME)" || { echo 'Which exercise? make exercise NAME=q_sample'; exit 2; }
	$(RUN) pytest $(COURSE) -p no:benchmark -m "not slow" --exercise $(NAME) --tb short $(PYTEST_FLAGS)

exercises: $(READY) ## write the stubs again from solutions/; a stub that holds answers is kept
	$(RUN) grader.source.stubs

contract: $(READY) ## promise the names and signatures of new exercises
	$(RUN) tests.contract

pictures: $(READY) ## draw the lessons' pictures again: all, or those of an exercise or section, NAME=q_sample
	$(RUN) solutions.pictures $(NAME)

site: ## build the course as a site into site/, to read without a network: site/index.html
	@$(MAKE) --no-print-directory build-site EXTRAS=$(if $(findstring site,$(EXTRAS)),$(EXTRAS),$(EXTRAS)$(comma)site)

build-site: $(READY)
	$(RUN) grader.site

bench: $(READY) ## measure the grader
	$(RUN) pytest tests/bench --benchmark-only $(PYTEST_FLAGS)

gpu: $(READY) ## train at the end of the sections on this machine's GPU
	$(RUN) pytest exercises/end_to_end -m gpu -p no:benchmark $(PYTEST_FLAGS)

ci: $(READY) ## what a workflow runs: DO=take, grade ... (grader/ci; told in variables UNSTATIC_...)
	@test -n "$(DO)" || { echo 'Which step? make ci DO=grade'; exit 2; }
	@$(RUN) grader.ci $(DO)

gradescope: ## the archive to upload to Gradescope, results/gradescope.zip
	@mkdir -p results
	git archive --format zip --add-file gradescope/setup.sh --add-file gradescope/run_autograder -o results/gradescope.zip HEAD
	@echo "Upload results/gradescope.zip as the autograder of a programming assignment."

lock: $(READY) ## write constraints.txt from what the environment holds
	@{ grep '^#' constraints.txt; $(RUN) pip freeze --exclude-editable \
	  | grep -v -e '^nvidia' -e '^cuda' -e '^triton' | sed 's/+[a-z0-9]*$$//'; } > constraints.new
	mv constraints.new constraints.txt

clean: ## remove .venv, results/ and site/
	rm -rf $(OWN) results site

# The stamp is newer than the two files that say what to install, so that a second run starts at once.
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@if ! "$(VENV)/bin/python" -c '' 2>/dev/null; then \
	  for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; python=; done; \
	  if [ -z "$$python" ]; then \
	    echo 'Unstatic needs Python 3.11 or newer and finds none. Install one, or say where it is: make PYTHON=/path/to/python3'; exit 1; fi; \
	  echo "Setting up $(VENV) with $$("$$python" --version); torch is large, so the first time takes minutes."; \
	  "$$python" -m venv $(if $(filter $(OWN),$(VENV)),--clear) "$(VENV)"; fi
	@$(RUN) pip --version >/dev/null 2>&1 || $(RUN) ensurepip --upgrade >/dev/null || \
	  { echo '$(VENV) has no pip. Install what pyproject.toml says there yourself, or: make VENV=another-folder ...'; exit 1; }
	$(RUN) pip install $(PIP_FLAGS) $(CONSTRAINTS:%=-c %) -e '.[$(EXTRAS)]'
	@touch $@
