#!/bin/bash
# A net of many layers at once: its gradients in the generated C are central differences, at every level, by gcc and clang.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for level in 0 1 2; do
    for cc in gcc clang; do
        if "$NETC" -O$level --verify --dtype f64 --emit=c,app -o "$out" tests/models/all.net &&
            $cc -std=c11 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iruntime -I"$out" ${SANITIZE:+-fsanitize=address,undefined} \
                -o "$out/all" "$out"/all*.c "$B/libnetrt.a" -lz -lm && "$out/all" check >"$out/log"; then
            echo "ok all -O$level $cc"
        else
            cat "$out/log"
            echo "FAILED all -O$level $cc"
        fi
    done
done
