#!/bin/bash
# Every fenced example of the language reference compiles, without a warning, under the name in its first line.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
awk -v dir="$out" '
    /^```/ { inside = !inside; first = inside; next }
    inside && first { file = dir "/" $2; sub(/:$/, "", file); first = 0 }
    inside { print > file }' frontend/README.md
for example in "$out"/*.net; do
    name=$(basename "$example" .net)
    if "$NETC" --verify -o "$out/c" --net "$name" "$example" >"$out/log" 2>&1 && [ ! -s "$out/log" ]; then
        echo "ok README $name"
    else
        cat "$out/log"
        echo "FAILED README $name"
    fi
done
