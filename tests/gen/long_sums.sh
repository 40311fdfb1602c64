#!/bin/bash
# A long sum loses few digits: of equal terms it is one of them so many times, to some roundings (all of which go one way here). At -O0, the plainest loops,
# it is many times less exact; that is what shows the test to see something.
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
[ "$pieces" -lt 25 ] && [ "$plain" -gt 1000 ]
result $? "the mean of 50000 rows"

# A product, and the gradients of weights, with one step that leaves them there: sums over 8 images of 64 x 64 pixels of equal products.
cat >"$out/weights.net" <<'T'
net weights {
    batch N = 8;
    input x : f32[N, 16, 64, 64];
    input r : f32[N, 30000];
    target t : f32[N, 16, 64, 64];
    target u : f32[N, 1];
    a = x |> conv2d(16, kernel = 1, bias = false, weight_init = zeros);
    b = x |> conv2d(16, kernel = 3, pad = 1, bias = false, weight_init = zeros);
    c = x |> conv2d(16, kernel = 3, pad = 1, groups = 16, bias = false, weight_init = zeros);
    d = r |> linear(16, bias = false, weight_init = constant(0.7));
    output d;
    loss sum((a + b + c) * t) + sum(d * u);
    optimizer sgd(lr = 1.0);
}
T
python3 - "$out" <<'T'
import struct, sys
def save(name, shape, value):
    count = 1
    for d in shape: count *= d
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (tuple(shape),)).ljust(117) + "\n"
    open(sys.argv[1] + "/" + name + ".npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<f", value) * count)
save("images", (8, 16, 64, 64), 0.1)
save("t", (8, 16, 64, 64), 0.7)
save("r", (8, 30000), 0.1)
save("u", (8, 1), 0.0)
T
# off LEVEL: how far each is, at most, in units of the last place: of 1 x 1, 3 x 3 and depthwise convolutions (what sees no edge), and a product of 30000 terms
weights_off() {
    "$NETC" "-O$1" --emit=c,app -o "$out/w$1" "$out/weights.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -Iruntime -o "$out/weights$1" "$out/w$1"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1 &&
        "$out/weights$1" train --in "x=$out/images.npy" --in "r=$out/r.npy" --in "t=$out/t.npy" --in "u=$out/u.npy" --steps 1 --save "$out/w$1.safetensors" >>"$out/log" 2>&1 &&
        "$out/weights$1" infer --weights "$out/w$1.safetensors" --in "x=$out/images.npy" --in "r=$out/r.npy" --out "d=$out/d$1.csv" >>"$out/log" 2>&1 &&
        python3 - "$out/w$1.safetensors" "$out/d$1.csv" <<'T'
import json, struct, sys
f = lambda x: struct.unpack("<f", struct.pack("<f", x))[0]
data = open(sys.argv[1], "rb").read()
size, = struct.unpack("<Q", data[:8])
got = []
for name, t in sorted(json.loads(data[8:8 + size]).items()):
    if "conv2d" in name:
        begin, end = t["data_offsets"]
        v = struct.unpack("<%df" % ((end - begin) // 4), data[8 + size + begin:8 + size + end])
        taps = t["shape"][2] * t["shape"][3]
        middle = v[taps // 2::taps]          # the middle of the window sees all pixels
        got.append(max(abs(g / (-8 * 4096 * f(0.1) * f(0.7)) - 1) for g in middle))
d = [float(x) for x in open(sys.argv[2]).read().replace("\n", ",").split(",") if x]
got.append(max(abs(g / (30000 * f(0.1) * f(0.7)) - 1) for g in d))
print(*(int(g * 2**23) for g in got))
T
}
plain=$(weights_off 0)
result $? "weights at -O0"
pieces=$(weights_off 2)
result $? "weights at -O2"
echo "off by $pieces, $plain at -O0" >>"$out/log"
all() { # all COUNT -lt|-gt THAN NUMBERS: so many numbers, and all of them so
    [ "$#" = $(($1 + 3)) ] && for off in "${@:4}"; do [ "$off" "$2" "$3" ] || return 1; done
}
all 4 -lt 60 $pieces && ! all 4 -lt 60 $plain && [ "${plain##* }" -gt 1000 ]
result $? "gradients of weights, and a product"

# Sums over rows that go along with something else: gradients of what is added or multiplied before a 1 x 1 convolution (a, and c and d beside it), Winograd's
# method (b) and a product (e), over 3 images of 64 x 64 pixels (of more a lone sum goes in parts at -O0 too); all terms are equal. At -O0 a nest each.
cat >"$out/along.net" <<'T'
net along {
    batch N = 3;
    input x : f32[N, 64, 64, 16];
    input r : f32[N, 4096, 16];
    target t : f32[N, 64, 64, 16];
    target u : f32[N, 4096, 16];
    param a : f32[16] = zeros;
    param b : f32[16] = zeros;
    param c : f32[16] = zeros;
    param d : f32[16] = ones;
    param e : f32[16] = zeros;
    output v = relu(x + a) |> conv2d(16, 1, layout = "nhwc", bias = false, weight_init = constant(0.1));
    w = relu(x + b) |> conv2d(16, 3, pad = 1, layout = "nhwc", bias = false, weight_init = constant(0.1));
    z = relu(r + e) |> linear(16, bias = false, weight_init = constant(0.1));
    loss sum((v + w + (x + c) * d) * t) + sum(z * u);
    optimizer sgd(lr = 1.0);
}
T
python3 - "$out" <<'T'
import struct, sys
for name, shape, value in ("x", (3, 64, 64, 16), 0.1), ("r", (3, 4096, 16), 0.1), ("t", (3, 64, 64, 16), 0.7), ("u", (3, 4096, 16), 0.7):
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (shape,)).ljust(117) + "\n"
    open(sys.argv[1] + "/along_" + name + ".npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<f", value) * (3 * 4096 * 16))
T
along_off() { # along_off LEVEL: how far a, b, c, d and e are, at most, in units of the last place
    "$NETC" "-O$1" --emit=c,app -o "$out/a$1" "$out/along.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -Iruntime -o "$out/along$1" "$out/a$1"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1 &&
        "$out/along$1" train --in "x=$out/along_x.npy" --in "r=$out/along_r.npy" --in "t=$out/along_t.npy" --in "u=$out/along_u.npy" --steps 1 --save "$out/a$1.safetensors" >>"$out/log" 2>&1 &&
        python3 - "$out/a$1.safetensors" <<'T'
import json, struct, sys
f = lambda x: struct.unpack("<f", struct.pack("<f", x))[0]
data = open(sys.argv[1], "rb").read()
size, = struct.unpack("<Q", data[:8])
tensors = json.loads(data[8:8 + size])
x, w, t, rows = f(0.1), f(0.1), f(0.7), 3 * 4096
seen = 3 * (3 * 64 - 2) ** 2             # of the windows' elements, those on the image
for name, sum in ("a", rows * 16 * w * t), ("b", seen * 16 * w * t), ("c", rows * t), ("d", rows * x * t - 1), ("e", rows * 16 * w * t):
    begin, end = tensors[name]["data_offsets"]
    print(int(max(abs(v / -sum - 1) for v in struct.unpack("<16f", data[8 + size + begin:8 + size + end])) * 2**23))
T
}
plain=$(along_off 0)
result $? "sums beside something else at -O0"
chains=$(along_off 2)
result $? "sums beside something else at -O2"
echo "off by" $chains, $plain "at -O0" >>"$out/log"
all 5 -lt 60 $chains && all 5 -gt 500 $plain
result $? "sums beside something else"

# Moments are measured from about the mean, wherever rows lie that are far from the others: of 72000 rows three in front are 10000.
cat >"$out/far.net" <<'T'
net far {
    batch N = 8;
    input x : f32[N, 9000, 4];
    m, v = moments(x, [0, 1]);
    output m;
    output v;
}
T
python3 - "$out/far.npy" <<'T'
import struct, sys
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 9000, 4), }".ljust(117) + "\n"
rows = [(1e4,) * 4] * 3 + [(0.5, -0.25, 2.0, 0.125) if i % 2 else (-1.5, 0.75, 3.0, 0.25) for i in range(71997)]
open(sys.argv[1], "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + b"".join(struct.pack("<4f", *r) for r in rows))
T
"$NETC" --emit=c,app -o "$out/far" "$out/far.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/run_far" "$out/far"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1 &&
    "$out/run_far" infer --in "x=$out/far.npy" --out "m=$out/m.csv" --out "v=$out/v.csv" >>"$out/log" 2>&1 &&
    python3 - "$out/m.csv" "$out/v.csv" <<'T' >>"$out/log" 2>&1
import sys
m, v = ([float(x) for x in open(f).read().replace("\n", ",").split(",") if x] for f in sys.argv[1:])
for c, (odd, even) in enumerate(((0.5, -1.5), (-0.25, 0.75), (2.0, 3.0), (0.125, 0.25))):
    rows = [1e4] * 3 + [odd if i % 2 else even for i in range(71997)]
    mean = sum(rows) / 72000
    variance = sum((r - mean) ** 2 for r in rows) / 72000
    off = abs(m[c] - mean), abs(v[c] / variance - 1)
    print(off)
    assert off[0] < 1e-6 and off[1] < 1e-6
T
result $? "moments where some rows are far from the others"

# Of a wide result pieces are added up some columns at a time, whatever the number of rows.
cat >"$out/wide.net" <<'T'
net wide {
    batch N = 3;
    input x : f32[N, 768];
    param v : f32[1, 768] = normal(0, 1);
    param w : f32[150001, 768] = normal(0, 0.1);
    output y = x |> linear(50000);
    output z = v @ w';
}
T
"$NETC" -o "$out/wide" "$out/wide.net" >"$out/log" 2>&1 && sizes=$(grep -ho 'float stage[0-9]*\[[0-9]*\]' "$out/wide/wide_infer.c" | grep -o '[0-9]*]' | tr -d ']' | sort -n | tail -n 1)
echo "the largest stage: ${sizes:-none}" >>"$out/log"
[ "${sizes:-0}" -gt 0 ] && [ "$sizes" -le 8192 ]
result $? "a wide result has no large stage"
