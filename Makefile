# Needs Python 3.11 or newer, make and a network; what it installs lies in .venv. `make help` lists the targets.
# Another Python: make run PYTHON=python3.12. More words for the command behind a target: make test ARGS="-k store".

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# Another Python than the app's: on the path, or kept by pyenv; and the tests that are soon done under it.
SECOND ?= $(shell for version in 3.14 3.13 3.12; do \
	for python in python$$version $$HOME/.pyenv/versions/$$version.*/bin/python; do \
	$$python -c '' 2> /dev/null && echo $$python && exit; done; done)
QUICK := data experiment metrics model theory schedules probe tables view live studies house store queue jobs load
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Named by what the requirements say: nothing is installed again until they say something else.
APP := .venv/.app-$(shell cksum < requirements.txt | tr -s ' ' '-')
DEV := .venv/.dev-$(shell cat requirements.txt requirements-cluster.txt requirements-dev.txt | cksum | tr -s ' ' '-')
BENCH := .venv/.bench-$(shell cat requirements.txt requirements-bench.txt | cksum | tr -s ' ' '-')

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test processor slow load platforms second-python check format bench gallery clean-cache browser

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{ printf "%-20s %s\n", $$1, $$2 }'

run: $(APP) ## install what the app needs, start it and print its address
	$(BIN)/streamlit run app.py $(ARGS)

test: $(DEV) browser ## install what the tests need, a browser too, and run them all
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

processor: $(DEV) ## one network of each kernel and the quick claims, as if on another processor
	NUMBA_CPU_NAME=generic $(BIN)/python -m pytest -m "processor and not slow" $(ARGS)

slow: $(DEV) ## the tests that take minutes: the post's own size
	$(BIN)/python -m pytest -m slow $(ARGS)

load: $(DEV) ## many visitors at once, on this machine alone: how long they wait, what it costs
	$(BIN)/python -m tests.load $(ARGS)

platforms: $(DEV) ## ask PyPI whether every supported system and Python can have what the app needs
	$(BIN)/python -m pytest -m network $(ARGS)

# PyTorch is left out: its builds are large, and only the reference engine needs it.
second-python: ## the quick tests under another Python, without PyTorch, where one is on this machine
	@set -e; second="$(SECOND)"; \
	if [ -z "$$second" ]; then echo "NO SECOND PYTHON: found none of 3.12 to 3.14. Name one with SECOND=..."; exit 0; fi; \
	second=$$($$second -c 'import sys; print(sys.executable)'); \
	version=$$($$second -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	folder=.venv/second-$$version; \
	stamp=$$folder/.installed-$$(cat requirements.txt requirements-dev.txt | cksum | tr -s ' ' '-'); \
	if [ ! -e $$stamp ]; then \
		echo "Installing what the tests need for Python $$version into $$folder."; \
		$$second -m venv --clear $$folder; \
		cat requirements.txt requirements-dev.txt | grep -v -e '^torch=' -e '^-r ' > $$folder/requirements.txt; \
		$$folder/bin/python -m pip install --quiet --disable-pip-version-check -r $$folder/requirements.txt; \
		touch $$stamp; \
	fi; \
	$$folder/bin/python -m pytest -p no:cacheprovider $(QUICK:%=tests/test_%.py) $(ARGS)

check: $(DEV) ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV) ## format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH) ## time the fast engine against PyTorch and JAX, which is installed for that alone
	$(BIN)/python -m toyviz bench $(ARGS)

gallery: $(APP) ## train what is missing of the results that are shipped
	$(BIN)/python -m toyviz gallery $(ARGS)

clean-cache: $(APP) ## forget the results trained here; the shipped ones stay
	$(BIN)/python -m toyviz cache clear

$(APP):
	@command -v $(PYTHON) > /dev/null || { echo "toyviz needs Python 3.11 or newer; there is no $(PYTHON)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("toyviz needs Python 3.11 or newer, and \
	$(PYTHON) is %d.%d: name another one with make PYTHON=..." % sys.version_info[:2])'
	@$(PYTHON) -m venv .venv || { echo "On Debian: apt-get install python3-venv, then try again." >&2; exit 1; }
	@rm -f .venv/.app-* .venv/.dev-* .venv/.bench-*
	@echo "Installing requirements.txt into .venv: a few minutes, once."
	@$(PIP) -r requirements.txt
	@touch $@

$(DEV): $(APP)
	@rm -f .venv/.dev-*
	@echo "Installing requirements-dev.txt into .venv."
	@$(PIP) -r requirements-dev.txt
	@touch $@

# Where there is no JAX for a system, the bench runs without its column.
$(BENCH): $(APP)
	@rm -f .venv/.bench-*
	@echo "Installing requirements-bench.txt into .venv."
	@if $(PIP) -r requirements-bench.txt; then touch $@; else echo "JAX could not be installed."; fi

# A browser that is there already, else Debian's chromium where that needs no password. None is no error: the tests that
# need one are skipped.
browser:
	@found() { for name in $(BROWSERS); do command -v $$name > /dev/null && return; done; return 1; }; \
	found && exit 0; \
	as_root=; \
	if [ "$$(id -u)" != 0 ]; then as_root="sudo -n"; sudo -n true 2> /dev/null || as_root=no; fi; \
	if [ "$$as_root" != no ] && command -v apt-get > /dev/null; then \
		echo "Installing chromium for the browser tests: a minute, once."; \
		$$as_root apt-get update -qq; \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null; \
	fi; \
	found || echo "NO BROWSER: the tests marked browser will be skipped. Install chromium or google-chrome to run them."
