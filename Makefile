# Everything a newcomer needs: `make demo` and `make test`. All of it installs what is missing first.
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-long check bench serve soak install clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml scripts/install
	scripts/install
	@touch $(STAMP)

demo: install
	$(BIN)/qianyun lab demo

test: install
	scripts/test

test-long: install
	scripts/test -m long

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m bench

soak: install
	$(BIN)/pytest -m soak --timeout 3600

serve: install
	$(BIN)/qianyun serve

clean:
	-$(BIN)/qianyun lab down
	rm -rf var .venv
