#!/bin/bash
# Layers of one shape share their kernels' functions: eight blocks are hardly more C than four, and what runs is timed apart.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok layers_of_one_shape: $2"; else head -n 12 "$out/log"; echo "FAILED layers_of_one_shape: $2"; fi; }
for blocks in 4 8; do
    cat >"$out/deep$blocks.net" <<T
net deep$blocks {
    batch N = 8;
    input x : f32[N, 32];
    target y : f32[N, 32];
    h = x;
    for i in 0..$blocks {
        h = h + (h |> layernorm |> linear(64) |> relu |> linear(32));
    }
    output h;
    loss mse(h, y);
    optimizer adam(lr = 1e-3);
}
T
    "$NETC" --emit=c,app,json -o "$out/$blocks" "$out/deep$blocks.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O2 -DNN_PROFILE -Wall -Wextra -Wpedantic -Werror -Iruntime -I"$out/$blocks" -o "$out/app$blocks" "$out/$blocks"/*.c \
            "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1
    result $? "$blocks blocks compile without a word"
done
lines() { grep -c '' "$out/$1/deep$1_train.c"; }
functions() { grep -c '^static NN_KERNEL' "$out/$1/deep$1_train.c"; }
echo "$(functions 4) and $(functions 8) functions, $(lines 4) and $(lines 8) lines" >"$out/log"
[ "$(functions 8)" -le "$(($(functions 4) + 4))" ] && [ "$(lines 8)" -lt "$(($(lines 4) * 5 / 4))" ]
result $? "functions and lines"
# A name stands for a function that is there, and each kernel has one or the other.
python3 - "$out/8" >"$out/log" 2>&1 <<'P'
import json, re, sys
text = open(sys.argv[1] + "/deep8_train.c").read()
functions = set(re.findall(r"^static NN_KERNEL [^\n]*?(k\d+_\w+)\(", text, re.M))
names = dict(re.findall(r"^#define (k\d+_\w+) (k\d+_\w+)$", text, re.M))
train, = [g for g in json.load(open(sys.argv[1] + "/deep8.json"))["graphs"] if g["name"] == "train"]
assert names and set(names.values()) <= functions and not functions & set(names), names
assert {k["name"] for k in train["kernels"]} <= functions | set(names), train["kernels"]
P
result $? "each kernel has a function or a name"
# Kernels of one shape that differ in what goes in and what comes out have in common what is between: a function for all.
cat >"$out/stages.net" <<'T'
net stages {
    batch N = 8;
    input x : f32[N, 16, 32, 32];
    target y : f32[N, 16, 32, 32];
    a = x |> conv2d(16, kernel = 3, pad = 1);
    b = relu(a) |> conv2d(16, kernel = 3, pad = 1) |> tanh;
    c = a + b |> conv2d(16, kernel = 3, pad = 1) |> sigmoid;
    output c;
    loss mse(c, y);
    optimizer sgd(lr = 0.1);
}
T
"$NETC" --emit=c,app -o "$out/stages" "$out/stages.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Wall -Wextra -Wpedantic -Werror -Iruntime -I"$out/stages" -o "$out/appstages" "$out/stages"/*.c "$B/libnetrt.a" \
        ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1
result $? "kernels with common stages compile without a word"
python3 - "$out/stages" >"$out/log" 2>&1 <<'P'
import re, sys
for file in ("stages_train.c", "stages_infer.c"):
    text = open(sys.argv[1] + "/" + file).read()
    functions = re.split(r"^(?=static )", text, flags=re.M)
    name = lambda f: re.match(r"static [^(]*?(\w+)\(", f).group(1)
    parts = {name(f) for f in functions[1:] if f.startswith("static NN_PART") and "nn_begin" not in f.split("{")[0]}
    calls = {p: [name(f) for f in functions[1:] if re.search(r"^ +%s\(" % p, f, re.M)] for p in parts}
    assert parts and all(len(c) > 1 for c in calls.values()), calls
    assert not re.search(r"[\x00-\x08]", text)
    print(file, calls)
P
result $? "common stages are functions, each of which several call"
# They are given what is theirs: losses of three steps are those of plain loops.
python3 - "$out" <<'P'
import random, struct, sys
random.seed(3)
for name in "xy":
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 16, 32, 32), }".ljust(117) + "\n"
    open(sys.argv[1] + "/" + name + ".npy", "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
        + struct.pack("<131072f", *(random.uniform(-1, 1) for _ in range(131072))))
P
"$NETC" -O0 --emit=c,app -o "$out/plain" "$out/stages.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/appplain" "$out/plain"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1
for way in plain stages; do
    "$out/app$way" train --in "x=$out/x.npy" --in "y=$out/y.npy" --epochs 3 --quiet --log "$out/$way.csv" >>"$out/log" 2>&1
done
python3 - "$out" >>"$out/log" 2>&1 <<'P'
import csv, sys
a, b = ([float(r["loss"]) for r in csv.DictReader(open("%s/%s.csv" % (sys.argv[1], way)))] for way in ("plain", "stages"))
print(a, b)
assert len(a) == len(b) == 3 and a[2] < a[0] and all(abs(x / y - 1) < 1e-5 for x, y in zip(a, b))
P
result $? "their results are those of plain loops"
"$out/app8" bench --train --kernels >"$out/log" 2>&1
rows=$(grep -c '  k[0-9]*_' "$out/log")
calls=$(python3 -c "import json, sys; print(sum(len(g['kernels']) for g in json.load(open(sys.argv[1]))['graphs'] if g['name'] in ('train', 'apply')))" "$out/8/deep8.json")
[ "$rows" = "$calls" ]
result $? "$calls kernels are timed"
