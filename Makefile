# A thin front of Meson. make start, make test: see README.md.
SHELL := /bin/bash -o pipefail
BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all setup start stop test clean install
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

install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD) --quiet

clean:
	rm -rf build build-*
