# SPDX-License-Identifier: Apache-2.0
# TeeTee. `make` lists the targets. Prerequisites: Python 3.11+, Node 20+, make.

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps share cores, a chain port and a compiler cache: they are faster one after the other.
.NOTPARALLEL:

# Another interpreter: make setup PYTHON=python3.12
PYTHON ?= python3
export PYTHON

# The right torch build depends on the machine, so torch is in no lock file. On Linux the default registry has the CUDA
# build (gigabytes); pip's settings or TORCH=<path or name of a wheel> choose another one.
TORCH ?= torch==2.13.0

STAMPS := build/stamps
# Twice quiet: errors only, without a notice for each ignored package index.
PIP := -m pip --disable-pip-version-check -qq
LOCKED := --no-deps --require-hashes
# --no-compile: Python compiles what it imports, which is a fraction of 18,000 files.

# The question is passed in the environment, verbatim: neither make nor a shell expands it.
ifneq ($(origin QUESTION),undefined)
override QUESTION := $(value QUESTION)
export QUESTION
endif

.PHONY: help
help: ## list the targets
	@echo 'TeeTee: private LLM inference over several TEEs, paid and verified on Base.'
	@echo
	@echo 'Start with   make demo'
	@echo 'or with      make demo QUESTION="What is a trusted execution environment?"'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target meaning; do printf '  make %-12s %s\n' "$$target" "$$meaning"; done
	@echo
	@echo 'The first call installs its dependencies into this folder (some minutes); later calls start immediately.'

# ---------------------------------------------------------------- installing

.PHONY: setup venv venv-ape node native
setup: packages venv venv-ape ## install everything into this folder; runs again only when a lock file changes
# .venv takes as long as all else. The project comes after both: pip writes its metadata into this folder.
.PHONY: packages
packages: .venv/pyvenv.cfg
	@$(MAKE) --silent --no-print-directory $(STAMPS)/venv & other=$$!; failed=0; \
	    $(MAKE) --silent --no-print-directory node native $(STAMPS)/venv-ape || failed=1; \
	    wait $$other || failed=1; exit $$failed
venv: $(STAMPS)/venv-project ## install .venv: runtime, oracle, client, tests
venv-ape: $(STAMPS)/venv-ape-project ## install .venv-ape: ape for contracts, scripts and contract tests
node: $(STAMPS)/node ## install node_modules: solc, Foundry, OpenZeppelin, solady, solhint

%/pyvenv.cfg:
	@toolchain/check-prerequisites.sh
	$(PYTHON) -m venv $*

$(STAMPS)/venv: requirements/test.txt .venv/pyvenv.cfg
	@echo 'Installing $(TORCH) and $(words $(shell sed -n "s/^\([a-z0-9._-]*\)==.*/\1/p" $<)) packages into .venv: some minutes, without further output.'
	.venv/bin/python $(PIP) install --no-compile '$(TORCH)'
	.venv/bin/python $(PIP) install --no-compile $(LOCKED) -r requirements/test.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/venv-ape: requirements/ape.txt .venv-ape/pyvenv.cfg
	@echo 'Installing $(words $(shell sed -n "s/^\([a-z0-9._-]*\)==.*/\1/p" $<)) packages into .venv-ape: a minute or two, without further output.'
	.venv-ape/bin/python $(PIP) install --no-compile $(LOCKED) -r requirements/ape.txt
	@mkdir -p $(STAMPS) && touch $@

# Installs the project itself, editable, into either environment.
$(STAMPS)/%-project: $(STAMPS)/% pyproject.toml
	.$*/bin/python $(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Without the packages' install scripts: the compiler and Foundry's binaries need none.
$(STAMPS)/node: package.json package-lock.json toolchain/solc
	@toolchain/check-prerequisites.sh
	@echo 'Installing solc, Foundry and the contracts'"'"' libraries into node_modules: about a minute.'
	npm ci --ignore-scripts --loglevel=error
	@mkdir -p $(STAMPS) build/solcx && ln -sf ../../toolchain/solc build/solcx/solc-v0.8.37
	@touch $@

# One file for all CPUs of an architecture: the instruction set is chosen at load time. CXX=… sets the compiler.
NATIVE := build/native/libteetee_native.so
native: $(NATIVE) ## build the runtime's C++ kernels, if there is a compiler
$(NATIVE): toolchain/build-native.sh $(shell find shard_runtime/backends/native/source -type f)
	@toolchain/build-native.sh $@

# ---------------------------------------------------------------- using

.PHONY: contracts demo world world-stop host bench
contracts: node ## compile the contracts
	toolchain/forge build --skip 'tests/**'

demo: setup ## ask a private question, answered, paid and verified on this machine; QUESTION="…" asks your own
	@.venv/bin/python -m demo $(DEMO_ARGS)

world: setup ## start the demo's world and keep it running, to use `teetee` by hand
	@.venv/bin/python -m demo world $(WORLD_ARGS)

world-stop: ## stop that world
	@.venv/bin/python -m demo stop

LAYERS ?= 8-19
host: setup ## add a host to that world; LAYERS=FIRST-END chooses its layers
	@.venv/bin/python -m demo host --layers '$(LAYERS)'

bench: setup ## measure gas and speed into benchmarks/results; BENCH_ARGS="runtime --quick" for a first look
	.venv/bin/python -m benchmarks $(BENCH_ARGS)

# ---------------------------------------------------------------- checking

.PHONY: test test-forge test-python test-ape test-deep lint types format
test: setup test-static test-contracts test-python ## run everything that CI runs

# Two things at a time, each of which keeps one core busy or waits.
.PHONY: test-static test-contracts compile
test-static: setup
	@$(MAKE) --no-print-directory lint types & other=$$!; failed=0; \
	    $(MAKE) --no-print-directory compile || failed=1; \
	    wait $$other || failed=1; exit $$failed
test-contracts: setup compile
	@$(MAKE) --no-print-directory test-ape & other=$$!; failed=0; \
	    $(MAKE) --no-print-directory test-forge || failed=1; \
	    wait $$other || failed=1; exit $$failed

compile: node # the contracts and their tests
	toolchain/forge build

test-forge: node ## run the contracts' unit, fuzz, invariant and gas tests
	toolchain/forge test

# One process runs all system tests, the other one what else there is: see tests/conftest.py.
test-python: venv venv-ape node native ## test the Python packages and the whole system
	.venv/bin/python -m pytest tests --ignore=tests/contracts -n 2 --dist loadfile

test-ape: venv-ape contracts ## test the contracts with ape, and check that the committed ABIs are up to date
	toolchain/ape run export_abi --check
	toolchain/ape test tests/contracts

# Stages fail at every token, in every way, and under 100 seeds at once. FUZZ_ARGS: see `python -m tests.fuzzing --help`.
test-deep: venv venv-ape node native ## run deeper tests, about three hours: 5,000 faults in a running world, 100,000 mutated quotes and collateral, 4,000 changed configs, stages failing at every token, each reader of untrusted bytes fuzzed 1,000,000 times
	MUTATIONS=100000 .venv/bin/python -m pytest tests/attestation/test_mutations.py
	.venv/bin/python -m pytest tests/shard_runtime -m deep
	.venv/bin/python -m pytest tests/faults -m deep
	.venv/bin/python -m tests.fuzzing $(FUZZ_ARGS)

lint: venv node ## run ruff and solhint, and check the format of both languages (`make format` fixes it)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	node_modules/.bin/solhint --noPoster --disc --max-warnings 0 'contracts/**/*.sol'
	toolchain/forge fmt --check

types: venv ## run mypy --strict on every package
	.venv/bin/mypy

format: venv node ## format Python and Solidity
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix-only .
	toolchain/forge fmt

# ---------------------------------------------------------------- maintenance

.PHONY: lock clean distclean
UV := build/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
      --no-annotate --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command 'make lock'
# asyncio: an empty package that dstack-sdk requires by mistake.
LEFT_OUT := --no-emit-package torch --no-emit-package asyncio

lock: ## regenerate requirements/*.txt and package-lock.json; LOCK=--upgrade also upgrades versions
	@toolchain/check-prerequisites.sh
	$(PYTHON) -m venv build/lock && build/lock/bin/python $(PIP) install uv
	$(UV) $(LOCK) $(LEFT_OUT) pyproject.toml --output-file requirements/runtime.txt
	$(UV) $(LOCK) $(LEFT_OUT) pyproject.toml --extra test --constraint requirements/runtime.txt \
	    --output-file requirements/test.txt
	$(UV) $(LOCK) --no-emit-package asyncio requirements/ape.in --output-file requirements/ape.txt
	npm install --package-lock-only --ignore-scripts --loglevel=error

clean: ## remove build results, keep the environments
	rm -rf build .build .pytest_cache .hypothesis .mypy_cache .ruff_cache *.egg-info

distclean: clean ## remove build results and environments
	rm -rf .venv .venv-ape node_modules
