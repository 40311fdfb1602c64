#!/bin/bash
# softplus in f32 has a relative error of a few roundings, where log(1 + exp(x)) would be 0 or far off.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for level in 0 2; do
    "$NETC" -O$level --emit=c -o "$out" tests/models/softplus.net &&
        $CC -std=c11 -O2 -DMODEL=softplus_model -Iruntime -I"$out" ${SANITIZE:+-fsanitize=address,undefined} \
            -o "$out/drive" tests/models/drive.c "$out"/softplus*.c "$B/libnetrt.a" -lz -lm &&
        printf 'set x -5 -10 -18 -30 0.5 19\ninfer\n' | "$out/drive" | awk '
            { n = split("6.715348489118068e-03 4.539889921686465e-05 1.5229979628736488e-08 9.357622968839737e-14 0.9740769841801067 19.000000005602796", want, " ")
              for (i = 1; i <= n; i++) { d = $(i + 1) / want[i] - 1; if (!(d < 5e-7 && -d < 5e-7)) { print want[i], $(i + 1); bad = 1 } } }
            END { exit bad || NR != 1 }' && echo "ok softplus -O$level" || echo "FAILED softplus -O$level"
done
