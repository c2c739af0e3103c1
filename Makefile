# `make quickstart` and `make test` are all that a new machine needs: each makes .venv first.
PYTHON ?= python3
BIN = .venv/bin
# torch and torchvision come from one index in one command: mixed builds fail at import.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Between two thoughts: what needs neither a cluster, a browser, real photographs nor much time.
UNIT = not (soak or slow or cluster or browser or real)
# Two tests at a time, whole files each: one waits for a server or a cluster while the other computes.
SIDE_BY_SIDE = -n 2 --dist loadfile

.PHONY: quickstart test unit soak check bench gpu clean
.DELETE_ON_ERROR:

quickstart: .venv/.installed
	$(BIN)/moleflow run quickstart

test: .venv/.installed-dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

unit: .venv/.installed-dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m '$(UNIT)' --durations-min=1

# SEED=n: faults drawn by that seed instead, in every setting (docs/faults.md).
soak: .venv/.installed-dev
	$(if $(SEED),$(BIN)/python -m tests.nemesis --seeds $(SEED),$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m soak)

check: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: .venv/.installed-dev
	$(BIN)/python tests/benchmarks/bench_metrics.py
	$(BIN)/python tests/benchmarks/bench_step.py
	$(BIN)/python tests/benchmarks/bench_train.py $(if $(REAL),--real $(REAL))
	$(BIN)/python tests/benchmarks/bench_tracking.py
	$(BIN)/python tests/benchmarks/bench_engine.py overhead known shared certificate

# On a machine with a GPU; OUT is the folder for its JSON.
gpu: .venv/.installed-dev
	$(BIN)/python -m tests.gpu --out $(or $(OUT),gpu_run)

clean:
	rm -rf .venv build dist *.egg-info

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "moleflow needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

.venv/.installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "moleflow needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[dev]'
	touch $@ .venv/.installed
