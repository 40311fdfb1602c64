#!/bin/bash
# --emit=json: it parses, what it says fits together, and it says what the model and the header say.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }

for net in digits lenet mlp_layernorm charlm embed; do
    for options in -O0 -O2 "-O2 --dtype=f64"; do
        "$NETC" $options --emit=json -o "$out" "examples/$net/$net.net" 2>"$out/log" &&
            python3 tests/inspect/module.py "$out/$net.json" >"$out/log" 2>&1
        result $? "json: $net $options"
    done
done
"$NETC" --mode=infer --emit=json -o "$out" examples/lenet/lenet.net 2>"$out/log" &&
    [ "$(python3 tests/inspect/module.py "$out/lenet.json" 2>"$out/log")" = "infer prepare" ]
result $? "json: only the graphs of the mode"

# The same sizes as the header says, attributes of an operation as the model has them.
"$NETC" --emit=c,json -o "$out" examples/digits/digits.net 2>"$out/log" && python3 - "$out" >"$out/log" 2>&1 <<'E2'
import json, re, sys
m = json.load(open(sys.argv[1] + "/digits.json"))
header = open(sys.argv[1] + "/digits.h").read()
assert m["train_bytes"] == int(re.search(r"DIGITS_TRAIN_BYTES \((\d+)", header)[1])
assert m["infer_bytes"] == int(re.search(r"DIGITS_INFER_BYTES \((\d+)", header)[1])
assert (m["net"], m["batch"], m["real"]) == ("digits", 32, "f32")
weight = next(v for v in m["variables"] if v["name"] == "@linear_1.weight")
assert (weight["role"], weight["shape"], weight["bytes"], weight["line"]) == ("param", [10, 512], 20480, 10), weight
image = next(v for v in m["variables"] if v["name"] == "%image")
assert (image["dtype"], image["shape"], image["segment"]) == ("u8", ["N", 1, 8, 8], ""), image
infer = next(g for g in m["graphs"] if g["name"] == "infer")
inner = [o for g in infer["operations"] for o in g.get("operations", [])]
cast = next(o for o in inner if o["operation"] == "cast")
assert cast["operands"] == ["%image"] and cast["attributes"] == {"to": "f32"} and cast["line"] == 7, cast
macs = sum(k["multiply_adds"] for k in infer["kernels"] if any(w in k["name"] for w in ("conv", "winograd", "matmul")))
# the second convolution takes 36 products in place of 144, on 4 tiles an image
assert macs >= 32 * (16 * 64 * 9 + 4 * 36 * 32 * 16 + 5120), macs
E2
result $? "json: sizes, types, attributes and costs of digits"

model='net tiny { batch N = 4; input x : f32[N, 3]; y = max(x, -exp(1000.0)) |> linear(2); output y; }'
odd="$out/a\"b\\ </script> é.net"
mkdir -p "${odd%/*}"
printf '%s\n' "$model" >"$odd"
"$NETC" --emit=json -o "$out" "$odd" 2>"$out/log" && python3 tests/inspect/module.py "$out/tiny.json" >"$out/log" 2>&1 &&
    grep -qF '</script> é.net' "$out/tiny.json" && grep -qF '"value": "-inf"' "$out/tiny.json"
result $? "json: any file name, and what is not finite"
"$NETC" --emit=json -o "$out/1" examples/charlm/charlm.net && "$NETC" --emit=json -o "$out/2" examples/charlm/charlm.net &&
    cmp "$out/1/charlm.json" "$out/2/charlm.json" >"$out/log" 2>&1
result $? "json: the same bytes each time"
