# Two commands: `make demo` and `make test`. Both make .venv first, from pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Three workers for two cores: each of them waits for real peers about as long as it computes.
JOBS ?= $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))

.PHONY: demo test lint types layers units peers axe advisories bench faults fuzz papers clean

demo: $(VENV)/.demo
	$(BIN)/preread demo $(ARGS)

test: $(VENV)/.test peers lint types layers
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

layers: $(VENV)/.test
	$(BIN)/lint-imports

# DCMTK, Orthanc, dicom3tools and PixelMed are real programs of other people; the tests talk to them.
peers:
	sh deploy/install-test-peers.sh

# Some 30 GB and an hour on two cores; each line is a command of its own. FULL_SIZE: where the random weights are made, and kept.
FULL_SIZE ?= out/full-size
bench: $(VENV)/.test peers
	$(BIN)/preread bench receive
	$(BIN)/preread bench labels
	$(BIN)/preread bench web
	$(BIN)/preread bench read
	$(BIN)/preread bench read --full-size $(FULL_SIZE) --tokens 128
	FULL_SIZE=$(FULL_SIZE) $(BIN)/python -m pytest -m slow

# What is known against the versions that are installed. It asks a public service (osv.dev), so it is no part of `make test`.
advisories: $(VENV)/.test
	$(PYTHON) -m venv out/pip-audit
	out/pip-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	out/pip-audit/bin/pip-audit --vulnerability-service osv --skip-editable --path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# The tables of the papers in docs/, made from the program's own.
papers: $(VENV)/.test
	$(BIN)/python -m agent.papers

# Some hours. A campaign that was broken off goes on with the same command. What was measured goes into docs/reliability.md.
KILLS ?= 1000
NETWORK ?= 1000
SOAK ?= 10000
SEED ?= 1
CAMPAIGN := out/campaign-$(SEED).jsonl
faults: $(VENV)/.test peers
	$(BIN)/python -m pytest tests/faults -n 1 --fault-rounds 100 $(ARGS)
	$(BIN)/python -m tests.faults.campaign --kills $(KILLS) --network $(NETWORK) --disk 100 --database 100 --answers 300 --refusals 100 \
		--model 40 --clock 60 --seed $(SEED) --out $(CAMPAIGN)
	$(BIN)/python -m tests.faults.campaign --kills 100 --network 100 --database 100 --on postgresql --seed $(SEED) --out $(CAMPAIGN)
	$(BIN)/python -m tests.faults.soak --studies $(SOAK) --chests 100 --out out/soak.json
	$(BIN)/python -m tests.faults.report $(CAMPAIGN) --soak out/soak.json --write docs/reliability.md

# Coverage-guided; some ten minutes on two cores. RUNS: inputs for each of the parsers.
RUNS ?= 100000
fuzz: $(VENV)/.test
	$(INSTALL) atheris==3.0.0
	$(BIN)/python -m tests.fuzz.run --runs $(RUNS)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable '.[local,demo]'
	touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable '.[test]'
	$(INSTALL) --no-deps --ignore-requires-python radlabels
	$(MAKE) --no-print-directory axe
	touch $@

# axe-core looks at the pages for what keeps people out of them; only the tests use it.
axe:
	sh deploy/install-test-peers.sh
	npm install --silent --no-save --no-package-lock --prefix $(VENV)/npm axe-core@4.10.3

clean:
	rm -rf $(VENV) build out .mypy_cache .pytest_cache .ruff_cache .hypothesis
