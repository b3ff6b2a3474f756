# Two commands: `make demo` (set up, run the main job on real trials) and `make test` (set up, run the tests).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
REFERENCE ?= tests/reference

.PHONY: demo test check bench coverage optimum verify docs clean

$(VENV)/.user: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.user
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.user  ## the main job on the shipped review, up to the report
	rm -rf demo
	$(BIN)/consilience example immune demo/immune
	$(BIN)/consilience run demo/immune --out demo/report

test: $(VENV)/.dev  ## all tests but the slow simulation studies
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2

check: $(VENV)/.dev  ## style, types and import layers
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

verify: $(VENV)/.dev  ## every reference case through our code; REFERENCE=DIR for other files
	cd tests && $(ONE_THREAD) ../$(BIN)/python -m verify $(abspath $(REFERENCE))

bench: $(VENV)/.dev  ## side by side with R where it is installed
	$(ONE_THREAD) $(BIN)/python -m benchmarks

coverage: $(VENV)/.dev  ## do intervals cover, do tests hold their level? writes docs/coverage.md and docs/operating-characteristics.md (minutes)
	$(ONE_THREAD) $(BIN)/python -m benchmarks.coverage
	$(ONE_THREAD) $(BIN)/python -m benchmarks.operating
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m slow

optimum: $(VENV)/.dev  ## a hundred thousand small reviews: is every fit at the highest likelihood? (minutes)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m slow tests/test_engine_optimum.py

docs: $(VENV)/.dev  ## the generated pages of docs/
	$(BIN)/python docs/build.py

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
