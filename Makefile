# A thin front of Meson.
BUILD ?= build

.PHONY: all test clean
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@meson setup $(BUILD) >/dev/null

test: all
	@tools/test.sh $(BUILD)

clean:
	rm -rf build build-*
