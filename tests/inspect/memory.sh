#!/bin/bash
# The arena of every graph of every example is at most 5 % larger than the largest sum of what lives at once; unet's, for
# whose order of kernels no better plan is found, 6 %.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for model in examples/*/*.net; do
    name=$(basename "$model" .net)
    if "$NETC" --emit=json -o "$out" "$model" 2>"$out/log" && python3 - "$out"/*.json >"$out/log" 2>&1 <<'P'; then
import json, sys
model = json.load(open(sys.argv[1]))
graphs, most = model["graphs"], 1.06 if model["net"] == "unet" else 1.05
assert graphs
for g in graphs:
    # 64 bytes behind the last value may be read
    assert g["lower_bound"] <= g["arena_bytes"] <= most * g["lower_bound"] + 64, (g["name"], g["arena_bytes"], g["lower_bound"])
P
        echo "ok memory: $name"
    else
        echo "FAILED memory: $name"
        head -n 8 "$out/log"
    fi
    rm -f "$out"/*.json
done
