# On a machine with Python >= 3.11 and make, `make run` and `make test` need nothing else beforehand.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# pip compiles on one core all that it installs, a third of it never imported: models of transformers,
# tests of others. What may be imported is compiled on all cores; the little that is missing, later.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/transformers/models/|/tests/' $(VENV)/lib radiance || true
ARGS ?=
# What is imported is compiled once, not in each process: tests start a hundred.
unexport PYTHONDONTWRITEBYTECODE
# A file of tests goes to whichever process is free, the long ones first; there are more processes
# than cores, for tests wait (tests/lanes.py).
PYTEST := $(BIN)/pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder
# The packages that keep records, by their own tests and by those of what works on them.
COVERED := $(addprefix tests/,examples gate jobs registry storage test_config.py \
	learning/test_forgetting.py learning/test_holding.py memory/test_view.py service/test_disk.py \
	web/test_knowledge.py api/test_limits.py api/test_supersede.py api/test_pruning.py \
	release/test_retention.py)
BENCHMARKS := alphas learning knowing forget lookup scenarios forgetting serving adapters swaps interference training evaluation peers gate signals pages real tasks reliability

.PHONY: help run quick test coverage check fix docs pictures site bench fuzz clients doctor dist clean

help:
	@echo "make run      install and start the service on the settings of radiance.toml (ARGS=--port=0 ...)"
	@echo "make quick    install, then format, lint, types, layers and the tests that take no minutes"
	@echo "make test     install, then format, lint, types, layers, all tests and floors of coverage"
	@echo "make coverage branch coverage of the packages that keep records, by their own tests, and its floors"
	@echo "make check    the same without the tests"
	@echo "make fix      format, and mend what the linter can"
	@echo "make docs     write the tables of docs/ anew that the code says"
	@echo "make pictures take the pictures of docs/ anew, while the browser goes through the story"
	@echo "make site     docs as a searchable site in build/site; a broken link fails it"
	@echo "make bench    run the benchmarks; a second call goes on where a first was stopped"
	@echo "make fuzz     thousands of requests after the API document to a real service (Schemathesis)"
	@echo "make clients  run the clients of others (OpenAI's, LiteLLM, LangChain, ...) against a service (ARGS=NAME ...)"
	@echo "make dist     build sdist, wheel, bill of materials and Homebrew formula into dist/"
	@echo "make doctor   check this machine and the settings"
	@echo "make clean    remove the installation and caches; adapters/ and runs/ stay"

run: $(VENV)/.installed
	$(BIN)/radiance run $(ARGS)

doctor: $(VENV)/.installed
	$(BIN)/radiance doctor $(ARGS)

quick: check
	$(PYTEST) --hypothesis-profile=quick -m "not slow and not crash and not browser and not e2e" $(ARGS)

# Each test runs once: those of the covered packages with coverage, which would make the tests of
# services take half as long again, and then the others.
test: check $(if $(ARGS),,coverage)
	$(PYTEST) $(if $(ARGS),$(ARGS),$(addprefix --ignore=,$(COVERED)))

coverage: $(VENV)/.installed-dev
	$(PYTEST) --quiet --cov --cov-report=json:.coverage.json $(COVERED)
	$(BIN)/python -m tools.coverage_floors .coverage.json

check: $(VENV)/.installed-dev
	@# A link to another checkout's .venv, once committed, replaces the directory of everybody else.
	@found="$$(git ls-files -ci --exclude-standard 2>/dev/null)"; test -z "$$found" || \
		{ echo "tracked, though .gitignore says not to: $$found (git rm --cached)"; exit 1; }
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyrefly check
	$(BIN)/lint-imports

fix: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev
	$(BIN)/python -m tools.reference

pictures: $(VENV)/.installed-dev
	RADIANCE_PICTURES=docs/pictures $(BIN)/pytest -q -n 0 tests/browser/test_story.py

site: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -q -E -W --keep-going -b html -c docs -d build/doctrees . build/site

bench: $(VENV)/.installed-dev
	@set -e; for name in $(BENCHMARKS); do echo "== bench.$$name"; $(BIN)/python -m bench.$$name --size default; done

fuzz: $(VENV)/.installed-dev $(VENV)/.installed-fuzz
	$(BIN)/python -m tools.fuzz $(VENV)/fuzz/bin/schemathesis $(ARGS)

clients: $(VENV)/.installed-dev $(VENV)/.installed-clients
	$(BIN)/python -m tools.clients $(VENV)/clients/bin/python $(ARGS)

dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m hatchling build -t sdist -t wheel -d dist
	$(BIN)/python -m tools.sbom dist/radiance.cdx.json
	$(BIN)/python -m tools.formula dist/radiance-*.tar.gz dist/radiance.rb $(URL)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Radiance needs Python 3.11 or later: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module does not work here; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@# pip knows --group since 25.1.
	$(INSTALL) --upgrade "pip>=25.1"

# A second call finds the stamp and is quick.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(INSTALL) --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(INSTALL) --upgrade "pip>=25.1"
	$(INSTALL) --editable . --group dev
	@$(COMPILE)
	@touch $@ $(VENV)/.installed

# In a place of its own: its versions of pytest and hypothesis need not be those of the tests.
$(VENV)/.installed-fuzz: pyproject.toml | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/fuzz
	$(VENV)/fuzz/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)/fuzz/bin/python -m pip install --quiet --group fuzz
	@touch $@

# And the clients of others: they bring a hundred packages, none of which Radiance needs.
$(VENV)/.installed-clients: pyproject.toml | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/clients
	$(VENV)/clients/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)/clients/bin/python -m pip install --quiet --group clients
	@touch $@

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@
