# make lab                          set up .venv and open your copy of chapter 1, in the folder work, in JupyterLab
# make lab WORK=notebooks           open the course's own chapters, to change them
# make test                         set up .venv and run the tests of every day, and every notebook with one seed
# make thorough                     run every notebook with all seeds, and the tests that must run by themselves
# make slides CHAPTER=01_lenet      present a chapter in JupyterLab, live
# make playground                   chapter 5's panel alone, in large letters
# make hub                          a class at once: JupyterHub on this machine (hub/README.md)
# make deck                         every chapter as slides in build/deck, without a kernel or a network
# make book                         every chapter as pages in build/book, without a kernel or a network
# make notebooks CHAPTERS=05_resnet run chapters and store them with their outputs
# make times                        measure what the time contract at the top of each chapter promises
# make records JOBS=2               train at laptop size what takes longer than a minute, for the chapters to show: hours
# make full                         train every network at the size of the book, three seeds each: for a GPU
# make full NAMES=02_alexnet GPUS=2 one chapter's, each batch shared by two GPUs
# make collect                      store the runs of make records and make full that ended in the library
# make soak MINUTES=30              leave chapter 5's panel with a restless reader: does anything grow, or get lost?
# make flakes TIMES=10              run every chapter again and again, on one thread and on two
# make seeds MOVES="100 200"        run every chapter with other seeds than its own: which claims fail, or are close to it
# make audit                        look up known vulnerabilities of what is installed (needs a network)
# make versions                     run the tests with the oldest versions allowed, and with others

PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

CHAPTER ?= 01_lenet

# The reader's copies of the chapters: what is run and saved there changes nothing in notebooks/.
WORK ?= work

# The same as the command `cnnlib lab`, with the folders and programs of this clone. What LAB_OPTIONS holds goes to
# JupyterLab. Where another machine must reach it, behind a guard of its own: LAB_OPTIONS=--ServerApp.ip=0.0.0.0
LAB = $(BIN)/python -m cnnlib.course.command lab "$(WORK)" --chapters notebooks --jupyter $(BIN)/jupyter

# Without compiled files beside the sources every process would compile PyTorch anew: eight seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab test thorough notebooks times records full collect slides playground hub deck book soak flakes seeds audit versions clean
.DEFAULT_GOAL := lab

lab: $(VENV)/lab
	$(LAB) $(LAB_OPTIONS)

# One thread a process: two threads round otherwise than one, and two processes with two threads each are slow. Two
# processes share the files out; the chapters, which take longest, come first, each with one seed.
test thorough notebooks: export OMP_NUM_THREADS := 1
test: export CNNLIB_BUDGET := check
PYTEST := $(BIN)/python -m pytest --durations=15
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=600 --nbval-sanitize-with=tests/nbval.cfg
TWO := -n 2 --dist loadfile --no-loadscope-reorder
test: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check cnnlib tests benchmarks docs hub tools
	$(PYTEST) -m "not thorough" $(NBVAL) $(if $(TESTS),$(TESTS),$(TWO) notebooks tests)

# The tests in turn: they start servers, pages and whole processes, or hold a clock to something.
thorough: $(VENV)/test
	$(PYTEST) $(NBVAL) $(TWO) notebooks
	$(PYTEST) -m thorough tests

notebooks: $(VENV)/test
	$(BIN)/python tools/refresh.py $(CHAPTERS)

times: $(VENV)/test
	$(BIN)/python tools/times.py $(CHAPTERS)

# Runs that ended are not done again, and one that was interrupted goes on. RECORD_OPTIONS=--toy shows in a minute that
# all of it runs.
RECORDS := -m cnnlib.course.records
records: export OMP_NUM_THREADS := 1
records: $(VENV)/lab
	$(if $(NAMES),,$(BIN)/python -m cnnlib.course.panels)
	$(BIN)/python $(RECORDS) $(NAMES) --jobs $(or $(JOBS),1) $(RECORD_OPTIONS)

full: $(VENV)/lab
	$(BIN)/python $(if $(GPUS),-m torch.distributed.run --standalone --nproc-per-node=$(GPUS)) $(RECORDS) --size full \
		$(NAMES) $(RECORD_OPTIONS)

collect: $(VENV)/lab
	$(BIN)/python $(RECORDS) --collect $(NAMES) $(RECORD_OPTIONS)

soak: $(VENV)/test
	$(BIN)/python tools/soak.py --minutes $(or $(MINUTES),30) $(SOAK_OPTIONS)

flakes: $(VENV)/test
	$(BIN)/python tools/flakes.py --times $(or $(TIMES),10) $(CHAPTERS)

seeds: $(VENV)/test
	$(BIN)/python tools/other_seeds.py $(if $(MOVES),--moves $(MOVES) --) $(CHAPTERS)

# The settings are copied, because JupyterLab writes beside them.
slides: $(VENV)/present
	@test -f notebooks/$(CHAPTER).ipynb || \
		{ echo "There is no notebooks/$(CHAPTER).ipynb. Say make slides CHAPTER=01_lenet"; exit 1; }
	rm -rf build/slides && mkdir -p build && cp -R docs/book/live build/slides
	@echo "Presenting $(CHAPTER). Space goes on, shift and enter run a cell, alt and c put the code away, alt, shift and c bring it back."
	JUPYTER_CONFIG_DIR="$(CURDIR)/build/slides" $(LAB) --open $(CHAPTER) $(LAB_OPTIONS)

playground: $(VENV)/present
	@echo "Opening the playground on this machine. Leave it with Ctrl-C."
	JUPYTER_PATH="$(CURDIR)/docs/book/app" $(BIN)/python docs/book/playground.py --Voila.ip=127.0.0.1 \
		--template=playground --theme=light $(VOILA_OPTIONS) notebooks/apps/playground.ipynb

hub: $(VENV)/hub
	@echo "Opening the hub. Leave it with Ctrl-C: it stops what the students run, and keeps what they saved."
	$(BIN)/python -m jupyterhub -f hub/jupyterhub_config.py $(HUB_OPTIONS)

deck: $(VENV)/book
	$(BIN)/python docs/book/deck.py

book: $(VENV)/book
	$(BIN)/python docs/book/book.py

audit: $(VENV)/test
	@$(MAKE) --no-print-directory install EXTRA=[test,audit]
	$(BIN)/python tools/audit.py

versions:
	"$(PYTHON)" tools/versions.py $(VERSIONS)

clean:
	rm -rf $(VENV) build

$(VENV)/lab: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=
	@touch $@

$(VENV)/present: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[present]
	@touch $@ $(VENV)/lab

# The proxy is the one that JupyterHub's own people keep. It runs on Node, which pip installs; Debian's is too old.
$(VENV)/hub: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[hub]
	$(BIN)/npm install --no-save --no-audit --no-fund --prefix $(VENV)/proxy configurable-http-proxy@5
	@touch $@ $(VENV)/lab

$(VENV)/book: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[book]
	@touch $@ $(VENV)/lab

$(VENV)/test: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRA=[test]
	@touch $@ $(VENV)/lab $(VENV)/present $(VENV)/book

# uv downloads and unpacks in parallel: half a minute instead of a minute and a half to two. It compiles as pip does, so
# that the first cell of the first chapter need not. Where it cannot reach the packages (a mirror that is set up for pip
# alone), pip installs them. tools/torch_backend.py says how large it gets, and names the build of PyTorch that this
# machine can use, for uv to choose; UV_TORCH_BACKEND=… chooses another.
.PHONY: install
install:
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "Python 3.11 or later is needed, but $(PYTHON) is older. Name another: make PYTHON=python3.12"; exit 1; }
	@test -d $(VENV) || { echo "Making a virtual environment in $(VENV) …"; "$(PYTHON)" -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "That failed. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }; }
	@echo "Installing PyTorch, JupyterLab and what else pyproject.toml lists into $(VENV)."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv && \
		export UV_TORCH_BACKEND="$$($(BIN)/python tools/torch_backend.py)" && \
		{ [ -n "$$UV_TORCH_BACKEND" ] || unset UV_TORCH_BACKEND; } && \
		$(BIN)/python -m uv pip install --python $(BIN)/python --compile-bytecode -e ".$(EXTRA)" || \
		$(BIN)/python -m pip install --disable-pip-version-check -e ".$(EXTRA)"
	@echo "Installed."
