#!/bin/bash
# A block with a gradient of its own computes what someone needs: neither the gradient of an input, nor, where w is frozen,
# its product; and its gradients are central differences.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
net=tests/models/linear_fn.net
products() { # products SHAPE OPTION ...: how many products of that shape the graphs hold
    local shape=$1
    shift
    "$NETC" "$@" --dump-ir=fuse -o "$out" $net | grep -cF ": f32[$shape] = matmul"
}
say() { if [ "$2" -"$3" 0 ]; then echo "ok linear_fn $1"; else echo "FAILED linear_fn $1 ($2 products)"; fi; }
say "trained w has its product" "$(products 3,5)" gt
say "frozen w has none" "$(products 3,5 -D frozen_w=true)" eq
say "the layer below a frozen w still has its own" "$(products 5,6 -D frozen_w=true)" gt
say "an input has none" "$(products N,6)" eq
for frozen in false true; do
    if "$NETC" -D frozen_w=$frozen --dtype=f64 --emit=c,app -o "$out" $net &&
        $CC -std=c11 -O0 -Iruntime ${SANITIZE:+-fsanitize=address,undefined} -o "$out/check" "$out"/linear_fn*.c \
            "$B/libnetrt.a" -lz -lm && "$out/check" check >"$out/log"; then
        echo "ok linear_fn gradients, frozen_w = $frozen"
    else
        cat "$out/log"
        echo "FAILED linear_fn gradients, frozen_w = $frozen"
    fi
done
