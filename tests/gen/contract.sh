#!/bin/bash
# The generated C keeps its contract: no warning from gcc and clang at every level and both real types, as part of a C++
# program, and -ffast-math is refused.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }
warn="-Wall -Wextra -Wpedantic -Wconversion -Werror"
for net in digits lenet mlp_layernorm charlm embed; do
    for options in "-O0" "-O1" "-O2" "-O2 --dtype=f64" "-O2 --fp=portable" "-O2 --mode=infer"; do
        rm -rf "$out/c"
        "$NETC" $options --verify --emit=c,app -o "$out/c" examples/$net/$net.net >"$out/log" 2>&1
        status=$?
        for cc in gcc clang; do
            for f in "$out"/c/*.c; do
                [ $status = 0 ] && { $cc -std=c11 $warn -Iruntime -I"$out/c" -fsyntax-only "$f" >"$out/log" 2>&1 || status=1; }
            done
        done
        result $status "$net $options"
    done
done
cat >"$out/large.net" <<'END'
net large {
    batch N = 4;
    input x : f32[N, 1000000];
    target y : f32[N, 1000000];
    z = x |> linear(2000) |> linear(1000000);
    output z;
    loss mse(z, y);
    optimizer sgd(lr = 0.1);
}
END
"$NETC" -o "$out/large" "$out/large.net" >"$out/log" 2>&1
status=$?
for cc in gcc clang; do
    for f in "$out"/large/*.c; do
        [ $status = 0 ] && { $cc -std=c11 $warn -Iruntime -I"$out/large" -fsyntax-only "$f" >"$out/log" 2>&1 || status=1; }
    done
done
result $status "parameters of 16 GB, whose offsets are beyond an enumerator"
cat >"$out/plain.net" <<'END'
net plain {
    batch N = 4;
    input x : f32[N, 3];
    target y : f32[N, 2];
    z = x |> linear(2);
    output z;
    loss mse(z, y);
    optimizer sgd(lr = 0.1);
}
END
printf '1,2,3,1,0\n2,3,1,0,1\n3,1,1,1,1\n4,1,1,0,0\n' >"$out/plain.csv"
"$NETC" --emit=c,app -o "$out/p" "$out/plain.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O2 $warn -Iruntime -I"$out/p" -o "$out/plain" "$out"/p/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1 &&
    "$out/plain" train --in x="$out/plain.csv":0-2 --in y="$out/plain.csv":3-4 --steps 3 --checkpoint "$out/plain.ck" >"$out/log" 2>&1 &&
    "$out/plain" train --in x="$out/plain.csv":0-2 --in y="$out/plain.csv":3-4 --steps 5 --resume "$out/plain.ck" >"$out/log" 2>&1
result $? "an optimizer without a state: no warning, stopped and resumed"
"$NETC" -o "$out/c" examples/embed/embed.net
printf '#include "embed.h"\nint main() { embed *m = embed_new(1); embed_free(m); return m == nullptr; }\n' >"$out/main.cc"
g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iruntime -I"$out/c" -fsyntax-only "$out/main.cc" >"$out/log" 2>&1
result $? "used from C++"
! gcc -std=c11 -O2 -ffast-math -Iruntime -I"$out/c" -fsyntax-only "$out/c/embed_infer.c" >"$out/log" 2>&1
result $? "-ffast-math is refused"
for net in digits lenet charlm; do
    "$NETC" --dump-ir=plan examples/$net/$net.net >"$out/1.ir" && "$NETC" --from-ir "$out/1.ir" --passes=dce --dump-ir=dce | tail -n +2 >"$out/2.ir" &&
        tail -n +2 "$out/1.ir" | diff - "$out/2.ir" >"$out/log" 2>&1
    result $? "the dump of $net parses back to the same text"
done
"$NETC" -o "$out/a" examples/lenet/lenet.net && "$NETC" -o "$out/b" examples/lenet/lenet.net && diff -r "$out/a" "$out/b" >"$out/log"
result $? "the same input gives the same bytes"
