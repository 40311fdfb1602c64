#!/bin/bash
# At -O1 and -O2 a product reads the rows of its right operand: a weight in PyTorch's order, [out, in], is laid out for it
# once, in graph prepare. At -O0 it is read as it lies.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo 'net t { batch N = 4; input x : f32[N, 64]; output y = x |> linear(48); }' >"$out/t.net"
for level in 0 1 2; do
    "$NETC" "-O$level" --mode=infer --dump-ir=plan "$out/t.net" >"$out/dump" 2>&1
    if [ "$(sed -n '/^graph prepare/,$p' "$out/dump" | grep -c '= relayout')" = $((level > 0)) ]; then
        echo "ok levels: the right operand of a product at -O$level"
    else
        echo "FAILED levels: the right operand of a product at -O$level"
        head -n 20 "$out/dump"
    fi
done
