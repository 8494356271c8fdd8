# Everything is set up in .venv; nothing outside this folder is touched.
#   make demo   the whole road on real middleware, with what it does shown
#   make test   the test suite
#   make fuzz   the tests of generated examples, with new ones
#   make test-pool   a real HTCondor pool from the user data of clusters; needs root and debootstrap
#   make test-openstack   clusters on a real OpenStack whose machines are make-believe
#   make lint   ruff, mypy, import-linter
#   make benchmark   what things cost, beside bps; half an hour the first time; writes benchmarks/RESULTS.md

# An interpreter to prefer: make demo PYTHON=/opt/python3.11/bin/python3
PYTHON ?=
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := lsst,bps,engines,aws,gcp,provision,dev
DEMO := demo
# A file of tests at a time on each processor.
PYTEST_ARGS ?= -n auto --dist loadfile

.PHONY: demo test fuzz test-pool test-openstack lint benchmark venv clean

demo: $(READY)
	@PATH="$(BIN):$$PATH" $(BIN)/python -m rubincwl.demo $(DEMO)

test: $(READY)
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest $(PYTEST_ARGS)

fuzz: $(READY)
	PATH="$(BIN):$$PATH" HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest $(PYTEST_ARGS) -m "hypothesis and not exhaustive"

# The first time, two minutes to put Debian into .venv/pool.
test-pool: $(READY)
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -m pool tests/pool

# The first time, some minutes to install 600 MB into .venv/openstack and to make databases.
OPENSTACK := $(VENV)/openstack
OPENSTACK_PACKAGES := nova~=34.0 keystone~=30.0 glance~=33.0 openstack-placement~=16.0 neutron~=29.0 openstacksdk werkzeug
test-openstack: $(READY) $(OPENSTACK)/.ready
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -m "openstack and not exhaustive" tests/openstack

$(OPENSTACK)/.ready: $(READY)
	@echo "installing OpenStack in $(OPENSTACK) (once, some minutes)"
	@rm -rf $(OPENSTACK) $(OPENSTACK)-databases && $(BIN)/python -m venv $(OPENSTACK)
	@$(OPENSTACK)/bin/python -m pip install --quiet --disable-pip-version-check $(OPENSTACK_PACKAGES)
	@touch $@

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The line on compiling beside bps stands last.
benchmark: $(READY)
	-PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q $(VENV)/lib >/dev/null
	PATH="$(BIN):$$PATH" $(BIN)/python -m benchmarks.quantum_overhead --cache $(VENV)/benchmarks
	PATH="$(BIN):$$PATH" $(BIN)/python -m benchmarks.clustering --cache $(VENV)/benchmarks
	PATH="$(BIN):$$PATH" $(BIN)/python -m benchmarks.compile --cache $(VENV)/benchmarks

venv: $(READY)

# uv installs in seconds what takes pip a minute, but it does not read pip's configuration: where a package index is
# configured for pip, or uv cannot be had, pip does it.
$(READY): pyproject.toml
	@found=; for each in $(PYTHON) python3 python3.11 python3.12 python; do \
	    command -v $$each >/dev/null 2>&1 || continue; \
	    if $$each -m rubincwl.interpreter; then found=$$each; break; fi; \
	    echo "  ... trying the next interpreter" >&2; \
	done; \
	if [ -z "$$found" ]; then echo "no usable Python: install 3.11 or 3.12, or say make PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	echo "setting up $(VENV) with $$($$found --version) (once, about a minute)"; \
	$(BIN)/python --version >/dev/null 2>&1 || { rm -rf $(VENV) && $$found -m venv $(VENV); }
	@if $(BIN)/python -m pip config list | grep -q "\.index-url" \
	    || ! $(BIN)/python -m pip install -qq --disable-pip-version-check uv \
	    || ! $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable ".[$(EXTRAS)]"; then \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) dist
