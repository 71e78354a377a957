# azr: make run, make test and the rest; `make help` lists the targets.
# BUILD=<dir> builds elsewhere; V=1 shows command lines; SANITIZE=1 builds with address and
# undefined-behaviour sanitizers.

BUILD ?= build
PREFIX ?= /usr/local
CC = gcc
WARN = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
OPT = -O3 -g -fno-math-errno
PKGS = jansson yaml-0.1 libpcre2-8 libutf8proc sqlite3 libseccomp python3-embed zlib
# Asked only when something is compiled: on a fresh machine pkg-config comes with `make deps`.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS))))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE -MMD -MP $(PKG_CFLAGS)
CFLAGS += -std=c11 $(OPT) $(WARN) -fopenmp -pthread
LIBS = -ldnnl $(PKG_LIBS) -lm -lgomp
ifdef SANITIZE
OPT = -O1 -g -fno-omit-frame-pointer
# Without the usual optimisations gcc cannot see that these two hold.
CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-format-truncation \
    -Wno-maybe-uninitialized
LDFLAGS += -fsanitize=address,undefined
endif

SOURCES := $(filter-out src/dist/dist_mpi.c,$(wildcard src/*/*.c src/*/*/*.c))
APP_SOURCES := src/app/main.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIB_OBJECTS := $(filter-out $(APP_SOURCES:%.c=$(BUILD)/%.o),$(OBJECTS))
TEST_SOURCES := $(wildcard tests/*/test_*.c)
TEST_SUPPORT := $(wildcard tests/support/*.c)
TESTS := $(TEST_SOURCES:tests/%.c=$(BUILD)/tests/%)

# --- building -------------------------------------------------------------------------------------

all: build
build: $(BUILD)/azr
tests: $(TESTS)

# The kernels are written once and built for each instruction set; azr picks at start-up.
$(BUILD)/src/kernels/%_avx2.o: CFLAGS += -mavx2 -mfma -mf16c
$(BUILD)/src/kernels/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma

# V=1 shows whole command lines.
ifndef V
SAY = @echo "  $(1)";
endif
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,cc $<)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libazr.a: $(LIB_OBJECTS)
	@rm -f $@
	$(call SAY,ar $@)ar rcs $@ $^

$(BUILD)/azr: $(APP_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/libazr.a
	$(call SAY,ld $@)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_SUPPORT:%.c=$(BUILD)/%.o) $(BUILD)/libazr.a
	@mkdir -p $(@D)
	$(call SAY,ld $@)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

# --- for people -----------------------------------------------------------------------------------
# These call make again for each stage, so that a later stage sees what an earlier one installed.

JOBS := $(shell nproc)
AGAIN = $(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)
MODEL = smollm2-135m
CONFIG = configs/smollm2-135m.yaml
# What makes the first run short; the config file alone trains for longer.
SHORT = --set total_steps=4 --set batch_size=8 --set seed_tasks=16 --set estimate_samples=4 \
    --set checkpoint_every=2

help:
	@echo 'make run      install packages, build, fetch $(MODEL), train it for 4 steps'
	@echo 'make test     install packages, build, fetch $(MODEL), run all tests'
	@echo 'make check    format, clang-tidy, layers, limits, all tests under sanitizers'
	@echo 'make bench    the speed of this machine, and the share of it that azr reaches'
	@echo 'make build    build/azr          make deps   only the packages'
	@echo 'make fuzz     longer fuzzing     make install PREFIX=/usr/local     make clean'

deps:
	@tools/install_packages.sh build

run:
	@$(MAKE) --no-print-directory deps
	@$(AGAIN) build
	@tools/fetch_model.sh $(MODEL)
	$(BUILD)/azr train --config $(CONFIG) $(SHORT)

test:
	@$(MAKE) --no-print-directory deps
	@$(AGAIN) build tests
	@tools/fetch_model.sh $(MODEL)
	@BUILD=$(BUILD) tools/run_tests.sh $(sort $(TESTS))

check:
	@tools/install_packages.sh check
	@tools/check_format.sh
	@tools/check_layers.sh
	@tools/check_limits.sh
	@CPPFLAGS="$(subst -MMD -MP,,$(CPPFLAGS))" tools/check_tidy.sh
	@$(AGAIN) build tests
	@$(MAKE) --no-print-directory -j$(JOBS) SANITIZE=1 BUILD=$(BUILD)/sanitize check_sanitized

# Real models are left out here: tests with small random ones walk the same code.
check_sanitized: build tests
	@BUILD=$(BUILD) AZR_MODELS=$(BUILD)/no-models TEST_TIMEOUT=600 \
	    LSAN_OPTIONS=suppressions=tools/lsan.supp:print_suppressions=0 \
	    tools/run_tests.sh $(sort $(TESTS))

# Another stream of damage each time; tests/support/fuzz_mutate.h says how to find an input again.
FUZZ_SECONDS = 60
FUZZ_TESTS = $(foreach test,$(sort $(TESTS)),$(if $(findstring fuzz,$(test)),$(test)))
fuzz:
	@tools/install_packages.sh build
	@$(MAKE) --no-print-directory -j$(JOBS) SANITIZE=1 BUILD=$(BUILD)/sanitize fuzz_sanitized

fuzz_sanitized: $(FUZZ_TESTS)
	@BUILD=$(BUILD) AZR_FUZZ_SECONDS=$(FUZZ_SECONDS) AZR_FUZZ_SEED=$$(date +%s) TEST_TIMEOUT=3600 \
	    tools/run_tests.sh $(FUZZ_TESTS)

# The parsers' targets tests/fuzz/fuzz_<format>.c under libFuzzer, which looks for new paths through
# the code by itself; needs clang. What it finds lies in $(BUILD)/guided.
GUIDED := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/guided/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_guided: $(GUIDED)
	@for target in $(GUIDED); do mkdir -p $$target.corpus && \
	    $$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
	    -artifact_prefix=$$target. $$target.corpus tests/formats/fixtures || exit 1; done

$(BUILD)/guided/%: tests/fuzz/fuzz_%.c tests/support/fuzz_formats.c $(wildcard src/formats/*.c)
	@mkdir -p $(@D)
	clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	    $(filter-out -MMD -MP,$(CPPFLAGS)) $^ $(wildcard src/base/*.c) $(PKG_LIBS) -lm -o $@

bench: build
	$(BUILD)/azr bench limit -m models/$(MODEL)
	$(BUILD)/azr bench decode -m models/$(MODEL)
	$(BUILD)/azr bench train -m models/$(MODEL)
	$(BUILD)/azr bench step -m models/$(MODEL)

install: build
	install -D -m 755 $(BUILD)/azr $(DESTDIR)$(PREFIX)/bin/azr

clean:
	rm -rf $(BUILD)

.PHONY: all build tests help deps run test check check_sanitized fuzz fuzz_sanitized fuzz_guided bench install clean
.SECONDARY:

-include $(OBJECTS:.o=.d) $(TEST_SOURCES:%.c=$(BUILD)/%.d) $(TEST_SUPPORT:%.c=$(BUILD)/%.d)
