# make lab                          set up .venv and open chapter 1 in JupyterLab
# make test                         set up .venv and run every test, and every notebook
# make slides CHAPTER=01_lenet      present a chapter in JupyterLab, live
# make playground                   chapter 5's panel alone, in large letters
# make deck                         every chapter as slides in build/deck, without a kernel or a network
# make book                         every chapter as pages in build/book, without a kernel or a network
# make notebooks CHAPTERS=05_resnet run chapters and store them with their outputs
# make times                        measure what the time contract at the top of each chapter promises

PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

CHAPTER ?= 01_lenet

.PHONY: lab test notebooks times slides playground deck book clean
.DEFAULT_GOAL := lab

lab: $(VENV)/lab
	@echo "Opening JupyterLab on chapter 1. Leave it with Ctrl-C."
	$(BIN)/jupyter lab $(LAB_OPTIONS) notebooks/01_lenet.ipynb

# One thread a process: two threads round otherwise than one, and two processes with two threads each are slow.
# What holds a clock to the loop and the page runs alone, afterwards.
test notebooks: export OMP_NUM_THREADS := 1
test: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check cnnlib tests benchmarks docs notebooks/*.py
	$(BIN)/python -m pytest -m "not alone" -n 2 --dist loadfile --no-loadscope-reorder \
		--nbval --nbval-current-env --nbval-cell-timeout=600 --durations=20 $(or $(TESTS),notebooks tests)
	$(if $(TESTS),,$(BIN)/python -m pytest -m alone --durations=10 tests)

notebooks: $(VENV)/test
	$(BIN)/python notebooks/refresh.py $(CHAPTERS)

times: $(VENV)/test
	$(BIN)/python notebooks/times.py $(CHAPTERS)

# The settings are copied, because JupyterLab writes beside them.
slides: $(VENV)/present
	@test -f notebooks/$(CHAPTER).ipynb || \
		{ echo "There is no notebooks/$(CHAPTER).ipynb. Say make slides CHAPTER=01_lenet"; exit 1; }
	rm -rf build/slides && mkdir -p build && cp -R docs/book/live build/slides
	@echo "Presenting $(CHAPTER). Space goes on, shift and enter run a cell. Leave with Ctrl-C."
	JUPYTER_CONFIG_DIR="$(CURDIR)/build/slides" $(BIN)/jupyter lab $(LAB_OPTIONS) notebooks/$(CHAPTER).ipynb

playground: $(VENV)/present
	@echo "Opening the playground on this machine. Leave it with Ctrl-C."
	JUPYTER_PATH="$(CURDIR)/docs/book/app" $(BIN)/voila --Voila.ip=127.0.0.1 --template=playground --theme=light \
		$(VOILA_OPTIONS) notebooks/apps/playground.ipynb

deck: $(VENV)/book
	$(BIN)/python docs/book/deck.py

book: $(VENV)/book
	$(BIN)/python docs/book/book.py

clean:
	rm -rf $(VENV) build

$(VENV)/lab: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=
	@touch $@

$(VENV)/present: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[present]
	@touch $@ $(VENV)/lab

$(VENV)/book: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[book]
	@touch $@ $(VENV)/lab

$(VENV)/test: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[test]
	@touch $@ $(VENV)/lab $(VENV)/present $(VENV)/book

# uv downloads and unpacks in parallel: half a minute instead of a minute and a half to two. Where it cannot reach the
# packages (a mirror that is set up for pip alone), pip installs them.
.PHONY: install
install:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "Python 3.11 or later is needed, but $(PYTHON) is older. Name another: make PYTHON=python3.12"; exit 1; }
	@test -d $(VENV) || { echo "Making a virtual environment in $(VENV) …"; $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "That failed. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }; }
	@echo "Installing PyTorch, JupyterLab and what else pyproject.toml lists into $(VENV)."
	@echo "The first time this downloads several GB and takes a few minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv && \
		$(BIN)/python -m uv pip install --python $(BIN)/python -e ".$(EXTRA)" || \
		$(BIN)/python -m pip install --disable-pip-version-check -e ".$(EXTRA)"
	@echo "Installed."
