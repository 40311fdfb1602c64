# netc: the compiler, its runtime, the tests and the demonstrations. Everything built goes under build/.
#
#   make                build/netc, build/libnetrt.a, build/netrt.pc
#   make demo           compiles, trains and evaluates examples/digits, with a progress bar
#   make check          all tests; SANITIZE=1 builds everything with the address and undefined-behaviour sanitizers
#   make bless          rewrites the expected outputs of the text tests: read the diff before committing it
#   make fuzz           more graphs made at random: COUNT=5000 SEED=1
#   make check-layers   who may include whom; make format-check: clang-format's opinion
#   make bench          every workload of tests/bench beside PyTorch and ONNX Runtime; ONLY=w3,w9_conv THREADS=2 PASSES=3
#   make bench-deps     installs these two (python3-torch, and npm's onnxruntime-node under build/bench)
#   make data-fashion data-mnist data-text data-iris data-speech   real data under build/data
#   make install        PREFIX=/usr/local, DESTDIR=

CC = gcc
PREFIX = /usr/local
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
CFLAGS = -O2 -g
STD = -std=c11 -D_POSIX_C_SOURCE=200809L
B = build
ifdef SANITIZE
B = build/sanitize
SAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS = -O1 -g
endif
VERSION = 0.1.0

# The one list of Debian packages: what the build needs, and what the tests and the demonstrations need besides,
# and what the tests of the page do.
BUILD_PACKAGES = gcc flex bison zlib1g-dev
CHECK_PACKAGES = $(BUILD_PACKAGES) clang g++ libcmocka-dev libjansson-dev libopenblas-dev python3-numpy pkg-config \
                 graphviz clang-format
PAGE_PACKAGES = chromium

# PyTorch multiplies by whatever BLAS is installed, of which the plain one takes 25 times as long as OpenBLAS.
BENCH_PACKAGES = python3-torch libopenblas0-pthread

COMPILER = $(wildcard frontend/*.c ir/*.c ir/base/*.c passes/*.c codegen/*.c)
GENERATED = frontend/lexer frontend/grammar frontend/prelude codegen/runtime codegen/page_css codegen/page_js
COMPILER_O = $(COMPILER:%.c=$B/%.o) $(GENERATED:%=$B/%.o)
RUNTIME = $(sort $(wildcard runtime/*.c))
FUZZ = $(wildcard tests/fuzz/*.c)
COUNT = 5000
SEED = 1
UNIT = $(patsubst %.c,$B/%,$(wildcard tests/unit/*.c))
RUNTIME_H = $(sort $(wildcard runtime/*.h))

.PHONY: all demo check fuzz unit bless bench bench-deps check-layers format-check install clean packages check-packages \
        data-fashion data-mnist data-text data-iris data-speech
.DELETE_ON_ERROR:

all: $B/netc $B/libnetrt.a $B/netrt.pc $B/netrt-openblas.pc

$B/netc: $B/netc.o $B/libnetc.a $B/libnetrt.a
	$(CC) $(SAN) -o $@ $^ $(LDFLAGS) -lm

$B/libnetc.a: $(COMPILER_O)
	rm -f $@ && ar rcs $@ $^

$B/libnetrt.a: $(RUNTIME:%.c=$B/%.o)
	rm -f $@ && ar rcs $@ $^

$B/%.o: %.c | $B/packages
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) $(CFLAGS) $(SAN) -I. -I$B -DNETC_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

$B/runtime/%.o: runtime/%.c | $B/packages
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) $(CFLAGS) $(SAN) -fPIC -Iruntime -MMD -MP -c -o $@ $<

# What flex and bison write is theirs: it is compiled without -Wconversion and -Wshadow.
$B/frontend/%.o: $B/frontend/%.c
	$(CC) $(STD) -Wall -Wextra $(CFLAGS) $(SAN) -I. -I$B -I$B/frontend -MMD -MP -c -o $@ $<

$B/frontend/lexer.c $B/frontend/lexer.h &: frontend/lexer.l | $B/packages
	@mkdir -p $(@D)
	flex --header-file=$B/frontend/lexer.h -o $B/frontend/lexer.c $<

$B/frontend/grammar.c $B/frontend/grammar.h &: frontend/grammar.y | $B/packages
	@mkdir -p $(@D)
	bison -Wall --defines=$B/frontend/grammar.h -o $B/frontend/grammar.c $<

# Text as a C array: strings of any length are not portable C, arrays are.
$B/frontend/prelude.c: frontend/prelude.net frontend/embed.sh
	@mkdir -p $(@D)
	sh frontend/embed.sh frontend_prelude $< > $@

# The runtime's texts, which --standalone writes into a module's files.
$B/codegen/runtime.c: codegen/runtime.sh frontend/embed.sh $(RUNTIME_H) $(RUNTIME)
	@mkdir -p $(@D)
	sh codegen/runtime.sh $(RUNTIME_H) $(RUNTIME) > $@

$B/codegen/page_%.c: codegen/page.% frontend/embed.sh
	@mkdir -p $(@D)
	sh frontend/embed.sh codegen_page_$* $< > $@

.SECONDARY: $B/codegen/page_css.c $B/codegen/page_js.c

$B/codegen/%.o: $B/codegen/%.c
	$(CC) $(STD) $(WARN) $(CFLAGS) $(SAN) -I. -MMD -MP -c -o $@ $<

$B/frontend/lexer.o $B/frontend/grammar.o: $B/frontend/grammar.h $B/frontend/lexer.h
$(patsubst %.c,$B/%.o,$(wildcard frontend/*.c)): | $B/frontend/grammar.h $B/frontend/lexer.h

# The pkg-config files name zlib for generated programs, which read .gz; others are not linked with it. They name the build tree; `make install` writes its own.
define pc
	@mkdir -p $(@D)
	printf 'Name: %s\nDescription: runtime of programs compiled by netc%s\nVersion: $(VERSION)\nCflags: -I%s%s\nLibs: -L%s -lnetrt %s-Wl,--as-needed -lz -Wl,--no-as-needed -lm\n' \
	    '$(1)' '$(2)' '$(3)' '$(4)' '$(5)' '$(6)' > $@
endef

$B/netrt.pc: Makefile
	$(call pc,netrt,,$(CURDIR)/runtime,,$(CURDIR)/$B,)

$B/netrt-openblas.pc: Makefile
	$(call pc,netrt-openblas, (large products by OpenBLAS),$(CURDIR)/runtime, -DNN_OPENBLAS,$(CURDIR)/$B,-lopenblas )

# Packages: looked for once a build tree; installed where that is allowed without a question.
$B/packages:
	@mkdir -p $(@D)
	@sh tests/packages.sh $(BUILD_PACKAGES)
	@touch $@

$B/check-packages:
	@mkdir -p $(@D)
	@sh tests/packages.sh $(CHECK_PACKAGES)
	@touch $@

# A browser is large: only the tests ask for it.
$B/page-packages:
	@mkdir -p $(@D)
	@sh tests/packages.sh $(PAGE_PACKAGES)
	@touch $@

$B/tests/unit/%: tests/unit/%.c $B/libnetc.a $B/libnetrt.a | $B/check-packages
	@mkdir -p $(@D)
	$(CC) $(STD) -Wall -Wextra $(CFLAGS) $(SAN) -I. -I$B -Iruntime -MMD -MP -MF $@.d -o $@ $< $B/libnetc.a $B/libnetrt.a -lcmocka -ljansson -lz -lm

$B/tests/fuzz/fuzz: $(FUZZ:%.c=$B/%.o) $B/libnetc.a
	$(CC) $(SAN) -o $@ $^ -lcmocka -lm

fuzz: $B/tests/fuzz/fuzz $B/libnetrt.a
	$B/tests/fuzz/fuzz $(SEED) $(COUNT) && $B/tests/fuzz/fuzz -k $(SEED) $(COUNT) && \
	    $B/tests/fuzz/fuzz -c $(SEED) $(COUNT)

unit: $(UNIT)

check: $B/check-packages $B/page-packages all $(UNIT) $B/tests/fuzz/fuzz
	B=$B CC="$(CC)" SANITIZE="$(SANITIZE)" bash tests/run.sh

bless: all
	B=$B bash tests/run.sh --bless

bench: all
	@B=$B CC="$(CC)" ONLY="$(ONLY)" THREADS="$(THREADS)" PASSES="$(PASSES)" SECONDS="$(SECONDS)" CPU="$(CPU)" \
	    python3 tests/bench/bench.py

bench-deps:
	@sh tests/packages.sh $(BENCH_PACKAGES)
	@command -v npm >/dev/null || sh tests/packages.sh npm
	@mkdir -p $B/bench/peers
	npm install --ignore-scripts --no-audit --no-fund --prefix $B/bench/peers onnxruntime-node@1.30.0

check-layers:
	@bash tests/layers.sh

format-check:
	clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')

demo: $B/check-packages all
	@B=$B bash examples/demo.sh

data-fashion data-mnist data-text data-iris data-speech:
	@bash examples/data.sh $(@:data-%=%) $B/data

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/netrt
	install -m 755 $B/netc $(DESTDIR)$(PREFIX)/bin/netc
	install -m 644 $B/libnetrt.a $(DESTDIR)$(PREFIX)/lib/libnetrt.a
	install -m 644 $(RUNTIME_H) $(DESTDIR)$(PREFIX)/include/netrt/
	for p in netrt netrt-openblas; do \
	    sed -e 's|$(CURDIR)/runtime|$(PREFIX)/include/netrt|; s|$(CURDIR)/$B|$(PREFIX)/lib|' $B/$$p.pc \
	        > $(DESTDIR)$(PREFIX)/lib/pkgconfig/$$p.pc && chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/$$p.pc || exit 1; \
	done

clean:
	rm -rf build

-include $(COMPILER_O:.o=.d) $(FUZZ:%.c=$B/%.d) $(RUNTIME:%.c=$B/%.d) $B/netc.d $(UNIT:=.d)
