# `make demo` and `make test` install lodisc into .venv first, and again when pyproject.toml or constraints.txt changed.
# Another Python, for a new .venv: make PYTHON=python3.12 test

PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lint lint-js clean python

demo: .venv/installed
	.venv/bin/lodisc demo

test: .venv/installed-dev
	.venv/bin/python -m pytest -q -m "not alone" --numprocesses auto --maxprocesses 4 --dist worksteal
	.venv/bin/python -m pytest -q -m alone

lint: .venv/installed-dev
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
ifeq ($(shell command -v npm),)
	@echo "There is no npm here: the page's JavaScript is not checked"
else
	@$(MAKE) --no-print-directory lint-js
endif

# The stamp lies in node_modules: who removes that folder installs again.
lint-js: node_modules/.installed
	npm run --silent lint

node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache node_modules build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What a killed install left behind, or a .venv whose Python has gone, is of no use: start afresh.
# An install that pip gave up itself, without a network for example, leaves .venv as it was.
$(shell test -e .venv/bin/python && test ! -e .venv/unfinished || rm -rf .venv)

define install
@touch .venv/unfinished
@echo "Installing lodisc into .venv: minutes the first time (with torch's CUDA packages about 5.5 GB on Linux)"
.venv/bin/python -m pip install --no-input --constraint constraints.txt --editable '$(1)' || { rm .venv/unfinished; exit 1; }
@rm .venv/unfinished
@touch $@
endef

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(call install,.)

.venv/installed-dev: .venv/installed
	$(call install,.[dev])

.venv/bin/python: | python
	@mkdir .venv && touch .venv/unfinished
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

version = $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])'

python:
	@if [ ! -e .venv/bin/python ]; then \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "lodisc needs Python 3.11 or newer and $(PYTHON) is not: name one, as in  make PYTHON=python3.12 demo" >&2; exit 1; }; \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	    { echo "This Python cannot make a virtual environment; on Debian and Ubuntu, as root:  apt install python3-venv" >&2; exit 1; }; \
	elif [ "$(origin PYTHON)" != file ] && [ "$$($(call version,$(PYTHON)))" != "$$($(call version,.venv/bin/python))" ]; then \
	  echo ".venv holds another Python than $(PYTHON): run  make clean  first" >&2; exit 1; \
	fi
