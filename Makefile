# `make help` lists the targets. Everything happens in .venv, which the first of them makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than there are cores: many tests wait for servers, locks and the disk.
WORKERS ?= $$(($$(getconf _NPROCESSORS_ONLN) + 1))

.DEFAULT_GOAL := help
.PHONY: help run test test-quick test-clusters test-kills test-spark check format lint types layers bench screenshots reference dist servers clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "lakehouse needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: $(VENV)/installed ## Run the weather example
	@$(BIN)/lakehouse -C examples/weather run

test: $(VENV)/installed ## The whole suite
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-quick: $(VENV)/installed ## What takes under a minute: the modules, without servers and databases
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow" tests/unit

# Ray listens on the machine's own address, whatever it is told: on the loopback where there is no other network.
LOOPBACK = $(shell for f in '' '--map-current-user --keep-caps'; do unshare -n $$f ip link set lo up 2>/dev/null && echo "unshare -n $$f" && break; done)
test-clusters: $(VENV)/installed ## Runs on clusters that it starts on the loopback
	$(if $(LOOPBACK),$(LOOPBACK) sh -c 'ip link set lo up && exec "$$@"' -) $(BIN)/pytest -q $(addprefix tests/clusters/,executor.py equal.py workers.py failures.py frames.py)

test-kills: $(VENV)/installed ## The same runs, of whose clusters a hundred workers and ten schedulers are killed: ten minutes
	$(if $(LOOPBACK),$(LOOPBACK) sh -c 'ip link set lo up && exec "$$@"' -) env LAKEHOUSE_KILLS=100,10 $(BIN)/pytest -q -k "are_killed or scheduler_that_is_killed" tests/clusters/failures.py

test-spark: $(VENV)/installed ## Frames of Spark on Java's Spark, in one session (after `make servers`)
	$(BIN)/pytest -q tests/java/spark.py

check: format lint types layers test ## All that CI checks: format, lint, types, import layers, tests

format: $(VENV)/installed ## Is the code formatted? (`ruff format .` fixes it)
	$(BIN)/ruff format --check .

lint: $(VENV)/installed ## ruff
	$(BIN)/ruff check .

types: $(VENV)/installed ## mypy --strict
	$(BIN)/mypy

layers: $(VENV)/installed ## import-linter
	$(BIN)/lint-imports

bench: $(VENV)/installed ## Measure against pandas, and write docs/performance.md
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks

screenshots: $(VENV)/installed ## Draw the README's pictures from real output
	$(BIN)/python docs/screenshots.py

reference: $(VENV)/installed ## Write docs/cli.md from what --help says
	$(BIN)/python docs/cli_reference.py

dist: $(VENV)/installed ## Build the wheel and the source distribution
	$(BIN)/python -m build --no-isolation

servers: $(VENV)/installed ## Install what tests run against: S3, Azure and Spark servers, PostgreSQL, Java (needs npm and apt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,servers]'
	@timeout 300 npm install --silent --no-fund --no-audit --no-package-lock --prefix $(VENV)/azurite azurite@3.37.0 \
		|| echo "npm did not install Azurite: the tests on Azure's server will be skipped"
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null \
		|| { command -v apt-get >/dev/null || { echo "install PostgreSQL's server by hand"; exit 1; }; \
			SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
			$$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql; }
	@command -v java >/dev/null || [ -x "$$JAVA_HOME/bin/java" ] \
		|| { command -v apt-get >/dev/null || { echo "install Java 17 or newer by hand"; exit 1; }; \
			SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
			$$SUDO apt-get update -qq \
				&& $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jre-headless; }

clean: ## Remove what these targets made
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
