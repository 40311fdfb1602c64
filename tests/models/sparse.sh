#!/bin/bash
# Layer sparse_linear: values beside dense matrices, evolution, files (sparse.c); gradients beside central differences.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
try() { # try NETC-OPTIONS REAL TOLERANCE
    local flags="-std=c11 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iruntime -I$out ${SANITIZE:+-fsanitize=address,undefined}"
    rm -f "$out"/*
    if "$NETC" $1 --verify --emit=c,app -o "$out" tests/models/sparse.net &&
        $CC $flags -o "$out/app" "$out"/sparse*.c "$B/libnetrt.a" -lz -lm && rm "$out/sparse_app.c" &&
        $CC $flags -Wno-conversion -DREAL="$2" -DTOLERANCE="$3" -DFOLDER="\"$out\"" -o "$out/run" tests/models/sparse.c \
            "$out"/sparse*.c "$B/libnetrt.a" -lz -lm && "$out/run" &&
        { [ "$2" = float ] || "$out/app" check >"$out/log" || { cat "$out/log"; false; }; }; then
        echo "ok sparse $1"
    else
        echo "FAILED sparse $1"
    fi
}
try "-O0" float 1e-5
try "-O2" float 1e-5
try "-O0 --dtype=f64" double 1e-13
try "-O2 --dtype=f64" double 1e-13
