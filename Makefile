# `make help` prints what one can do here.

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CFLAGS ?= -O2 -g
WERROR ?= -Werror
SANITIZE ?=
# 1: without what Linux alone has, as other systems must do (port/os/platform.h).
PORTABLE ?=

SYSTEM := $(shell uname -s)

# A cross-compiler by its prefix, as elixir_make and Nerves name it; CC and STRIP take precedence.
ifneq ($(CROSSCOMPILE),)
ifeq ($(origin CC),default)
CC := $(CROSSCOMPILE)-gcc
endif
STRIP ?= $(CROSSCOMPILE)-strip
endif
STRIP ?= strip$(if $(filter Darwin,$(SYSTEM)), -x)
# mix and the environments of the tests need a home; services and containers may have none.
ifeq ($(HOME),)
export HOME := $(or $(shell getent passwd "$$(id -u)" 2>/dev/null | cut -d: -f6),/tmp)
endif

# For the shell, whatever characters a path has.
quoted = '$(subst ','\'',$(1))'

# Where Mix wants what a release shall have; what is there is stripped, build/ keeps the symbols.
PRIV ?= priv
# The compiler writes down $PWD, which may be another name of this folder.
export PWD := $(CURDIR)

VERSION := $(shell sed -n 's/.*version: "\(.*\)",/\1/p' mix.exs)

# What is machine-dependent is found out once for what make is given: PYTHON, PYTHON_INCLUDE, PYTHON_EMBED, EI_INCLUDE, EI_LIBDIR.
CONFIG := $(BUILD)/config.mk
# These make the other goals by a make of their own, after setup.
GOALS_WITHOUT_CONFIG := help setup tools clean format dialyzer uninstall dist rpm test demo asan schedules model fuzz portability worlds
ifneq ($(filter-out $(GOALS_WITHOUT_CONFIG),$(or $(MAKECMDGOALS),all)),)
# What this make was given; if that is not what the last one was given, everything is built again.
GIVEN := $(strip $(foreach name,VERSION CURDIR CC CFLAGS LDFLAGS SANITIZE PORTABLE PYTHON PYTHON_INCLUDE \
	ERL_EI_INCLUDE_DIR ERL_EI_LIBDIR,$(name)=$($(name))))
# $(CONFIG) sets these two, and so what make exports under their names.
PYTHON_GIVEN := $(PYTHON)
PYTHON_INCLUDE_GIVEN := $(PYTHON_INCLUDE)
ifneq ($(shell cat $(BUILD)/given 2>/dev/null),$(GIVEN))
$(shell mkdir -p $(BUILD) && printf '%s\n' $(call quoted,$(GIVEN)) >$(BUILD)/given)
endif
include $(CONFIG)
endif

# Where Debian keeps libraries of this architecture, below lib/.
MULTIARCH := $(or $(shell $(CC) -print-multiarch 2>/dev/null),unknown)

WARNINGS := -Wall -Wextra $(WERROR) -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wformat=2 -Wvla -Wundef -Wwrite-strings -Wnull-dereference
SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
COMMON_FLAGS = -std=c11 -D_GNU_SOURCE -DPYTHONX_PORT_VERSION='"$(VERSION)"' $(WARNINGS) $(CFLAGS) $(SANITIZE_FLAGS) \
	$(if $(PORTABLE),-DPYTHONX_PORTABLE) $(call quoted,-ffile-prefix-map=$(CURDIR)=.) -fPIC -fvisibility=hidden \
	-fstack-protector-strong -pthread -MMD -MP -Iport -Iport/engine -isystem $(EI_INCLUDE)
# CPython's stable ABI from 3.11 on: one build serves every later version.
PYTHON_FLAGS = -DPy_LIMITED_API=0x030b0000 -isystem $(PYTHON_INCLUDE) -I$(BUILD)/generated
# Python's symbols stay undefined in the engine: they come from the libpython that the launcher has loaded.
ifeq ($(SYSTEM),Darwin)
ENGINE_LINK := -bundle -undefined dynamic_lookup
DLOPEN :=
else
ENGINE_LINK := -shared -Wl,--exclude-libs,ALL
DLOPEN := -ldl
endif
LINK_FLAGS = $(CFLAGS) $(SANITIZE_FLAGS) $(LDFLAGS) -pthread

# What launcher and engine share, by the rooms of port/README.md.
COMMON := $(patsubst port/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard port/os/*.c port/wire/*.c)))
ENGINE := $(patsubst port/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard port/engine/*.c port/engine/*/*.c)))
LAUNCHER := $(patsubst port/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard port/launcher/*.c)))
PROGRAM := $(BUILD)/pythonx_port
ENGINE_SO := $(BUILD)/pythonx_engine.so
# What is preloaded into an interpreter's executable: Linux alone has such a start. A sanitizer must come before it.
HOST_SO := $(if $(filter Linux,$(SYSTEM)),$(if $(PORTABLE)$(SANITIZE),,$(BUILD)/pythonx_host.so))
HOST := $(patsubst port/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard port/host/*.c))) \
	$(addprefix $(BUILD)/obj/launcher/,options.o run_engine.o oom_score.o)
# What `encode` and `decode` run.
SCRIPT := $(BUILD)/pythonx_terms.escript

.PHONY: all
all: $(PROGRAM) $(ENGINE_SO) $(HOST_SO) $(SCRIPT) ## build the port program and its engine
	@mkdir -p $(call quoted,$(PRIV)) && for file in $^; do \
		place=$(call quoted,$(PRIV))/$$(basename $$file); new=$$place.$$$$; cp $$file "$$new" || exit 1; \
		case $$file in *.escript) ;; *) $(STRIP) "$$new" || exit 1 ;; esac; \
		if cmp -s "$$new" "$$place"; then rm "$$new"; else mv -f "$$new" "$$place"; fi || exit 1; done

$(CONFIG): port/scripts/configure.sh $(BUILD)/given
	@PYTHON=$(call quoted,$(PYTHON_GIVEN)) PYTHON_INCLUDE=$(call quoted,$(PYTHON_INCLUDE_GIVEN)) \
		sh port/scripts/configure.sh > $@.new && mv $@.new $@ || { rm -f $@.new; exit 1; }

$(PROGRAM): $(LAUNCHER)
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) -o $@ $^ $(DLOPEN)

$(ENGINE_SO): $(ENGINE) $(COMMON)
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) $(ENGINE_LINK) -o $@ $^ -L$(EI_LIBDIR) -lei

$(BUILD)/pythonx_host.so: $(HOST)
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) -shared -o $@ $^ $(DLOPEN)

$(SCRIPT): port/scripts/pythonx_terms.escript
	@mkdir -p $(@D)
	@cp $< $@

$(BUILD)/obj/os/%.o: port/os/%.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) -c -o $@ $<

$(BUILD)/obj/wire/%.o: port/wire/%.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) -c -o $@ $<

$(BUILD)/obj/launcher/%.o: port/launcher/%.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) -DPYTHONX_MULTIARCH='"$(MULTIARCH)"' -c -o $@ $<

$(BUILD)/obj/host/%.o: port/host/%.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) -c -o $@ $<

$(BUILD)/obj/engine/%.o: port/engine/%.c $(CONFIG) | $(BUILD)/generated/embedded_files.h
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) $(PYTHON_FLAGS) -c -o $@ $<

$(BUILD)/obj/engine/python/embedded.o: $(BUILD)/generated/embedded_files.h

# Each .py file of the engine as a row of name and text.
$(BUILD)/generated/embedded_files.h: $(sort $(wildcard port/engine/*/*.py)) port/scripts/embed.sh
	@mkdir -p $(@D)
	@sh port/scripts/embed.sh $(filter %.py,$^) > $@.new && mv $@.new $@

# -- tests ------------------------------------------------------------------------------------------------------------

# The Check tests link all of the port but its main function, and Python itself.
CHECKS := $(patsubst tests/port/%.c,$(BUILD)/obj/tests/%.o,$(sort $(wildcard tests/port/*.c tests/port/*/*.c)))
CHECK_PORT := $(BUILD)/check_port

$(BUILD)/obj/tests/%.o: tests/port/%.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) $(PYTHON_FLAGS) -Itests/port -Wno-format-nonliteral -c -o $@ $<

# What tests preload into sessions.
$(BUILD)/fail_malloc.so: tests/preload/fail_malloc.c $(CONFIG)
	@echo '  LD $@'
	@$(CC) $(COMMON_FLAGS) $(LINK_FLAGS) -shared -o $@ $<

# What looks like an interpreter that holds all of Python.
$(BUILD)/exports_python: tests/preload/exports_python.c $(CONFIG)
	@echo '  LD $@'
	@$(CC) $(COMMON_FLAGS) $(LINK_FLAGS) -rdynamic -o $@ $<

$(CHECK_PORT): $(CHECKS) $(COMMON) $(ENGINE) $(filter-out %/main.o,$(LAUNCHER)) | $(BUILD)/fail_malloc.so $(BUILD)/exports_python
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) -o $@ $^ -L$(EI_LIBDIR) -lei $(PYTHON_EMBED) $(shell pkg-config --libs check) $(DLOPEN)

.PHONY: test-port
test-port: $(PROGRAM) $(ENGINE_SO) $(HOST_SO) $(SCRIPT) $(CHECK_PORT) ## run the Check tests of port/
	PYTHONX_PORT="$$(realpath $(PROGRAM))" sh tests/scripts/run_port_tests.sh $(CHECK_PORT) $(PYTHON)

.PHONY: test-python3
test-python3: all ## compare what scripts leave behind under python3 and in sessions
	sh tests/scripts/compare_pythons.sh $(abspath $(PROGRAM))

# The library's tests and the demo run the port program that was just built, under a Python that has NumPy; the tests
# under the one with all packages, if it exists. A make that a test calls shall be given what this one was.
mix_under = PYTHONX_PORT_SKIP_MAKE=1 PYTHON=$(call quoted,$(PYTHON_GIVEN)) PYTHONX_PYTHON="$${PYTHONX_PYTHON:-$(1)}" mix
MIX = $(call mix_under,$(PYTHON))
PACKAGES = $(shell sh tests/scripts/test_venvs.sh $(PYTHON) packages)

.PHONY: test-lib
test-lib: all ## run the ExUnit tests of lib/ and the examples
	$(call mix_under,$(or $(PACKAGES:%=%/bin/python3),$(PYTHON))) test $(TESTS)

.PHONY: test
test: setup ## run all tests
	@$(MAKE) --no-print-directory test-port test-python3 test-lib

.PHONY: demo
demo: tools ## see it work: Python from Elixir, in a process of its own
	@$(MAKE) --no-print-directory -s all
	@$(MIX) run examples/demo.exs

# Releases; by default those that tests/scripts/worlds.sh names.
WORLDS ?=
# Debian's name of another architecture, which runs under qemu-user (tests/scripts/worlds_emulated.sh); by default this
# machine's.
ARCH ?=

.PHONY: worlds
worlds: ## run demo and test in bare Debian roots; the table goes to tests/WORLDS.md
	@sh tests/scripts/worlds.sh $(call quoted,$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pythonx_port/worlds) '$(ARCH)' $(WORLDS)

.PHONY: portability
portability: ## compile with every compiler that is here, for other systems, too
	@mkdir -p build/portability && sh tests/scripts/cross_compile.sh

.PHONY: objects
objects: $(COMMON) $(ENGINE) $(LAUNCHER) $(HOST)

.PHONY: asan
# Leaks are those of Python itself; fatal signals are what some tests are about.
asan: export ASAN_OPTIONS = detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0
asan: ## run the Check tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory BUILD=build/asan SANITIZE=address,undefined CFLAGS='-O1 -g -DPYTHONX_CHECKS' test-port

# Schedule points (port/os/schedule.h) exist in builds with -DPYTHONX_SCHEDULES; the random mode runs with any build.
SCHEDULE_SECONDS ?= 60
SCHEDULE_SEED ?=
COMMA := ,
SCHEDULE_FLAGS = -Itests/port -Itests/schedules -Wno-format-nonliteral
FAULTS := $(patsubst tests/schedules/%.c,$(BUILD)/obj/schedules/%.o,$(sort $(wildcard tests/schedules/faults*.c) \
	tests/schedules/driven.c tests/schedules/schedule_control.c))
MIXED_LOAD := $(filter-out $(FAULTS) %/schedule_test.o,$(patsubst tests/schedules/%.c,$(BUILD)/obj/schedules/%.o,\
	$(sort $(wildcard tests/schedules/*.c))))

$(BUILD)/obj/schedules/%.o: tests/schedules/%.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(COMMON_FLAGS) $(SCHEDULE_FLAGS) -c -o $@ $<

$(BUILD)/schedule_test: $(BUILD)/obj/schedules/schedule_test.o $(BUILD)/obj/schedules/schedule_control.o \
		$(BUILD)/obj/os/schedule.o
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) -o $@ $^ $(shell pkg-config --libs check)

$(BUILD)/faults: $(FAULTS) $(addprefix $(BUILD)/obj/tests/,session_driver.o terms.o pythons.o) $(COMMON)
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) -o $@ $^ -L$(EI_LIBDIR) -lei $(shell pkg-config --libs check)

# Not Check itself: where terms.c finds a fault, mixed_load has its own way to report it.
$(BUILD)/mixed_load: $(MIXED_LOAD) $(BUILD)/obj/tests/terms.o $(COMMON)
	@echo '  LD $@'
	@$(CC) $(LINK_FLAGS) -o $@ $^ -L$(EI_LIBDIR) -lei

.PHONY: run-schedules
run-schedules: $(PROGRAM) $(ENGINE_SO) $(HOST_SO) $(BUILD)/schedule_test $(BUILD)/faults $(BUILD)/mixed_load
	$(BUILD)/schedule_test
	PYTHONX_PORT="$$(realpath $(PROGRAM))" PYTHONX_TEST_PYTHONS=$(PYTHON) $(BUILD)/faults
	$(if $(PACKAGES),PYTHONX_PORT="$$(realpath $(PROGRAM))" PYTHONX_TEST_PYTHONS=$(PACKAGES)/bin/python3 \
		CK_RUN_SUITE=aborts $(BUILD)/faults) # with uvloop
	$(BUILD)/mixed_load --python $(PYTHON) --seconds $(SCHEDULE_SECONDS) $(SCHEDULE_SEED:%=--seed %) \
		$(if $(filter thread,$(SANITIZE)),--without spin$(COMMA)catch$(COMMA)context$(COMMA)fork$(COMMA)fork_stream) \
		$(if $(filter address%,$(SANITIZE)),--without fork$(COMMA)fork_stream) --schedule $(PROGRAM)

.PHONY: schedules
# SANITIZE=address,undefined or SANITIZE=thread gives a build of its own. ThreadSanitizer delays signals until a call of
# the C library, which code that spins never makes; and under both, a child that is forked beside threads may hang.
schedules: export ASAN_OPTIONS ?= detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0
schedules: ## drive interleavings, then mixed load at random for SCHEDULE_SECONDS
	@$(MAKE) --no-print-directory BUILD=build/schedules$(if $(SANITIZE),_$(firstword $(subst $(COMMA), ,$(SANITIZE)))) \
		CFLAGS='$(CFLAGS) -DPYTHONX_SCHEDULES -DPYTHONX_CHECKS' run-schedules

.PHONY: model
model: ## prove what the models of tests/model say, with Spin
	@sh tests/scripts/check_model.sh $(BUILD)/model

# -- benchmarks -------------------------------------------------------------------------------------------------------

BENCH := $(addprefix $(BUILD)/bench/,echo codec bulk)

$(BUILD)/bench/echo: tests/bench/echo.c $(CONFIG)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(COMMON_FLAGS) $(LINK_FLAGS) -o $@ $<

$(BUILD)/bench/bulk: tests/bench/bulk.c $(addprefix $(BUILD)/obj/,wire/frame.o os/huge_pages.o)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(COMMON_FLAGS) $(LINK_FLAGS) -o $@ $^

$(BUILD)/bench/codec: tests/bench/codec.c $(COMMON) $(ENGINE)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(COMMON_FLAGS) $(PYTHON_FLAGS) $(LINK_FLAGS) -o $@ $^ -L$(EI_LIBDIR) -lei $(PYTHON_EMBED) $(DLOPEN)

.PHONY: bench
bench: all $(BENCH) ## measure speed and memory, each beside a baseline of the same run
	@$(MIX) compile
	PYTHONX_PORT_SKIP_MAKE=1 $(PYTHON) tests/bench/run.py $(BUILD)

# -- fuzzing ----------------------------------------------------------------------------------------------------------

FUZZ_SECONDS ?= 120

$(BUILD)/fuzz_term: tests/fuzz/fuzz_term.c $(COMMON) $(ENGINE)
	@echo '  LD $@'
	@$(CC) $(COMMON_FLAGS) $(PYTHON_FLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ -L$(EI_LIBDIR) -lei $(PYTHON_EMBED) $(DLOPEN)

.PHONY: fuzz
fuzz: ## feed mutated frames to the decoder for FUZZ_SECONDS (needs clang)
	@$(MAKE) --no-print-directory CC=clang BUILD=build/fuzz SANITIZE=fuzzer-no-link,address,undefined CFLAGS='-O1 -g' \
		build/fuzz/fuzz_term
	@mkdir -p build/fuzz/found
	PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 build/fuzz/fuzz_term -max_total_time=$(FUZZ_SECONDS) -max_len=2000 \
		build/fuzz/found tests/fuzz/corpus tests/vectors

SOURCES := $(wildcard port/*/*.[ch] port/*/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

.PHONY: check
check: all $(BENCH) ## build the benchmarks, check formats, includes, cycles and words, and read the code with clang-tidy and cppcheck
	@sh port/scripts/install_tools.sh check
	@sh tests/scripts/check_rooms.sh
	@sh tests/scripts/check_words.sh
	@clang-format --dry-run -Werror $(SOURCES)
	@mix format --check-formatted
	@PYTHONX_PORT_SKIP_MAKE=1 mix xref graph --format cycles --fail-above 0
	@clang-tidy --quiet --warnings-as-errors='*' $(wildcard port/*/*.c port/*/*/*.c) -- -std=c11 -D_GNU_SOURCE \
		-DPYTHONX_PORT_VERSION='"$(VERSION)"' -DPYTHONX_MULTIARCH='"$(MULTIARCH)"' \
		-Iport -Iport/engine -isystem $(EI_INCLUDE) $(PYTHON_FLAGS) \
		2>&1 | { ! grep -v 'warnings generated'; }
	@cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem \
		--enable=warning,performance,portability -D__linux__ -DPy_LIMITED_API=0x030b0000 '-DPy_RETURN_NONE=return Py_None' -Iport -Iport/engine \
		-I$(BUILD)/generated port

.PHONY: dialyzer
dialyzer: ## check the types of lib/ with dialyzer; the first time this takes some minutes
	@sh port/scripts/install_tools.sh dialyzer
	@sh tests/scripts/check_dialyzer.sh $(BUILD)/dialyzer.plt

.PHONY: format
format: ## format the sources
	clang-format -i $(SOURCES)
	mix format

# -- installing ------------------------------------------------------------------------------------------------------

# Stripped; STRIP=true leaves that to others, such as rpmbuild, which keeps what is taken off.
INSTALL ?= install
ROOT = $(DESTDIR)$(PREFIX)

.PHONY: install
install: $(PROGRAM) $(ENGINE_SO) $(HOST_SO) $(SCRIPT) ## install below $(DESTDIR)$(PREFIX)
	$(INSTALL) -d $(call quoted,$(ROOT)/bin) $(call quoted,$(ROOT)/lib/pythonx_port) $(call quoted,$(ROOT)/share/man/man1)
	$(INSTALL) -m 755 $(PROGRAM) $(call quoted,$(ROOT)/bin/pythonx_port)
	$(INSTALL) -m 755 $(ENGINE_SO) $(call quoted,$(ROOT)/lib/pythonx_port/pythonx_engine.so)
	$(INSTALL) -m 644 $(SCRIPT) $(call quoted,$(ROOT)/lib/pythonx_port/pythonx_terms.escript)
	$(if $(HOST_SO),$(INSTALL) -m 755 $(HOST_SO) $(call quoted,$(ROOT)/lib/pythonx_port/pythonx_host.so))
	$(STRIP) $(call quoted,$(ROOT)/bin/pythonx_port) $(call quoted,$(ROOT)/lib/pythonx_port)/*.so
	$(INSTALL) -m 644 port/pythonx_port.1 $(call quoted,$(ROOT)/share/man/man1/pythonx_port.1)

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(call quoted,$(ROOT)/bin/pythonx_port) $(call quoted,$(ROOT)/share/man/man1/pythonx_port.1)
	rm -rf $(call quoted,$(ROOT)/lib/pythonx_port)

DIST := pythonx_port-$(VERSION)

.PHONY: dist
dist: ## pack the sources of the last commit, as build/pythonx_port-VERSION.tar.gz
	@mkdir -p $(BUILD)
	git archive --format=tar.gz --prefix=$(DIST)/ -o $(BUILD)/$(DIST).tar.gz HEAD

# Debian's rpmbuild knows nothing of what dpkg has installed.
.PHONY: rpm
rpm: dist ## build source and binary RPM of the last commit, below build/rpm
	rpmbuild -ta --define "_topdir $$(realpath $(BUILD))/rpm" $(if $(wildcard /etc/debian_version),--nodeps) \
		$(BUILD)/$(DIST).tar.gz

.PHONY: setup
setup: ## install what building and testing need, if it is missing
	@sh port/scripts/install_tools.sh test
	@sh port/scripts/install_tools.sh wishes
	@$(MAKE) --no-print-directory -s venvs

# What building and the demo need.
.PHONY: tools
tools:
	@sh port/scripts/install_tools.sh build

.PHONY: venvs
venvs:
	@sh tests/scripts/test_venvs.sh $(PYTHON)

.PHONY: clean
clean: ## remove what was built
	rm -rf build _build priv

.PHONY: help
help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d)
