#!/bin/bash
# What -D NAME=VALUE means, and what is said of one that means nothing.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; cat "$out/log"; fi; }

cat >"$out/m.net" <<'T'
const d = 4, deep = false, rate = 0.5, sizes = [3], word = "none", axis = none;
net m {
    batch N = 2;
    input x : f32[N, d];
    for n in sizes { x = x |> linear(n, bias = deep); }
    output y = gelu(x, approximate = word) + rate;
    output z = sum(x, axes = axis);
}
T
claim() { # claim NAME PATTERN OPTIONS: a line of the dump that must be there
    (cd "$out" && "$NETC" "${@:3}" --emit=ir m.net && grep -q -- "$2" m.ir) >"$out/log" 2>&1
    result $? "-D: $1"
}
claim "an integer" 'input  %x : f32\[N,16\]' -D d=16
claim "an integer written with _" 'input  %x : f32\[N,1000\]' -D d=1_000
claim "arithmetic" 'input  %x : f32\[N,14\]' -D 'd=2 * (3 + 4)'
claim "the last counts" 'input  %x : f32\[N,5\]' -D d=3 -D d=5
claim "true" '@linear_1.bias' -D deep=true
claim "a number" 'value = 0.25' -D rate=0.25
claim "a list" '@linear_2.weight : f32\[6,5\]' -D sizes=[5,6]
claim "a word" tanh -D word=tanh
claim "a word in quotes" erf -D 'word="none"'
claim "a word that is a keyword elsewhere" erf -D word=none
claim "another kind for none" 'sum .*, axes = \[1\]' -D axis=-1

(cd "$out" && for given in N=4 d=abc d= 'd = 3' =3 d=3x sizes=3,4 deep=1 sizes=wide d haeds=2 sixes=2 'd=3; net q {}'; do
    "$NETC" --color=never -D "$given" -o none m.net
    echo "status $?"
done) >"$out/got" 2>&1
diff - "$out/got" >"$out/log" <<'T'
-D: error: -D N=4 sets no constant of the model
-D: hint: it is the batch dimension: --batch 4
status 2
-D: error: -D d=abc: 'd' is the integer 4 in the model, and this is the string "abc"
status 2
-D: error: -D d=: a value is missing behind '='
-D: hint: a value is a number, true, false, none, a string, or a list of them
status 2
-D: error: -D d = 3 sets no constant of the model
-D: hint: no blanks stand before '='
status 2
-D: error: -D =3 sets no constant of the model
-D: hint: a name is missing before '='
status 2
-D: error: -D d=3x: '3x' is no value
-D: hint: a value is a number, true, false, none, a string, or a list of them
status 2
-D: error: -D sizes=3,4: '3,4' is no value
-D: hint: a value is a number, true, false, none, a string, or a list of them
status 2
-D: error: -D deep=1: 'deep' is false in the model, and this is the integer 1
status 2
-D: error: -D sizes=wide: 'sizes' is the list [3] in the model, and this is the string "wide"
status 2
netc: -D wants NAME=VALUE, not 'd' (netc --help)
status 2
-D: error: -D haeds=2 sets no constant of the model
-D: hint: its constants: d, deep, rate, sizes, word, axis; one is declared before the nets: const haeds = ...;
status 2
-D: error: -D sixes=2 sets no constant of the model
-D: hint: did you mean 'sizes'?
status 2
-D: error: -D d=3; net q {}: '3; net q {}' is no value
-D: hint: a value is a number, true, false, none, a string, or a list of them
status 2
T
result $? "-D: what means nothing is wrong usage"

printf 'const a = 1, a = 2, d = 4;\nnet m { batch N = 2; input x : f32[N, d]; output x; }\n' >"$out/wrong.net"
"$NETC" --color=never -D d=16 -o "$out/none" "$out/wrong.net" 2>"$out/got"
grep -c error: "$out/got" >"$out/log"
[ "$(cat "$out/log")" = 1 ] && grep -q "'a' is defined twice" "$out/got"
result $? "-D: is read behind an error of the model too"
