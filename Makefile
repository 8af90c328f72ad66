# Two commands do everything: `make demo` and `make test`. Both set up first; needed beforehand: Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 3
STAMP := $(VENV)/.ready
ARCHIVE := $(or $(IOP_CACHE),.cache)/kafka.aot
# Without its bytecode every process that a test starts would compile the house anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test fast storm year conformance check docs bench lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: setup
	$(BIN)/iop demo

test: setup $(ARCHIVE)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

# Without Kafka's classes loaded beforehand a test does the same, later. While one core loads them, the other compiles the
# tests, once for all workers.
$(ARCHIVE): deploy/jars.sha256 requirements.lock | setup
	-$(BIN)/python -m pytest --quiet --collect-only >/dev/null & $(BIN)/python -m deploy.kafka_archive && wait

fast: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --hypothesis-profile=fewer --ignore=tests/house \
		-m "not postgres and not kafka and not browser and not processes and not models"

storm: setup
	$(BIN)/python -m pytest -s tests/storm
	$(BIN)/python -m pytest --hypothesis-profile=many tests/*/test_laws.py tests/testing/test_split_and_merged.py tests/shared/rules \
		tests/journey/test_database_gone.py tests/shared/path/test_replicas_on_kafka.py

# PATIENTS=100 WEEKS=12 SEED=2: a smaller one, or another. Its servers' files are too many for memory.
year: setup
	PYTEST_DEBUG_TEMPROOT=$${TMPDIR:-/tmp} $(BIN)/python -m pytest -s tests/year/whole_year.py

conformance: setup
	$(BIN)/python -m tests.conformance.hapi
	$(BIN)/python -m pytest -rs tests/conformance

check: setup docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/house/test_complexity.py

# The theme announces its end of life at every build; docs/decisions/0022 keeps that instead.
docs: setup
	$(BIN)/python -m deploy.documents
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: setup
	$(BIN)/python -m bench $(if $(LONG),--only memory --long 200000 1000000,$(if $(PEER),--peer $(PEER),--table docs/operate.md))

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --no-emit-index-url --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .iop .cache
