#!/bin/bash
# 20 channels fill vectors of 4 lanes, and leave some over of 8 and 16: gcc takes the C without a word at any width.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/dw.net" <<'T'
net dw {
    batch N = 32;
    input x : f32[N, 20, 7, 8];
    target label : i32[N];
    logits = x |> conv2d(20, 3, pad = 1, groups = 20) |> batchnorm |> relu |> flatten |> linear(5);
    loss cross_entropy(logits, label);
    optimizer sgd(lr = 0.05);
}
T
"$NETC" -o "$out" "$out/dw.net" >"$out/log" 2>&1
for flags in -O2 '-O3 -msse4.2' '-O2 -mavx2 -mfma' '-O2 -march=native'; do
    # shellcheck disable=SC2086
    if gcc -std=c11 $flags -Wall -Wextra -Werror -Iruntime -c -o "$out/dw.o" "$out/dw_train.c" >>"$out/log" 2>&1; then
        echo "ok lanes_left_over: $flags"
    else
        head -n 12 "$out/log"
        echo "FAILED lanes_left_over: $flags"
    fi
done
