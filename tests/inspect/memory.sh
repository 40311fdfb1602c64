#!/bin/bash
# The arena of every graph of every example is at most 2 % larger than the largest sum of what lives at once (5 % are asked
# for; all plans reach that sum itself).
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for model in examples/*/*.net; do
    name=$(basename "$model" .net)
    if "$NETC" --emit=json -o "$out" "$model" 2>"$out/log" && python3 - "$out"/*.json >"$out/log" 2>&1 <<'P'; then
import json, sys
model = json.load(open(sys.argv[1]))
graphs = model["graphs"]
assert graphs
for g in graphs:
    # 64 bytes behind the last value may be read
    assert g["lower_bound"] <= g["arena_bytes"] <= 1.02 * g["lower_bound"] + 64, (g["name"], g["arena_bytes"], g["lower_bound"])
P
        echo "ok memory: $name"
    else
        echo "FAILED memory: $name"
        head -n 8 "$out/log"
    fi
    rm -f "$out"/*.json
done
