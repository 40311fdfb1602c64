#!/bin/bash
# A long sum loses few digits: the mean of 50000 equal rows is a row, to some roundings (all of which go one way here). At -O0, the plainest loops, it is
# a hundred times less exact; that is what shows the test to see something.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok long_sums: $2"; else echo "FAILED long_sums: $2"; head -n 30 "$out/log"; fi; }
cat >"$out/long.net" <<'T'
net mean_of_rows {
    batch N = 2;
    input x : f32[N, 25000, 4];
    output y = mean(x, axes = [0, 1]);
}
T
python3 - "$out/x.npy" <<'T'
import struct, sys
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 25000, 4), }".ljust(117) + "\n"
open(sys.argv[1], "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<4f", 0.1, 0.7, -3.3, 1e-5) * 50000)
T
off() { # off LEVEL: how far the mean is, beside the row, in units of the last place (2^-23 of it), at most
    "$NETC" "-O$1" --emit=c,app -o "$out/$1" "$out/long.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -Iruntime -o "$out/run$1" "$out/$1"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1 &&
        "$out/run$1" infer --in "x=$out/x.npy" --out "y=$out/y$1.csv" >>"$out/log" 2>&1 &&
        python3 -c 'import sys
got = [float(v) for v in open(sys.argv[1]).read().replace("\n", ",").split(",") if v]
print(int(max(abs(g / w - 1) for g, w in zip(got, [0.1, 0.7, -3.3, 1e-5])) * 2**23))' "$out/y$1.csv"
}
plain=$(off 0)
result $? "-O0 runs"
pieces=$(off 2)
result $? "-O2 runs"
echo "off by $pieces, $plain at -O0" >>"$out/log"
[ "$pieces" -lt 64 ] && [ "$plain" -gt 1000 ]
result $? "the mean of 50000 rows"
