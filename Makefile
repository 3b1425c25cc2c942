# SPDX-License-Identifier: Apache-2.0
# TeeTee. `make` alone lists what can be done. Needed beforehand: Python 3.11+, Node 20+, make.

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps share two cores, one chain port and one compiler cache: faster one after the other.
.NOTPARALLEL:

# For another interpreter: make setup PYTHON=python3.12
PYTHON ?= python3
export PYTHON

# Each machine takes the torch build which fits it, so torch stands in no lock. Linux with a registry that knows no other
# build gets the CUDA one (gigabytes); pip's own settings or TORCH=<path or name of a wheel> choose another.
TORCH ?= torch==2.13.0

STAMPS := build/stamps
PIP := -m pip --disable-pip-version-check --quiet
LOCKED := --no-deps --require-hashes

# The question travels as environment, verbatim: neither make nor a shell reads what is in it.
ifneq ($(origin QUESTION),undefined)
override QUESTION := $(value QUESTION)
export QUESTION
endif

.PHONY: help
help: ## this list
	@echo 'TeeTee: private LLM inference over several TEEs, paid and audited on Base.'
	@echo
	@echo 'Start with   make demo'
	@echo 'or with      make demo QUESTION="What is a trusted execution environment?"'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target meaning; do printf '  make %-12s %s\n' "$$target" "$$meaning"; done
	@echo
	@echo 'The first call installs what it needs into this folder (some minutes); later ones start at once.'

# ---------------------------------------------------------------- installing

.PHONY: setup venv venv-ape node native
setup: venv venv-ape node native ## install everything, here; done again only when a lock file changes
venv: $(STAMPS)/venv-project ## .venv: runtime, oracle, client, tests
venv-ape: $(STAMPS)/venv-ape-project ## .venv-ape: ape for contracts, scripts and contract tests
node: $(STAMPS)/node ## node_modules: solc, Foundry, OpenZeppelin, solady, solhint

%/pyvenv.cfg:
	@toolchain/check-prerequisites.sh
	$(PYTHON) -m venv $*

$(STAMPS)/venv: requirements/test.txt .venv/pyvenv.cfg
	.venv/bin/python $(PIP) install '$(TORCH)'
	.venv/bin/python $(PIP) install $(LOCKED) -r requirements/test.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/venv-ape: requirements/ape.txt .venv-ape/pyvenv.cfg
	.venv-ape/bin/python $(PIP) install $(LOCKED) -r requirements/ape.txt
	@mkdir -p $(STAMPS) && touch $@

# The project itself, editable, in both environments.
$(STAMPS)/%-project: $(STAMPS)/% pyproject.toml
	.$*/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# No package's install script is run: the compiler and Foundry's binaries come ready.
$(STAMPS)/node: package.json package-lock.json toolchain/solc
	@toolchain/check-prerequisites.sh
	npm ci --ignore-scripts --loglevel=error
	@mkdir -p $(STAMPS) build/solcx && ln -sf ../../toolchain/solc build/solcx/solc-v0.8.37
	@touch $@

# One file for every machine of its kind: the instruction set is chosen when it is loaded. CXX=… takes another compiler.
NATIVE := build/native/libteetee_native.so
native: $(NATIVE) ## the C++ step of the runtime, where there is a compiler
$(NATIVE): toolchain/build-native.sh $(shell find shard_runtime/backends/native/source -type f)
	@toolchain/build-native.sh $@

# ---------------------------------------------------------------- using

.PHONY: contracts demo bench
contracts: node ## compile the contracts
	toolchain/forge build --skip 'tests/**'

demo: setup ## a paid, private, attested question and answer, all on this machine; QUESTION="…" asks your own
	@.venv/bin/python -m demo $(DEMO_ARGS)

bench: setup ## measure gas and speed into benchmarks/results; BENCH_ARGS="runtime --quick" for a first look
	.venv/bin/python -m benchmarks $(BENCH_ARGS)

# ---------------------------------------------------------------- checking

.PHONY: test test-forge test-python test-ape test-deep lint types format
test: setup lint types test-forge test-python test-ape ## everything that CI runs

test-forge: node ## unit, fuzz, invariant and gas tests of the contracts
	toolchain/forge test

# Two at a time, but for those that start whole systems against the clock, measure, or count over all their cases.
ALONE := tests/system tests/oracle tests/benchmarks tests/attestation
test-python: venv node native ## tests of the Python packages and of the whole system
	.venv/bin/python -m pytest tests --ignore=tests/contracts $(ALONE:%=--ignore=%) -n 2 --dist loadfile
	.venv/bin/python -m pytest $(ALONE)

test-ape: venv-ape contracts ## contract tests with ape, and whether the committed ABIs are fresh
	toolchain/ape run export_abi --check
	toolchain/ape test tests/contracts

test-deep: venv node native ## 100,000 changes to quotes and collateral; every stage failing at every token, in every way, and under 100 seeds at once: an hour
	MUTATIONS=100000 .venv/bin/python -m pytest tests/attestation/test_mutations.py
	.venv/bin/python -m pytest tests/shard_runtime -m deep

lint: venv node ## ruff, solhint, and the format of both languages (`make format` mends that)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	node_modules/.bin/solhint --noPoster --disc --max-warnings 0 'contracts/**/*.sol'
	toolchain/forge fmt --check

types: venv ## mypy --strict, for every package
	.venv/bin/mypy

format: venv node ## write Python and Solidity as the linters want them
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix-only .
	toolchain/forge fmt

# ---------------------------------------------------------------- keeping

.PHONY: lock clean distclean
UV := build/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
      --no-annotate --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command 'make lock'
# asyncio: an empty package which dstack-sdk names by mistake.
LEFT_OUT := --no-emit-package torch --no-emit-package asyncio

lock: ## write requirements/*.txt and package-lock.json anew; LOCK=--upgrade also takes newer versions
	@toolchain/check-prerequisites.sh
	$(PYTHON) -m venv build/lock && build/lock/bin/python $(PIP) install uv
	$(UV) $(LOCK) $(LEFT_OUT) pyproject.toml --output-file requirements/runtime.txt
	$(UV) $(LOCK) $(LEFT_OUT) pyproject.toml --extra test --constraint requirements/runtime.txt \
	    --output-file requirements/test.txt
	$(UV) $(LOCK) --no-emit-package asyncio requirements/ape.in --output-file requirements/ape.txt
	npm install --package-lock-only --ignore-scripts --loglevel=error

clean: ## remove what was built, keep the environments
	rm -rf build .build .pytest_cache .hypothesis .mypy_cache .ruff_cache *.egg-info

distclean: clean ## remove the environments too
	rm -rf .venv .venv-ape node_modules
