#!/bin/bash
# The gradient of layer rbm is contrastive divergence's, and its chain is Gibbs sampling: rbm.c says how it is checked.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
try() { # try NETC-OPTIONS REAL TOLERANCE
    rm -f "$out"/*
    if "$NETC" $1 --emit=c -o "$out" tests/models/rbm.net &&
        $CC -std=c11 -O1 -Wall -Wextra -Werror -DREAL="$2" -DTOLERANCE="$3" -Iruntime -I"$out" -o "$out/rbm" tests/models/rbm.c \
            "$out"/rbm*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm && "$out/rbm"; then
        echo "ok rbm $1"
    else
        echo "FAILED rbm $1"
    fi
}
try "-O0" float 1e-6
try "-O2" float 1e-6
try "-O0 --dtype=f64" double 1e-14
try "-O2 --dtype=f64" double 1e-14
