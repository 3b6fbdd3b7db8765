# Requires Python 3.11 to 3.14. Uses uv for the installation where it is on the PATH, else pip.
#   make demo         onboard new hires in real Airflow, against the sandbox, in four scenes
#   make demo-sync    keep a company of 40 people equal to its HR system for three nights
#   make test         run all tests on the newest Airflow 3 and on 2.11
#   make test-quick   run the tests on Airflow 3 that take less than a second each, without attacks: two to four minutes
#   make test-root    run the attacks by other users of the host, which need root: sudo make test-root
#   make test-deployments  run Airflow with Celery, Redis and PostgreSQL: rate limits of two workers, killed processes
#   make docs         rewrite the generated tables of the documentation
#   make specs        rewrite the tables of the operations of both API versions from what is known of them
#   make lint         run ruff, mypy and codespell
#   make test-lowest  run the quick tests and the example DAGs with the lowest versions that the package allows
#   make test-matrix  run these on all Airflow lines and Python versions and record the results: an hour or two
#   make bench        run all benchmarks: about half an hour on an idle machine
#   make fuzz         send generated requests to API v2 of the sandbox: several minutes
#   make audit        look for published vulnerabilities of the versions that are installed, if a database can be reached
#   make requirements rewrite requirements/, the versions that are installed; UPGRADE=1 takes the newest
# KEEP=1              leave Airflow and the sandbox of the demo open until Ctrl-C
# PYTHON=…            Python to use
# VERSION=…           API version of demo-sync: v1 or v2
# CELLS=…             parts of the matrix, e.g. CELLS="airflow-3.2:3.12 lowest-2:3.11"
# PYTEST_ARGS=…       more arguments for pytest, e.g. PYTEST_ARGS="-k checkpoint"
# BENCH_ARGS=…        more arguments for the benchmarks: --quick, or names of benchmarks
# SYNC_EXAMPLES=…     number of random companies for test_properties.py of tests/sync, new in each run
# FUZZ_ARGS=…         more arguments for the fuzzer: --examples 5, --seed 1, or words of paths

PYTHON ?= python3
PYTEST_ARGS ?=
CELLS ?=
BENCH_ARGS ?=
FUZZ_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo demo-sync docs specs test test-quick test-root test-3 test-2.11 realtime-3 realtime-2.11 test-lowest test-matrix \
	test-deployments servers redis-server postgres-server mysql lint bench fuzz audit requirements clean

help:
	@sed -n 's/^#   *//p' Makefile

demo: .venv/.ready
	@echo "Four scenes in real Airflow, which take less than two minutes"
	@.venv/bin/python -m demo.run $(if $(KEEP),--keep)

demo-sync: .venv/.ready
	@.venv/bin/python -m demo.sync $(if $(VERSION),--version $(VERSION))

# Most tests wait most of the time, so that both Airflow versions with two or three workers each share two cores well.
# Tests that measure time run afterwards.
test: .venv/.ready .venv-2.11/.ready servers
	@echo "All tests on Airflow 3 and on 2.11, which take 10 to 20 minutes on two cores. Two runs share the first part;"
	@echo "the report of each follows when it has ended. Tests that measure time follow."
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target PROGRESS="-p tests.progress" test-3 test-2.11 9>&1
	@echo "Tests that measure time, about two minutes:"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target realtime-3 realtime-2.11

PYTEST_3 = .venv/bin/python -m pytest -o cache_dir=.venv/.pytest_cache
# Tests of what does not depend on Airflow (tests/api, tests/faults, tests/sandbox, …) run on the other version only.
# Those of tests/rows and tests/exports that run tasks (test_in_airflow.py, test_jobs_in_airflow.py) run on both.
PYTEST_2 = .venv-2.11/bin/python -m pytest -o cache_dir=.venv-2.11/.pytest_cache
TESTS_2 = $(addprefix tests/,anchors unit hooks operators sensors airflow attacks/airflow) \
	$(wildcard tests/rows/test*_in_airflow.py tests/exports/test*_in_airflow.py) tests/sync/test_undo_killed.py
# Files with tests that measure time: to collect all tests takes 10 to 20 seconds.
REALTIME = $(filter-out tests/deployments/%,$(sort $(shell grep -rlw realtime tests --include='test_*.py')))
# Tests that share a fixture stay on one worker (tests/conftest.py), in the order of collection.
WORKERS = -n 2 --no-loadscope-reorder

# $(call run,pytest,arguments): another program may keep the processor busy, so that failed tests are repeated once, alone;
# the first that fails again ends this. Exit status 1 says that all tests ran. What PYTEST_ARGS selects is not repeated.
ALONE = --last-failed --last-failed-no-failures none --maxfail 1
run = $(1) $(WORKERS) $(2) $(PYTEST_ARGS) $(if $(PYTEST_ARGS),,|| { [ $$? = 1 ] && \
		echo "Repeating the failed tests, alone:" && $(1) $(2) $(ALONE); })

test-quick: .venv/.ready servers
	$(PYTEST_3) $(WORKERS) -m "not slow and not realtime" $(PYTEST_ARGS)

# `make test` skips these unless it runs as root, which CI does not. None of them may be skipped here.
test-root: .venv/.ready
	@[ "$$(id -u)" = 0 ] || { echo "These tests act as several users: run them as root." >&2; exit 1; }
	.venv/bin/python -m pytest -p no:cacheprovider tests/attacks -m needs_root $(PYTEST_ARGS)

test-3: WORKERS = -n 3 --no-loadscope-reorder
test-3: .venv/.ready servers
	$(call run,$(PYTEST_3),$(PROGRESS) -m "not realtime")

test-2.11: .venv-2.11/.ready servers
	$(call run,$(PYTEST_2) $(TESTS_2),$(PROGRESS) -m "not realtime")

test-lowest: servers
	$(PYTHON) .ci/matrix.py lowest-3:3.11 lowest-2:3.11

test-matrix: servers
	$(PYTHON) .ci/matrix.py --record $(CELLS)

# These tests wait and take little CPU.
realtime-3: FILES = $(REALTIME)
realtime-3: .venv/.ready servers
	$(call run,$(PYTEST_3) $(FILES),-m realtime)

realtime-2.11: FILES = $(filter $(addsuffix /%,$(TESTS_2)),$(REALTIME))
realtime-2.11: .venv-2.11/.ready servers
	$(call run,$(PYTEST_2) $(FILES),-m realtime)

# One test at a time. On Airflow 2.11, a part of the tests is enough.
test-deployments: WORKERS =
test-deployments: .venv/.mysql-ready .venv-2.11/.ready servers
	$(call run,$(PYTEST_3) tests/deployments,-m "not realtime")
	$(call run,$(PYTEST_3) tests/deployments,-m realtime)
	.venv-2.11/bin/python -m pytest -o cache_dir=.venv-2.11/.pytest_cache tests/deployments/test_kills.py \
		-k "redis and sigkill" $(PYTEST_ARGS)

# Each unpacks Debian's package into a folder if the server is not installed; on other systems, it says what to install.
servers: redis-server postgres-server

redis-server:
	@.ci/install-server redis

postgres-server:
	@.ci/install-server postgres

lint: .venv/.ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/codespell

docs: .venv/.ready
	.venv/bin/python docs/generate.py

specs: .venv/.ready
	.venv/bin/python -m tests.contract.specs
	.venv/bin/python -m tests.contract.specs_v1
	.venv/bin/python -m tests.contract.parameters

bench: .venv/.bench-ready .venv/.mysql-ready servers
	.venv/bin/python -m tests.benchmarks $(BENCH_ARGS)

fuzz: .venv/.ready .venv-fuzz/.ready
	@.venv/bin/python -m tests.fuzz $(FUZZ_ARGS)

audit: .venv-tools/.ready
	@.venv-tools/bin/python .ci/audit.py

requirements: .venv-tools/.ready
	.ci/lock .venv-tools/bin/uv $(if $(UPGRADE),--upgrade)

clean:
	rm -rf .hypothesis .venv .venv-2.11 .venv-fuzz .venv-matrix .venv-tools .redis .postgres .mariadb .demo .mypy_cache .pytest_cache .ruff_cache build dist

# The checkout has no hash. Its build needs hatchling, which the requirements contain.
INSTALL_CHECKOUT = .ci/pip-install $(@D) --no-deps --no-build-isolation --editable .

.venv/.ready: pyproject.toml .ci/make-env requirements/airflow-3.txt
	.ci/make-env .venv requirements/airflow-3.txt 14 '$(PYTHON)' python3.12 python3.13 python3.14 python3.11
	$(INSTALL_CHECKOUT)
	@touch $@

# Airflow 2.11 does not run on Python 3.13.
.venv-2.11/.ready: pyproject.toml .ci/make-env requirements/airflow-2.11.txt
	.ci/make-env .venv-2.11 requirements/airflow-2.11.txt 12 '$(PYTHON)' python3.12 python3.11
	$(INSTALL_CHECKOUT)
	@touch $@

# These files state only what requirements/airflow-3.txt does not, with all dependencies (.ci/lock).
.venv/.bench-ready: .venv/.ready requirements/bench.txt
	.ci/pip-install .venv --no-deps --require-hashes --requirement requirements/bench.txt
	@touch $@

# A server of MySQL and all of its drivers, for the tests of deployments and benchmarks.
mysql: .venv/.mysql-ready

.venv/.mysql-ready: .venv/.ready .ci/install-mysql requirements/mysql.txt
	.ci/install-mysql .venv
	@touch $@

.venv-fuzz/.ready: requirements/fuzz.txt
	.ci/make-env .venv-fuzz requirements/fuzz.txt 14 '$(PYTHON)' python3.12 python3.13 python3.14 python3.11
	@touch $@

.venv-tools/.ready: requirements/tools.txt
	.ci/make-env .venv-tools requirements/tools.txt 14 '$(PYTHON)' python3.12 python3.13 python3.14 python3.11
	@touch $@
