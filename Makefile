# A thin front of Meson and of tools/. `make start` shows what hoist does, `make test` is what a change must pass; see README.md.
SHELL := /bin/bash -o pipefail
BUILD ?= build
PREFIX ?= /usr/local
SECONDS_EACH ?= 60

.PHONY: all setup start stop test check asan tsan coverage fuzz bench bench-peers gpu-test gpu-bundle bench-gpu docs install clean
all: setup $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet | sed '/no work to do/d'

setup:
	@tools/setup.sh

$(BUILD)/build.ninja: meson.build
	@meson setup $(if $(wildcard $(BUILD)/build.ninja),--reconfigure) $(BUILD) >/dev/null

start: all
	@MODELS="$(MODELS)" tools/start.sh

stop:
	@tools/stop.sh

test: all
	@tools/venv.sh test
	@tools/test.sh $(BUILD)

# Every metric as a table. make check ONLY="complexity layers" prints only these rows.
check: all
	@tools/setup.sh check
	@tools/venv.sh test
	@.venv/bin/python tools/check/check.py $(ONLY)

asan: ONLY = address
tsan: ONLY = thread
coverage: ONLY = coverage
asan tsan coverage: check

# Long fuzzing: SECONDS_EACH seconds for every parser.
fuzz: setup
	@tools/check/fuzz.sh $(SECONDS_EACH)

bench-peers: all
	@tools/venv.sh bench

bench: bench-peers
	@.venv/bin/python bench/run.py $(ONLY)

# Ask the card of this machine what the design rests on, then the suite of devices and what users do. Without a card everything is skipped; GPU_DOUBLE=1 asks the double of the driver.
gpu-test: all
	@tools/venv.sh test
	@GPU_RESULTS="$(GPU_RESULTS)" .venv/bin/python tests/gpu/run.py $(BUILD) $(ONLY)

# The same, and the measurements, as a folder for a machine with a card where nothing can be installed.
gpu-bundle: all
	@tools/venv.sh test
	@.venv/bin/python tools/gpu/bundle.py build/gpu build/gpu-bundle

# The limits of the card, then hoist beside those peers that are installed in .venv; fills in docs/gpu.md.
bench-gpu: all
	@tools/venv.sh test
	@.venv/bin/python bench/gpu.py $(BUILD) bench/results $(ONLY)

docs: all
	@tools/setup.sh check
	@mkdir -p $(BUILD)/docs && doxygen tools/check/Doxyfile
	@python3 tools/layers.py $(BUILD) --draw docs/layers.svg
	@python3 tools/gen_api.py errors_page api/errors.yaml docs/errors.md
	@python3 tools/gen_api.py settings_page api/settings.yaml docs/settings.md
	@tools/venv.sh test
	@.venv/bin/python tools/record.py docs/start.svg
	@echo "$(BUILD)/docs/c/index.html, docs/"

install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD) --quiet

clean:
	rm -rf build build-*
