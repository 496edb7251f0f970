# Run, test, measure and check NanoPortal. Every target works from a fresh clone.
.PHONY: run test soak bench lint format programs peers
.DELETE_ON_ERROR:

PYTHON      ?= python3
BENCH       ?=
WITHOUT     ?=
PYTEST_ARGS ?=
# Processes that run tests, a file each at a time; what needs the machine for itself waits for the others (tests/turns.py).
TESTS_AT_ONCE ?= 2

VENV := .venv
TERMINAL := terminal/xterm.js
PY   := $(VENV)/bin/python
PIP  := $(PY) -m pip install --quiet --quiet --disable-pip-version-check

# Only what a checkout has: an empty or absent package is not a complaint.
PACKAGES  := $(patsubst %/__init__.py,%,$(wildcard accounts/__init__.py consoles/__init__.py flashing/__init__.py hardware/__init__.py \
             images/__init__.py nanoportal/__init__.py operations/__init__.py reservations/__init__.py slots/__init__.py switch/__init__.py \
             client/nanoportal_client/__init__.py))
TEMPLATES  = $(shell find templates $(PACKAGES) -name '*.html' 2>/dev/null)

# Compiled Python is kept, whatever the shell says: else every process of the portal compiles the whole project anew.
unexport PYTHONDONTWRITEBYTECODE

# Unset, the portal's own variables (or their defaults) hold.
ifdef BIND
run: export NANOPORTAL_BIND := $(BIND)
endif
ifdef PORT
run: export NANOPORTAL_PORT := $(PORT)
endif
ifdef DATA
run: export NANOPORTAL_DATA := $(DATA)
endif

# WITHOUT=browser,qemu leaves out the tests marked so; a test marked `board` needs a real NanoCluster, always by hand.
comma    := ,
LEFT_OUT := $(subst $(comma), ,$(WITHOUT))
PEERS    := $(if $(filter qemu,$(LEFT_OUT)),,peers)
SELECTED := not board$(foreach name,$(LEFT_OUT), and not $(name))

run: $(VENV)/.portal $(TERMINAL) $(if $(findstring linux,$(NANOPORTAL_SIM_PEERS)),peers)
	@exec $(PY) -m nanoportal.supervisor

test: $(VENV)/.tools $(TERMINAL) programs $(PEERS)
	@$(PY) -m pytest -n $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder -m "$(SELECTED) and not soak" $(PYTEST_ARGS)

soak: $(VENV)/.tools $(TERMINAL) programs $(PEERS)
	@$(PY) -m pytest -m "$(SELECTED) and soak" $(PYTEST_ARGS)

bench: $(VENV)/.tools
	@$(PY) -m bench $(BENCH)

# All checks, whatever the first of them says. They see an empty data directory: they must neither need nor touch yours.
lint: $(VENV)/.tools $(TERMINAL)
	@export NANOPORTAL_DATA=$$(mktemp -d); trap 'rm -rf "$$NANOPORTAL_DATA"' EXIT; \
	status=0; check() { echo "$$*"; "$$@" || status=1; }; \
	check $(PY) -m ruff check --quiet .; \
	check $(PY) -m ruff format --check .; \
	check $(PY) -m mypy --no-error-summary $(PACKAGES); \
	check $(VENV)/bin/lint-imports --no-logo; \
	check $(VENV)/bin/djade --check --target-version 5.2 $(TEMPLATES); \
	check $(PY) manage.py check --deploy --fail-level ERROR; \
	check $(PY) manage.py makemigrations --check --dry-run; \
	check $(PY) .ci/audit.py; \
	exit $$status

format: $(VENV)/.tools
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .
	@$(VENV)/bin/djade --target-version 5.2 $(TEMPLATES)

# What the tests need beside Python packages: installed as root on Debian, else asked for in one line.
programs:
	@.ci/programs "$(LEFT_OUT)"

# The terminal of the console pages: fetched once, checked against package-lock.json, then served from here.
$(TERMINAL): package-lock.json nanoportal/terminal_files.py | $(PY)
	@echo "Fetching the consoles' terminal (once; a few seconds)"
	@$(PY) -m nanoportal.terminal_files

# A real Linux for the simulated board: Debian's arm64 kernel and busybox, fetched once. Without QEMU nothing needs it.
peers: $(VENV)/peers/linux

$(VENV)/peers/linux: hardware/simulator/linux_image.py | $(PY)
	@echo "Fetching Debian's arm64 Linux for the simulated board (once; 25 MB)"
	@$(PY) -m hardware.simulator.linux_image

# The stamps say what is installed, so that an installed environment starts at once. pip's errors are shown, its progress is not.
$(VENV)/.portal: requirements.txt client/pyproject.toml | $(PY)
	@echo "Installing Python packages into $(VENV) (once; about half a minute)"
	@$(PIP) --requirement requirements.txt
	@touch $@

$(VENV)/.tools: requirements-dev.txt $(VENV)/.portal
	@echo "Installing the test tools into $(VENV)"
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

$(PY):
	@command -v $(PYTHON) >/dev/null \
	  || { echo "Python is missing; on Debian: apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "NanoPortal needs Python 3.11 or newer; $$($(PYTHON) --version) is what '$(PYTHON)' is here (PYTHON=... names another)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This Python cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
