# make node   the prompt on 192.168.1.3/24 (the first run builds .venv)
# make test   every test; make check adds ruff and mypy
PYTHON ?= python3
VENV    = .venv
RUN     = $(VENV)/bin/python

.PHONY: node test check docs ext bench clean

node: $(VENV)/ready
	@$(RUN) node.py $(ARGS)

# Several at once (ARGS=-n0: one by one). Each of the many processes would compile all anew if it might not keep it.
test: $(VENV)/ready
	PYTHONDONTWRITEBYTECODE= $(RUN) -m pytest -q -n auto --dist=worksteal $(ARGS)

check: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m mypy

# Optional: the C twins of a few functions. Needs a compiler and Python's headers; everything works without.
ext: ext/fast.abi3.so
ext/fast.abi3.so: ext/fast.c $(VENV)/ready
	$(CC) -O3 -Wall -Wextra -Werror -shared -fPIC -DPy_LIMITED_API=0x030b0000 -I$$($(RUN) -c 'import sysconfig; print(sysconfig.get_path("include"))') -o $@ $<

# Pages made from the code.
docs: $(VENV)/ready
	$(RUN) docs/rfcs.py
	$(RUN) -m docs.man
	$(RUN) -m docs.completion
	$(RUN) docs/picture.py

bench: $(VENV)/ready
	$(RUN) bench/throughput.py $(ARGS)

# The dependencies are pyproject.toml's, and nothing of ours is installed: the node runs from its checkout.
$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "glasstack needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print("\n".join(p["dependencies"] + p["optional-dependencies"]["dev"]))' > $(VENV)/requirements.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	@touch $@

clean:
	rm -rf ext/*.so $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
