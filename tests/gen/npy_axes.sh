#!/bin/bash
# Samples in a .npy are taken as they lie in any shape of as many values; the input's axes in another order are refused.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }
cat >"$out/axes.net" <<'T'
net axes {
    batch N = 4;
    input x : f32[N, 2, 1, 6];
    output y = sum(x, axes = [1, 2, 3]);
}
T
"$NETC" --emit=c,app -o "$out/c" "$out/axes.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/run" "$out"/c/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1
result $? "compiles"
npy() { # npy FILE SHAPE: 60 numbers
    python3 - "$out/$1" "$2" <<'T'
import struct, sys
head = ("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % sys.argv[2]).ljust(117) + "\n"
open(sys.argv[1], "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<60f", *range(60)))
T
}
for shape in 5,2,1,6 5,2,6 5,1,2,6,1 5,12 5,3,4; do
    npy x.npy $shape
    "$out/run" infer --in "x=$out/x.npy" --out "y=$out/y.csv" >"$out/log" 2>&1 && [ "$(head -n 1 "$out/y.csv")" = 66 ]
    result $? "x of $shape"
done
for shape in 5,6,2 5,6,1,2; do
    npy x.npy $shape
    rm -f "$out/y.csv"
    ! "$out/run" infer --in "x=$out/x.npy" --out "y=$out/y.csv" >"$out/log" 2>&1 && [ ! -e "$out/y.csv" ] &&
        grep -q 'axes: .*x.npy: a sample is \[6,2\] in the file, and \[2,6\] in x$' "$out/log"
    result $? "x of $shape is refused"
done
