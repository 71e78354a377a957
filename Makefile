# azr: targets are deps, build, run, test, check, bench, install, clean.
# BUILD=<dir> builds elsewhere; SANITIZE=1 builds with address and undefined-behaviour sanitizers.

BUILD ?= build
PREFIX ?= /usr/local
CC = gcc
WARN = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
OPT = -O3 -g -fno-math-errno
PKGS = jansson yaml-0.1 libpcre2-8 libutf8proc sqlite3 libseccomp
PYTHON_CONFIG = /usr/bin/python3-config
CPPFLAGS += -Iinclude -Isrc -D_GNU_SOURCE -MMD -MP $(shell pkg-config --cflags $(PKGS)) \
    $(patsubst -I%,-isystem %,$(shell $(PYTHON_CONFIG) --includes))
CFLAGS += -std=c11 $(OPT) $(WARN) -fopenmp -pthread
LIBS = -ldnnl $(shell pkg-config --libs $(PKGS)) $(shell $(PYTHON_CONFIG) --ldflags --embed) -lm -lgomp
ifdef SANITIZE
OPT = -O1 -g -fno-omit-frame-pointer
CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
endif

SOURCES := $(filter-out src/dist/dist_mpi.c,$(wildcard src/*/*.c src/*/*/*.c))
APP_SOURCES := src/app/main.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIB_OBJECTS := $(filter-out $(APP_SOURCES:%.c=$(BUILD)/%.o),$(OBJECTS))
TEST_SOURCES := $(wildcard tests/*/test_*.c)
TEST_SUPPORT := $(wildcard tests/support/*.c)
TESTS := $(TEST_SOURCES:tests/%.c=$(BUILD)/tests/%)

all: build
build: $(BUILD)/azr

# The kernels are written once and built for each instruction set; azr picks at start-up.
$(BUILD)/src/kernels/%_avx2.o: CFLAGS += -mavx2 -mfma -mf16c
$(BUILD)/src/kernels/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libazr.a: $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/azr: $(APP_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/libazr.a
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_SUPPORT:%.c=$(BUILD)/%.o) $(BUILD)/libazr.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

tests: $(TESTS)

clean:
	rm -rf $(BUILD)

.PHONY: all build tests clean
.SECONDARY:

-include $(OBJECTS:.o=.d) $(TEST_SOURCES:%.c=$(BUILD)/%.d)
