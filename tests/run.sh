#!/bin/bash
# tests/run.sh: all tests, as many at a time as there are processors. One line a group, and at the end "N passed, N failed".
# What failed is shown above its group's line. With --bless the expected outputs of the text pairs are rewritten instead.
# ONLY="errors unit" runs these groups alone (passes loops lower errors layers format unit fuzz gen inspect models programs bench).
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
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT

# A job is a function and its arguments. It prints "ok NAME" or "FAILED NAME" for each test, and what else is to be seen of what failed.
groups=() jobs=() counts=()
group() { groups+=("$1") counts+=(0); }
job() { jobs+=("$*") counts[-1]=$((counts[-1] + 1)); }
wanted() { [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $1 "* ]]; }

compare() { # compare NAME EXPECTED-FILE GOT-FILE
    if [ -n "$bless" ]; then
        cmp -s "$3" "$2" || { cp "$3" "$2"; echo "rewritten: $2"; }
        echo "ok $1"
    elif diff -u "$2" "$3" >"$3.diff" 2>&1; then
        echo "ok $1"
    else
        head -n 30 "$3.diff"
        echo "FAILED $1"
    fi
}

# What else netc is told about a test: a first line `# netc OPTIONS`.
options() { sed -n '1s/^# netc //p' "$1"; }

# Texts through one pass: x.ir through the pass its folder is named for gives x.out.ir.
text_pairs() { # text_pairs FOLDER EXTENSION
    local dir in out pass_name got=$scratch/got
    for dir in "tests/$1"/*/; do
        pass_name=$(basename "$dir")
        for in in "$dir"*."$2"; do
            case $in in *.out."$2" | *'*'*) continue ;; esac
            out=${in%."$2"}.out.$2
            if ! "$NETC" --from-ir "$in" --passes="$pass_name" $(options "$in") --dump-ir="$pass_name" >"$got" 2>&1; then
                cat "$got"
                echo "FAILED $in"
            else
                compare "$in" "$out" "$got"
            fi
        done
    done
}

# Graphs and the kernels that they become.
lower_pairs() {
    local in
    for in in tests/lower/*.ir; do
        "$NETC" --from-ir "$in" --passes=lower --dump-ir=lower >"$scratch/got" 2>&1
        compare "$in" "${in%.ir}.loop" "$scratch/got"
    done
}

# Wrong models and dumps, and what is said of them: exit status 1, these words, and no file written.
error_pairs() {
    local in name as status
    for in in tests/errors/*.net tests/errors/*.ir; do
        [ -e "${in%.*}.err" ] || [ -n "$bless" ] || continue
        name=$(basename "$in")
        as=
        [ "${in##*.}" = ir ] && as=--from-ir
        rm -rf "$scratch/out"
        (cd tests/errors && timeout 20 "$NETC" --color=never -o "$scratch/out" $(options "$name") $as "$name") >"$scratch/stdout" 2>"$scratch/got"
        status=$?
        if [ $status != 1 ] || [ -s "$scratch/stdout" ] || [ -e "$scratch/out" ]; then
            cat "$scratch/got"
            echo "FAILED $in (status $status, or something was written)"
        else
            compare "$in" "${in%.*}.err" "$scratch/got"
        fi
    done
}

# A cmocka program, which says itself what passed.
unit() {
    CMOCKA_MESSAGE_OUTPUT=TAP timeout 600 "$B/tests/unit/$1" >"$scratch/tap" 2>&1
    local status=$?
    grep '^ok ' "$scratch/tap"
    [ $status = 0 ] && return
    grep -v '^ok ' "$scratch/tap" | head -n 40
    grep '^not ok ' "$scratch/tap" | sed "s/^not ok/FAILED $1:/"
    grep -q '^not ok ' "$scratch/tap" || echo "FAILED $1 (status $status)"
}

# A script of its own, which says so too.
script() {
    timeout 900 bash "$1" >"$scratch/lines" 2>&1
    local status=$?
    cat "$scratch/lines"
    [ $status = 0 ] || grep -q '^FAILED ' "$scratch/lines" || echo "FAILED $1 (status $status)"
}

# The benchmark's nets: each compiles, without a word.
bench_nets() {
    local file net
    for file in tests/bench/*.net; do
        while read -r net; do
            if "$NETC" -O2 --emit=c --net "$net" -o "$scratch/bench" "$file" >"$scratch/got" 2>&1 && [ ! -s "$scratch/got" ]; then
                echo "ok $net"
            else
                cat "$scratch/got"
                echo "FAILED $file $net"
            fi
        done < <(sed -n 's/^net \([a-z0-9_]*\) .*/\1/p' "$file")
    done
}

layers() {
    if bash tests/layers.sh; then echo "ok layers"; else echo "FAILED layers"; fi
}

format() {
    if clang-format --dry-run --Werror $(git ls-files '*.c' '*.h') 2>"$scratch/format"; then
        echo "ok format"
    else
        head -n 6 "$scratch/format"
        echo "FAILED format: clang-format -i mends it"
    fi
}

# Graphs made at random: one line and a status for all.
fuzz() {
    if timeout 600 "$B/tests/fuzz/fuzz" "$@" >"$scratch/lines" 2>&1; then
        echo "ok $*"
    else
        head -n 60 "$scratch/lines"
        echo "FAILED fuzz $*"
    fi
}

# Runs job number $1, in a folder of its own. What it says is whole once it is called I.lines.
run() {
    local begin=$SECONDS lines=$work/$1
    scratch=$work/$1.d
    mkdir "$scratch"
    ${jobs[$1]} >"$lines" 2>&1
    grep -q '^ok \|^FAILED ' "$lines" || echo "FAILED ${jobs[$1]} (no test)" >>"$lines"
    rm -rf "$scratch"
    echo "$((SECONDS - begin)) ${jobs[$1]}" >"$work/$1.seconds"
    mv "$lines" "$lines.lines"
}

# The last groups have the longest jobs: they begin.
run_all() {
    local i running=0
    trap 'kill $(jobs -p) 2>/dev/null' TERM
    for ((i = ${#jobs[@]} - 1; i >= 0; i--)); do
        if [ $running = "$(nproc)" ]; then
            wait -n
            running=$((running - 1))
        fi
        run $i &
        running=$((running + 1))
    done
    wait
}

# Says what came of a group's jobs, and adds up.
report() { # report GROUP FIRST-JOB COUNT
    local i ok=0 bad=0 seconds=0
    for ((i = $2; i < $2 + $3; i++)); do
        until [ -e "$work/$i.lines" ] || ! kill -0 $pool 2>/dev/null; do sleep 0.5; done
        if [ ! -e "$work/$i.lines" ]; then
            echo "FAILED ${jobs[i]} (it was killed)" >"$work/$i.lines"
            echo 0 >"$work/$i.seconds"
        fi
        grep -v '^ok ' "$work/$i.lines" | head -n 60
        ok=$((ok + $(grep -c '^ok ' "$work/$i.lines"))) bad=$((bad + $(grep -c '^FAILED ' "$work/$i.lines")))
        seconds=$((seconds + $(cut -d' ' -f1 "$work/$i.seconds")))
    done
    printf '%-28s %5d passed, %d failed  (%d s)\n' "$1" $ok $bad $seconds
    passed=$((passed + ok)) failed=$((failed + bad))
}

scripts() { # scripts FOLDER
    local file
    for file in tests/"$1"/*.sh; do job script "$file"; done
}

if wanted passes; then group passes; job text_pairs passes ir; fi
if wanted loops; then group loops; job text_pairs loops loop; fi
if wanted lower; then group lower; job lower_pairs; fi
if wanted errors; then group errors; job error_pairs; fi
if [ -z "$bless" ]; then
    if wanted layers; then group layers; job layers; fi
    if wanted format; then group format; job format; fi
    if wanted unit; then group unit; for file in tests/unit/*.c; do job unit "$(basename "$file" .c)"; done; fi
    if wanted fuzz; then group fuzz; job fuzz 1 200; job fuzz -k 1 40; job fuzz -c 1 20; fi
    for folder in gen inspect models programs; do
        if wanted $folder; then group $folder; scripts $folder; fi
    done
    if wanted bench; then group bench; job bench_nets; fi
fi

run_all &
pool=$!
first=0 passed=0 failed=0
for ((g = 0; g < ${#groups[@]}; g++)); do
    report "${groups[g]}" $first "${counts[g]}"
    first=$((first + counts[g]))
done
mkdir -p "$B/tests"
sort -rn "$work"/*.seconds >"$B/tests/seconds"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
