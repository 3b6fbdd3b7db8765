# Needs Python 3.11 to 3.13 alone; uv makes the installation faster where it is there.
#   make demo    onboard new hires in real Airflow, against the sandbox
#   make test    all tests, on the newest Airflow 3 and on 2.11, both at once: most of them wait most of the time
#   make docs    rewrite the generated tables of the documentation
#   make lint    ruff and mypy
#   make bench   all benchmarks, about half an hour on a machine that does nothing else
# PYTHON=…       the Python to use; PYTEST_ARGS=… more for pytest, e.g. PYTEST_ARGS="-m 'not slow'"
# BENCH_ARGS=…   more for the benchmarks: --quick, or names of some

PYTHON ?= python3
PYTEST_ARGS ?=
BENCH_ARGS ?=
AIRFLOW_3 ?= apache-airflow>=3.3,<4
AIRFLOW_2 ?= apache-airflow>=2.11,<2.12

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-3 test-2.11 redis-server lint bench clean

help:
	@sed -n 's/^#   *//p' Makefile

demo: .venv/.ready
	.venv/bin/python -m demo.run

# Installed one after the other, so that both do not fight for the disk; then run side by side.
test: .venv/.ready .venv-2.11/.ready redis-server
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-3 test-2.11

# Most tests wait most of the time, so that two workers do not take twice the processor. Many measure time, which a
# machine that is busy with the others can spoil: what failed runs once more, alone, when the rest is done.
WORKERS = -n 2 --dist loadfile
once_more = $(1) -o cache_dir=$(2) $(WORKERS) $(PYTEST_ARGS) \
	|| $(1) -o cache_dir=$(2) --last-failed --last-failed-no-failures none

test-3: .venv/.ready redis-server
	$(call once_more,.venv/bin/python -m pytest,.venv/.pytest_cache)

# What imports nothing of Airflow (tests/api, tests/sandbox) need not run once more.
NEED_AIRFLOW = $(addprefix tests/,anchors faults unit hooks operators sensors airflow)

test-2.11: .venv-2.11/.ready redis-server
	$(call once_more,.venv-2.11/bin/python -m pytest $(NEED_AIRFLOW),.venv-2.11/.pytest_cache)

# Debian's package, where it is missing; elsewhere, it is said what to do.
redis-server:
	@.ci/install-redis

lint: .venv/.ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: .venv/.ready
	.venv/bin/python docs/generate.py

bench: .venv/.bench-ready redis-server
	.venv/bin/python -m tests.benchmarks $(BENCH_ARGS)

clean:
	rm -rf .venv .venv-2.11 .demo .mypy_cache .pytest_cache .ruff_cache build dist

.venv/.ready: pyproject.toml .ci/make-env
	.ci/make-env .venv '$(AIRFLOW_3)' 13 lint '$(PYTHON)' python3.12 python3.13 python3.11
	@touch $@

# Airflow 2.11 does not run on Python 3.13.
.venv-2.11/.ready: pyproject.toml .ci/make-env
	.ci/make-env .venv-2.11 '$(AIRFLOW_2)' 12 test '$(PYTHON)' python3.12 python3.11
	@touch $@

.venv/.bench-ready: .venv/.ready
	.ci/make-env .venv '$(AIRFLOW_3)' 13 bench '$(PYTHON)' python3.12 python3.13 python3.11
	@touch $@
