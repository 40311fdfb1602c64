#!/bin/bash
# tests/run.sh: all tests. One line a group, and at the end "N passed, N failed". What failed is shown above its group's
# line. With --bless the expected outputs of the text pairs are rewritten instead. ONLY="errors unit" runs these groups
# alone (passes loops lower errors layers format unit fuzz gen inspect models programs bench).
#
# Environment: B the build folder, CC the compiler, SANITIZE not empty where everything is built with sanitizers.
set -u
cd "$(dirname "$0")/.."
top=$PWD
export B=${B:-build} CC=${CC:-gcc} SANITIZE=${SANITIZE:-}
export NETC=$top/$B/netc
export OPENBLAS_NUM_THREADS=1 ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
bless=
[ "${1:-}" = --bless ] && bless=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
all_passed=0 all_failed=0 passed=0 failed=0 seconds=$SECONDS

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED $1"; }
group() {   # ends a group: its line, and the counts start anew
    printf '%-28s %5d passed, %d failed  (%d s)\n' "$1" "$passed" "$failed" $((SECONDS - seconds))
    all_passed=$((all_passed + passed)) all_failed=$((all_failed + failed))
    passed=0 failed=0 seconds=$SECONDS
}
compare() { # compare NAME EXPECTED-FILE GOT-FILE
    if [ -n "$bless" ]; then
        cmp -s "$3" "$2" || { cp "$3" "$2"; echo "rewritten: $2"; }
    elif diff -u "$2" "$3" >"$work/diff" 2>&1; then
        pass
    else
        head -n 30 "$work/diff"
        fail "$1"
    fi
}

# What else netc is told about a test: a first line `# netc OPTIONS`.
options() { sed -n '1s/^# netc //p' "$1"; }

# A text through one pass: x.ir through the pass its folder is named for gives x.out.ir.
text_pairs() { # text_pairs FOLDER EXTENSION
    local dir in out pass_name
    for dir in "tests/$1"/*/; do
        pass_name=$(basename "$dir")
        for in in "$dir"*."$2"; do
            case $in in *.out."$2" | *'*'*) continue ;; esac
            out=${in%."$2"}.out.$2
            if ! "$NETC" --from-ir "$in" --passes="$pass_name" $(options "$in") --dump-ir="$pass_name" >"$work/got" 2>&1; then
                cat "$work/got"
                fail "$in"
            else
                compare "$in" "$out" "$work/got"
            fi
        done
    done
    group "$1"
}

# Graphs and the kernels that they become.
lower_pairs() {
    local in
    for in in tests/lower/*.ir; do
        [ -e "$in" ] || continue
        "$NETC" --from-ir "$in" --passes=lower --dump-ir=lower >"$work/got" 2>&1
        compare "$in" "${in%.ir}.loop" "$work/got"
    done
    group lower
}

# Wrong models and dumps, and what is said of them: exit status 1, these words, and no file written.
error_pairs() {
    local in name as
    for in in tests/errors/*.net tests/errors/*.ir; do
        [ -e "${in%.*}.err" ] || { [ -n "$bless" ] || continue; }
        name=$(basename "$in")
        as=
        [ "${in##*.}" = ir ] && as=--from-ir
        rm -rf "$work/out"
        (cd tests/errors && timeout 20 "$NETC" --color=never -o "$work/out" $(options "$name") $as "$name") >"$work/stdout" 2>"$work/got"
        local status=$?
        if [ $status != 1 ] || [ -s "$work/stdout" ] || [ -e "$work/out" ]; then
            cat "$work/got"
            fail "$in (status $status, or something was written)"
        else
            compare "$in" "${in%.*}.err" "$work/got"
        fi
    done
    group errors
}

# The cmocka programs: one test each line.
units() {
    local program name
    for program in tests/unit/*.c; do
        name=$(basename "$program" .c)
        CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$B/tests/unit/$name" >"$work/tap" 2>&1
        local status=$? ok
        ok=$(grep -c '^ok ' "$work/tap")
        passed=$((passed + ok))
        if [ $status != 0 ]; then
            grep -v '^ok ' "$work/tap" | head -n 40
            local bad
            bad=$(grep -c '^not ok ' "$work/tap")
            failed=$((failed + (bad > 0 ? bad : 1)))
            echo "FAILED tests/unit/$name.c (status $status)"
        elif [ "$ok" = 0 ]; then
            fail "tests/unit/$name.c ran no test"
        fi
    done
    group unit
}

# Scripts of their own: each prints "ok NAME" or "FAILED NAME ..." lines.
scripts() {
    local script
    for script in tests/"$1"/*.sh; do
        [ -e "$script" ] || continue
        timeout 900 bash "$script" >"$work/lines" 2>&1
        local status=$?
        grep -v '^ok ' "$work/lines" | head -n 60
        local ok bad
        ok=$(grep -c '^ok ' "$work/lines")
        bad=$(grep -c '^FAILED ' "$work/lines")
        passed=$((passed + ok)) failed=$((failed + bad))
        if { [ $status != 0 ] && [ "$bad" = 0 ]; } || [ $((ok + bad)) = 0 ]; then
            fail "$script (status $status)"
        fi
    done
    group "$1"
}

# The benchmark's nets: each compiles, without a word.
bench_nets() {
    local file net
    for file in tests/bench/*.net; do
        while read -r net; do
            if "$NETC" -O2 --emit=c --net "$net" -o "$work/bench" "$file" >"$work/got" 2>&1 && [ ! -s "$work/got" ]; then
                pass
            else
                cat "$work/got"
                fail "$file $net"
            fi
        done < <(sed -n 's/^net \([a-z0-9_]*\) .*/\1/p' "$file")
    done
    group bench
}

layers() {
    if bash tests/layers.sh; then pass; else fail "layers"; fi
    group layers
}

format() {
    if clang-format --dry-run --Werror $(git ls-files '*.c' '*.h') 2>"$work/format"; then
        pass
    else
        head -n 6 "$work/format"
        fail "format: clang-format -i mends it"
    fi
    group format
}

# Graphs made at random: one line and a status for all.
fuzz() {
    local what
    for what in "1 200" "-k 1 40" "-c 1 20"; do
        if timeout 300 "$B/tests/fuzz/fuzz" $what >"$work/lines" 2>&1; then
            pass
        else
            head -n 60 "$work/lines"
            fail "fuzz $what"
        fi
    done
    group fuzz
}

wanted() { [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $1 "* ]]; }

wanted passes && text_pairs passes ir
wanted loops && text_pairs loops loop
wanted lower && lower_pairs
wanted errors && error_pairs
[ -n "$bless" ] && exit 0
wanted layers && layers
wanted format && format
wanted unit && units
wanted fuzz && fuzz
wanted gen && scripts gen
wanted inspect && scripts inspect
wanted models && scripts models
wanted programs && scripts programs
wanted bench && bench_nets
echo "$all_passed passed, $all_failed failed"
[ "$all_failed" = 0 ]
