# `make help` lists the targets; its lines are the comments that begin with two signs.
PYTHONS := 3.11 3.12 3.13
PYTHON ?= $(or $(firstword $(foreach each,$(PYTHONS),$(call runs,python$(each)))),$(call runs,python3))
VENV ?= .venv
BIN := $(VENV)/bin

# Interpreters are tried, not only looked for: pyenv puts commands on the path that refuse to run, and keeps what they
# stand for in its own folder.
PYENV_ROOT ?= $(HOME)/.pyenv
runs = $(and $(1),$(shell $(1) -c 'import sys; print(sys.executable)' 2>/dev/null))
interpreter = $(or $(call runs,python$(1)),$(call runs,$(lastword $(wildcard $(PYENV_ROOT)/versions/$(1).*/bin/python))))

# A lock holds for every Python from the oldest supported one: what only some need has a marker. It names no package index.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
COMPILE = $(LOCK) pyproject.toml

# Spark needs Java; without it, its tests are skipped and say so.
SPARK := $(shell command -v java >/dev/null && echo .venv-spark/.installed)

.PHONY: serve help test-fast test test-avx2 test-pythons test-python test-deploy check sbom spark fuzz soak bench lock clean

## install what serving needs, register the starter model and serve it
serve: $(VENV)/.serve
	@$(BIN)/python -m inference.registry starter models/starter || echo "Going on: what served last is served again."
	@$(BIN)/python -m service

## list the targets
help:
	@awk '/^## /{about = substr($$0, 4); next} about && /^[a-z0-9-]+:/{sub(":.*", ""); printf "make %-14s%s\n", $$0, about} {about = ""}' $(MAKEFILE_LIST)

# What decides which tests those are: tests/support/fast_level.py.
## the unit tests: no processes, no TensorFlow
test-fast: $(VENV)/.dev
	$(BIN)/pytest --fast -n 2 --dist loadfile --durations 10

## static checks and all tests but those of Docker
test: check $(SPARK)
	$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations 10

# docs/testing.md says how the libraries are capped.
## the tests marked `numeric`, as on a processor without AVX-512 and VNNI
test-avx2: $(VENV)/.dev
	env $$(grep -v '^#' tests/support/avx2.env) $(BIN)/pytest -m numeric -n 2 --dist loadfile --durations 10

# Those that this machine lacks are named at the end. The tests that need TensorFlow are skipped and say so.
## the tests of serving on Python 3.11, 3.12 and 3.13
test-pythons:
	@passed=; failed=; missing=; \
	$(foreach each,$(PYTHONS),$(if $(call interpreter,$(each)),\
	$(MAKE) test-python VENV=.venv-$(each) PYTHON=$(call interpreter,$(each)) && passed="$$passed $(each)" || failed="$$failed $(each)";,\
	missing="$$missing $(each)";)) \
	echo "Python: passed on$${passed:- none}; failed on$${failed:- none}; not on this machine:$${missing:- none}."; \
	test -n "$$passed" -a -z "$$failed"

test-python: $(VENV)/.serve $(VENV)/.test
	$(BIN)/pytest tests/test_serve.py tests/inference tests/service tests/lunar/scoring tests/client -n 2 --dist loadfile --durations 10

# It writes .deploy/report.json.
## build the images and start docker-compose.yml on a real Docker engine
test-deploy: $(VENV)/.dev
	$(BIN)/pytest tests/deploy --durations 10

## linters, types and the directions of imports
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r inference service training lunar client/src
	$(BIN)/hadolint Dockerfile
	cat Dockerfile deploy/space/Dockerfile | $(BIN)/hadolint -
	cat Dockerfile deploy/space/training.Dockerfile | $(BIN)/hadolint -
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

## the service's packages and their versions as a CycloneDX file, sbom.json
sbom: sbom.json

sbom.json: requirements.lock pyproject.toml $(VENV)/.dev
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o $@ requirements.lock

## an environment for examples/score_with_spark.py
spark: .venv-spark/.installed

# First twenty-five times the damaged files of the tests, then inputs guided by coverage.
## search for inputs that crash the decoder; they are kept in fuzz-crashes
fuzz: $(VENV)/.dev .venv-fuzz/.installed
	LUNAR_FUZZ=50000 $(BIN)/pytest tests/service/http/test_mutated_images.py
	.venv-fuzz/bin/python -m tests.fuzz decode 300
	.venv-fuzz/bin/python -m tests.fuzz dicom 300
	.venv-fuzz/bin/python -m tests.fuzz bundle 300

## ten minutes of load, with memory and threads watched
soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.soak --seconds 600

# Nothing else may run meanwhile. Peers that do not install are skipped, and the table says so.
## measure the speed of everything, into the tables of docs/performance.md
bench: $(VENV)/.dev
	@$(MAKE) .venv-peers/.installed || echo "Going on without the peers."
	$(BIN)/python -m benchmarks

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Lunar needs Python 3.11 or newer; none was found"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lunar needs Python 3.11 or newer")'
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "python -m venv failed; on Debian: apt install python3-venv"; exit 1; }

# What .dev installs serves too: a service that a test starts with `make serve` must not change what other tests run on.
$(VENV)/.serve: requirements.lock
$(VENV)/.test: requirements-test.lock
$(VENV)/.dev: requirements-dev.lock
$(VENV)/.serve $(VENV)/.test $(VENV)/.dev: | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(if $(filter %/.dev,$@),$(VENV)/.serve)

.venv-%/.installed: requirements-%.lock
	@$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# One lock a set of extras; `tensorflow` and `gpu` exclude each other. Whoever serves can trace: that is 1.5 MB. Needs uv.
## resolve the versions of all packages again
lock:
	$(COMPILE) --extra tracing -o requirements.lock
	$(COMPILE) -c requirements.lock --extra tracing --extra dicom -o requirements-dicom.lock
	$(COMPILE) -c requirements.lock --extra tensorflow --extra training -o requirements-training.lock
	$(COMPILE) -c requirements.lock -c requirements-training.lock --extra tracing --extra test -o requirements-test.lock
	$(COMPILE) -c requirements.lock -c requirements-training.lock -c requirements-test.lock --extra tensorflow --extra training --extra tracing --extra dev -o requirements-dev.lock
	$(COMPILE) -c requirements.lock --extra gpu --extra training --extra tracing -o requirements-gpu.lock
	$(COMPILE) -c requirements.lock --extra spark -o requirements-spark.lock
	$(COMPILE) -c requirements.lock --extra fuzz -o requirements-fuzz.lock
	$(LOCK) -c requirements-training.lock --group mlflow -o requirements-mlflow.lock
	$(LOCK) --group peers -o requirements-peers.lock

## remove environments and results
clean:
	rm -rf client/build .venv .venv-spark .venv-fuzz .venv-peers $(PYTHONS:%=.venv-%) .bench .lunar .deploy sbom.json
