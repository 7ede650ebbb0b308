# make serve: from a fresh clone to a running service.  make test: everything that is checked.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Locks are resolved for the oldest supported Python, without the address of any package index.
LOCK = uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
COMPILE = $(LOCK) pyproject.toml

# Spark needs Java; without it, its tests are skipped and say so.
SPARK := $(shell command -v java >/dev/null && echo .venv-spark/.installed)

.PHONY: serve test test-deploy check sbom spark fuzz soak bench lock clean

serve: .venv/.serve
	@$(BIN)/python -m inference.registry starter models/starter || echo "Going on: what served last is served again."
	@$(BIN)/python -m service

test: check $(SPARK)
	$(BIN)/pytest -n 2 --dist loadfile --durations 10

# Builds the images and starts docker-compose.yml on a real engine; what it found is in .deploy/report.json.
test-deploy: .venv/.dev
	$(BIN)/pytest tests/deploy --durations 10

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r inference service training
	$(BIN)/hadolint Dockerfile
	cat Dockerfile deploy/space/Dockerfile | $(BIN)/hadolint -
	cat Dockerfile deploy/space/training.Dockerfile | $(BIN)/hadolint -
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

# What the service consists of, from the lock, in CycloneDX: for whoever asks which versions are affected by something.
sbom: sbom.json

sbom.json: requirements.lock pyproject.toml .venv/.dev
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o $@ requirements.lock

spark: .venv-spark/.installed

# Twenty times the rubbish of the tests, then guided by coverage; what is found lies in fuzz-findings.
fuzz: .venv/.dev .venv-fuzz/.installed
	LUNAR_FUZZ=20000 $(BIN)/pytest tests/service/test_mutations.py
	.venv-fuzz/bin/python -m tests.fuzz decode 300
	.venv-fuzz/bin/python -m tests.fuzz bundle 300

soak: .venv/.dev
	$(BIN)/python -m benchmarks.soak --seconds 600

# The speed of everything, into the tables of docs/performance.md. Nothing else may run meanwhile. Peers that do not
# install are skipped, and the table says so.
BENCHMARKS := models layers runtimes drawing explanations startup http batching peers
bench: .venv/.dev
	@$(MAKE) .venv-peers/.installed || echo "Going on without the peers."
	@mkdir -p .bench && rm -f .bench/results.jsonl
	set -e; for each in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$each >> .bench/results.jsonl; done
	$(BIN)/python -m benchmarks.report

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Lunar needs Python 3.11 or newer; none was found"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lunar needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "python -m venv failed; on Debian: apt install python3-venv"; exit 1; }

.venv/.serve: requirements.lock | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.venv-%/.installed: requirements-%.lock
	@$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# One lock a set of extras; `tensorflow` and `gpu` exclude each other. Whoever serves can trace: that is 1.5 MB. Needs uv.
lock:
	$(COMPILE) --extra tracing -o requirements.lock
	$(COMPILE) -c requirements.lock --extra tensorflow --extra training -o requirements-training.lock
	$(COMPILE) -c requirements.lock -c requirements-training.lock --extra tensorflow --extra training --extra tracing --extra dev -o requirements-dev.lock
	$(COMPILE) -c requirements.lock --extra gpu --extra training --extra tracing -o requirements-gpu.lock
	$(COMPILE) -c requirements.lock --extra spark -o requirements-spark.lock
	$(COMPILE) -c requirements.lock --extra fuzz -o requirements-fuzz.lock
	$(LOCK) -c requirements-training.lock --group mlflow -o requirements-mlflow.lock
	$(LOCK) --group peers -o requirements-peers.lock

clean:
	rm -rf .venv .venv-spark .venv-fuzz .venv-peers .bench .lunar .deploy sbom.json
