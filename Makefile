# `make run` and `make test` set up everything they need in .venv; Python >= 3.11 and nothing else is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= configs/h36m_split.yaml
ARGS ?=

.PHONY: setup run test check format wheel scoreboard clean

setup: $(VENV)/ready

$(VENV)/ready: setup.py pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed, found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/ready-test: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[test,dev,formats]'
	touch $@

run: $(VENV)/ready
	$(BIN)/python run_pipeline.py $(CONFIG) $(ARGS)

test: $(VENV)/ready-test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy articulate stages

format: $(VENV)/ready-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/ready
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

scoreboard: $(VENV)/ready
	$(BIN)/python benchmarks/readme_tables.py

clean:
	rm -rf build dist *.egg-info
