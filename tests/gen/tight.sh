#!/bin/bash
# Kernels whose sums fill the registers say so, and no others: gcc moves no loads ahead of them.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; fi; }
tight() { # tight PIXELS: how many kernels of a convolution with images so wide are
    printf 'net t {\n    batch N = 2;\n    input x : f32[N, 16, %d];\n    y = x |> conv1d(64, 3, bias = false);\n    output y;\n}\n' "$1" >"$out/t.net"
    rm -f "$out"/*.c
    "$NETC" --disable=winograd --emit=c -o "$out" "$out/t.net" >"$out/log" 2>&1 && cat "$out"/*.c | grep -c '^static NN_KERNEL NN_TIGHT void .*conv('
}
[ "$(tight 30)" = 1 ]
result $? "14 rows of two vectors are tight"
[ "$(tight 34)" = 0 ]
result $? "8 are not"
