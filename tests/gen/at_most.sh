#!/bin/bash
# In deep loops, whose addresses have many terms, clang is told how large n can be: it reckons for minutes where it is not.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else cat "$out/log"; echo "FAILED $2"; fi; }
cat >"$out/dw.net" <<'T'
net dw {
    batch N = 32;
    input x : f32[N, 24, 32, 32];
    output y = x |> conv2d(24, 5, pad = 2, groups = 24);
}
T
"$NETC" -o "$out" "$out/dw.net" >"$out/log" 2>&1 && sed -n '/_conv_add(/,/^}/p' "$out/dw_infer.c" | grep -q '^    NN_AT_MOST(n, 32);'
result $? "deep kernels say how large n can be"
clang -std=c11 -O2 -march=native -Wall -Wextra -Werror -Iruntime -c -o "$out/dw.o" "$out/dw_infer.c" >"$out/log" 2>&1
result $? "clang takes it without a word"
