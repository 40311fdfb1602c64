#!/bin/bash
# What has to be one pass over memory is one: the nets of fusion.net, by their kernels and the bytes these move.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for net in softmax_infer add_layernorm layernorm_train classify mlp convolutions normalised_blocks attention_by_hand linear_layernorm recurrent \
    conv_pool; do
    if "$NETC" --emit=json --net "$net" -o "$out" tests/inspect/fusion.net 2>"$out/log" &&
        python3 tests/inspect/fusion.py "$out/$net.json" >"$out/log" 2>&1; then
        echo "ok fusion: $net"
    else
        echo "FAILED fusion: $net"
        head -n 12 "$out/log"
    fi
done
