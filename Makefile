# Everything from a fresh clone with python3, make and git.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench bench-collect bench-idle bench-report docs sample-report clean

demo: .venv/ready      ## Set up, run the weekly job on the bundled fixtures; the last line names the report
	@rm -rf demo && cp -R fixtures/workspace demo
	@cd demo && ../$(BIN)/finops --today 2026-10-26 run

test: .venv/ready-dev  ## Set up and run the whole test suite
	$(BIN)/pytest -n 2 --dist worksteal

lint: .venv/ready-dev  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check finops tests benchmarks fixtures
	$(BIN)/mypy

bench: .venv/ready-dev ## Load and build 10 million rows, as a ratio to plain DuckDB on the same machine
	$(BIN)/python -m benchmarks.run

bench-collect: .venv/ready-dev ## Collect from a simulated S3: memory against the size of the bill, and a run with nothing new
	$(BIN)/python -m benchmarks.collect

bench-report: .venv/ready-dev ## The weekly report of 40 teams from 10 million charges
	$(BIN)/python -m benchmarks.report

bench-idle: .venv/ready-dev ## Find what is idle of 20,000 resources, from 28.8 million measured hours
	$(BIN)/python -m benchmarks.idle

docs: .venv/ready-dev  ## Write the generated parts of docs/ again
	$(BIN)/python -m docs.generate

sample-report: .venv/ready-dev ## Write docs/sample_report/ again from the fixtures, with screenshots if there is a Chromium
	$(BIN)/python -m docs.sample

clean:                 ## Remove what the targets above made
	rm -rf .venv demo dist benchmarks/data

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/ready-dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[azure,bqstorage,notify]' \
	  aiosmtpd axe-playwright-python check-jsonschema gcp-storage-emulator hatchling hypothesis kubernetes-validate 'moto[server]' mypy \
	  playwright pypdf pytest pytest-xdist ruff sqlglot types-PyYAML
	@touch .venv/ready $@
