#!/bin/bash
# The generated program, on the digits of examples/digits: it learns, stops and resumes, and refuses what is wrong.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; fi; }
data="--in image=$out/train.csv:0-63 --in label=$out/train.csv:64"
gzip -dc examples/digits/digits.csv.gz | head -n 1400 >"$out/train.csv"
gzip -dc examples/digits/digits.csv.gz | tail -n 397 >"$out/test.csv"
build() { # build NAME COMPILER FLAGS...: a program from $out/c
    local name=$1 cc=$2
    shift 2
    $cc -std=c11 "$@" ${SANITIZE:+-fsanitize=address,undefined} -Iruntime -I"$out/c" -o "$out/$name" "$out"/c/digits*.c "$B/libnetrt.a" -lz -lm
}
"$NETC" --fp portable --emit=c,app -o "$out/c" examples/digits/digits.net && build digits gcc -O2 -march=native
result $? "digits compiles"

# an epoch, the last batch not full, goes the same way whatever is fused: layers wide enough for every kernel there is
sed 's/conv2d(16/conv2d(32/; s/dropout(0.3)/dropout(0.1)/' examples/digits/digits.net >"$out/wide.net"
for level in -O0 -O2; do
    rm -rf "$out/c"
    "$NETC" $level --emit=c,app -o "$out/c" "$out/wide.net" && build "wide$level" gcc -O2 -march=native &&
        "$out/wide$level" train $data --epochs 1 --seed 1 --save "$out/w" >>"$out/epochs"
done
awk '{ loss[NR] = $6 } END { d = loss[1] - loss[2]; exit !(NR == 2 && loss[1] > 0.1 && d * d < 1e-6) }' "$out/epochs" || { cat "$out/epochs"; false; }
result $? "an epoch at -O0 and at -O2 ends with the same loss"
rm -rf "$out/c"
"$NETC" --fp portable --emit=c,app -o "$out/c" examples/digits/digits.net

"$out/digits" train $data --epochs 30 --seed 1 --save "$out/w" --quiet
result $? "digits trains"
"$out/digits" eval --weights "$out/w" --in "image=$out/test.csv:0-63" --in "label=$out/test.csv:64" >"$out/eval"
awk '$1 == "accuracy" { good = $2 >= 0.94 } END { exit !good }' "$out/eval"
result $? "digits: at least 94 % of what it has not seen"
"$out/digits" infer --weights "$out/w" --in "image=$out/test.csv:0-63" --out "logits=$out/l.npy" && [ "$(stat -c %s "$out/l.npy")" = $((128 + 397 * 40)) ]
result $? "infer writes all samples"
"$out/digits" info | grep -q 'conv2d_1.weight : f32\[16,1,3,3\]'
result $? "info names the tensors"
for lanes in 1 4; do
    build narrow gcc -O1 -DNN_VL=$lanes && "$out/narrow" info | grep -q "f32, $lanes f32 lanes, no fused multiply-add; library: netrt"
    result $? "info says what the model's own C computes with: $lanes lanes"
done
"$out/digits" bench --iters 3 --json | grep -q '"median_us"'
result $? "bench"

# the kernels' times, the optimizer's among them, are the call's
build profiled gcc -O2 -march=native -DNN_PROFILE && "$out/profiled" bench --train --iters 30 --kernels >"$out/kernels" &&
    grep -q 'digits.net:[0-9]*  .*assign$' "$out/kernels" &&
    awk '/of the mean call, .*: all of these are means/ { seen = 1; bad = $3 < 95 || $3 > 101 } END { exit bad || !seen }' "$out/kernels"
result $? "bench --kernels accounts for a training step"

# the same bytes: straight through, or killed and resumed
"$out/digits" train $data --steps 400 --seed 3 --save "$out/straight" --quiet
"$out/digits" train $data --steps 1000000 --seed 3 --checkpoint "$out/point" --every 40 --quiet &
pid=$!
while [ ! -e "$out/point" ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -9 $pid
wait $pid 2>/dev/null
"$out/digits" train $data --steps 400 --resume "$out/point" --save "$out/resumed" --quiet && cmp -s "$out/straight" "$out/resumed"
result $? "killed and resumed: the same bytes"

# the same bytes: compilers, optimisation, lanes, threads
for variant in "gcc -O2 -DNN_VL=1" "gcc -O3 -march=native -DNN_VL=4" "gcc -O2 -march=native -DNN_VL=8" "clang -O2 -march=native" "clang -O1 -DNN_VL=1" "gcc -O2 -march=native -fopenmp"; do
    set -- $variant
    build other "$@" && OMP_NUM_THREADS=2 "$out/other" train $data --steps 30 --seed 3 --save "$out/other.w" --quiet &&
        "$out/digits" train $data --steps 30 --seed 3 --save "$out/this.w" --quiet && cmp -s "$out/other.w" "$out/this.w"
    result $? "same bytes: $variant"
done

# what is wrong is refused, and nothing is lost
refused() { # refused STATUS WORDS NAME COMMAND...
    local want=$1 words=$2 name=$3
    shift 3
    "$@" >"$out/stdout" 2>"$out/stderr"
    [ $? = "$want" ] && grep -q "$words" "$out/stderr" && [ "$(wc -l <"$out/stderr")" = 1 ]
    result $? "$name"
}
cp "$out/w" "$out/kept"
refused 2 "no command" "unknown command" "$out/digits" fly
refused 2 "no option" "unknown option" "$out/digits" train --wings
refused 2 "missing" "an input that is not given" "$out/digits" train --in "image=$out/train.csv:0-63"
refused 1 "No such file" "a file that is not there" "$out/digits" train --in image=nowhere.npy --in label=nowhere.npy
sed '5s/[0-9]*$/77/' "$out/train.csv" >"$out/bad.csv"
refused 1 "label" "a label out of range" "$out/digits" train --in "image=$out/bad.csv:0-63" --in "label=$out/bad.csv:64" --save "$out/w"
sed '7s/^[0-9]*/300/' "$out/train.csv" >"$out/bad.csv"
refused 1 "300" "a value the type cannot hold" "$out/digits" train --in "image=$out/bad.csv:0-63" --in "label=$out/bad.csv:64" --save "$out/w"
refused 1 "/dev/full" "a full disk" "$out/digits" train $data --steps 1 --save /dev/full
mkdir "$out/locked"
refused 1 "locked/none" "a folder that is not there" "$out/digits" train $data --steps 1 --save "$out/locked/none/w"
head -c 1000 "$out/w" >"$out/short"
refused 1 "short" "a short file" "$out/digits" eval --weights "$out/short" --in "image=$out/test.csv:0-63" --in "label=$out/test.csv:64"
cmp -s "$out/w" "$out/kept"
result $? "what was saved before is intact"

# gradients of the whole net, in f64
"$NETC" --dtype f64 --emit=c,app -o "$out/c" examples/digits/digits.net && build check gcc -O2 && "$out/check" check >"$out/checked"
result $? "check: gradients against central differences"
