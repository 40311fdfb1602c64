#!/bin/bash
# Compilers are done in seconds: clang knows how large n can be where the places in deep loops depend on it.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/dw.net" <<'T'
net dw {
    batch N = 32;
    input x : f32[N, 24, 32, 32];
    output y = x |> conv2d(24, 5, pad = 2, groups = 24);
}
T
"$NETC" -o "$out" "$out/dw.net" &&
    (ulimit -t 3 && clang -std=c11 -O2 -march=native -Iruntime -c -o "$out/dw.o" "$out/dw_infer.c") >"$out/log" 2>&1
if [ $? = 0 ]; then echo "ok clang is done with a depthwise convolution"; else
    cat "$out/log"
    echo "FAILED clang is done with a depthwise convolution"
fi
