# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
TORCH ?= $(shell grep -v '^\#' constraints.txt)
DEVICE ?= $(if $(shell command -v nvidia-smi),cuda,cpu)
BIN := .venv/bin
BROWSER ?= chromium
# The environment of the libraries of networks is shared by all checkouts; what was asked for is part of its stamp's name.
LIBRARIES ?= $(HOME)/.cache/segbench/libraries
LIBRARIES_TORCH ?= $(shell grep -E '^torch(vision)?==' constraints-libraries.txt)
ASKED := $(shell (echo $(LIBRARIES_TORCH); cat constraints-libraries.txt; \
	sed -n '/^dependencies = /,/^]/p; /^.project.optional/,/^libraries/p; /^libraries = ..p/p' pyproject.toml) | cksum | cut -d' ' -f1)
DATA := $(firstword $(SEGBENCH_DATA) $(realpath ../shared/data))
CLUSTER ?= $(HOME)/.cache/segbench/cluster
export SEGBENCH_DATA := $(DATA)

.PHONY: venv demo test lint unit wheel-test browser-test test-libraries test-cluster gpu clean

venv: .venv/ready

# torch first and pinned: a looser wish may bring gigabytes of CUDA packages to a machine without a GPU.
.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable . --group dev "$(TORCH)"
	touch $@

demo: venv
	$(BIN)/segbench memory -m table2 --device $(DEVICE)
	$(BIN)/segbench trajectory --device $(DEVICE)

test: venv lint unit wheel-test

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: venv
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not wheel and not cluster"

wheel-test: venv
	$(BIN)/python -m pytest -m wheel tests/test_wheel.py

# Chromium comes from the system's packages where this user may install them; without one the tests are skipped.
browser-test: venv
	@if ! command -v $(BROWSER) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq chromium chromium-driver; fi
	SEGBENCH_BROWSER="$$(command -v $(BROWSER))" $(BIN)/python -m pytest -m browser tests/browser

# The real libraries of networks against their predictions; segbench itself is taken from this checkout.
test-libraries: $(LIBRARIES)/asked-$(ASKED)
	OMP_NUM_THREADS=1 PYTHONPATH="$(CURDIR)" $(LIBRARIES)/bin/python -m pytest -n 2 -m libraries tests/libraries

$(LIBRARIES)/asked-$(ASKED):
	test -x $(LIBRARIES)/bin/python || $(PYTHON) -m venv $(LIBRARIES)
	rm -f $(LIBRARIES)/asked-* && $(LIBRARIES)/bin/python -m pip install --quiet --upgrade pip
	$(LIBRARIES)/bin/python -m pip install --quiet $(LIBRARIES_TORCH)
	grep -vE '^torch(vision)?==' constraints-libraries.txt > $(LIBRARIES)/constraints.txt
	$(LIBRARIES)/bin/python -m pip install --quiet -c $(LIBRARIES)/constraints.txt ".[libraries]" --group libraries $(LIBRARIES_TORCH)
	$(LIBRARIES)/bin/python -m pip uninstall --quiet --yes segbench
	touch $@

# Ray and submitit in an environment of their own: a cluster of two nodes on this machine, killed and resumed.
test-cluster: $(CLUSTER)/ready
	PYTHONPATH=$(CURDIR) OMP_NUM_THREADS=1 $(CLUSTER)/bin/python -m pytest -m cluster tests/cluster

$(CLUSTER)/ready: pyproject.toml constraints.txt
	test -x $(CLUSTER)/bin/python || $(PYTHON) -m venv $(CLUSTER)
	$(CLUSTER)/bin/python -m pip install --quiet "$(TORCH)"
	$(CLUSTER)/bin/python -m pip install --quiet --editable ".[ray,slurm]" pytest pytest-timeout "$(TORCH)"
	touch $@

# What needs a CUDA GPU: its tests, which are not part of the installed package, and the first measurements on it.
gpu: venv
	@failed=0; \
	if $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then \
		$(BIN)/python -m pytest tests/gpu || failed=1; fi; \
	$(BIN)/segbench gpu-check -o reports/local/gpu-check && exit $$failed

clean:
	rm -rf .venv .venv-wheel build dist
