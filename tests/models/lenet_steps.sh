#!/bin/bash
# LeNet's losses from given weights and batches agree with PyTorch's (tests/reference/lenet.py): to 1e-4 over 30 steps in
# f32, to 1e-9 over 20 steps in f64; at -O0 and -O2. Further on rounding alone decides: PyTorch's own float32 losses leave
# its float64 ones by more than 1e-4 from step 38 on.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
near() { # near TOLERANCE EXPECTED GOT: the largest relative difference
    paste "$2" "$3" | awk -v most="$1" 'NF != 2 { bad = 1 } { d = ($1 - $2) / $1; if (d < 0) d = -d; if (!(d <= most)) bad = 1; if (d > worst) worst = d }
        END { printf "largest relative difference %.2g\n", worst; exit bad }'
}
try() { # try NAME NETC-OPTIONS REAL STEPS TOLERANCE
    mkdir -p "$out/$1"
    if "$NETC" $2 --emit=c -o "$out/$1" examples/lenet/lenet.net &&
        $CC -std=c11 -O2 -march=native -DREAL="$3" -Iruntime -I"$out/$1" -o "$out/$1/steps" tests/models/lenet_steps.c \
            "$out/$1"/lenet*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm &&
        "$out/$1/steps" "$4" >"$out/losses" && head -n "$4" "tests/reference/lenet_$1.txt" >"$out/expected" &&
        near "$5" "$out/expected" "$out/losses"; then
        echo "ok lenet $1 $2"
    else
        echo "FAILED lenet $1 $2"
    fi
}
try f32 "-O2" float 30 1e-4
try f32 "-O0" float 30 1e-4
try f64 "-O2 --dtype=f64" double 20 1e-9
try f64 "-O0 --dtype=f64" double 20 1e-9
