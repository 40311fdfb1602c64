#!/bin/bash
# Convolutions of large weights go through these in panels, forward and back, behind batch statistics and with strides: values and
# gradients are those of -O0 in f64, one thread or several, whatever the lanes. Rows of 10 pixels add up a chain for each element of the
# window, those of 5 one chain of all.
set -u
export ASAN_OPTIONS=detect_leaks=0 # tests/bench/call.c gives nothing back
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok large_weights: $2"; else echo "FAILED large_weights: $2"; head -n 20 "$out/log"; fi; }
cat >"$out/t.net" <<'T'
net t {
    batch N = 3;
    input x : f32[N, 160, 7, 10];
    target u : f32[N, 192];
    a = x |> conv2d(192, 3, pad = 1, bias = false) |> batchnorm |> relu;
    b = a |> conv2d(192, 3, pad = [2, 1], dilation = [2, 1]) |> relu;
    c = a + b |> conv2d(192, 3, stride = 2, pad = 1);
    d = a |> conv2d(192, 3, pad = 1) |> relu |> maxpool2d(2);
    y = mean(c, axes = [2, 3]) + mean(d, axes = [2, 3]);
    output y;
    loss mse(y, u);
    optimizer sgd(lr = 0.05);
}
T
build() { # build AS NETC-OPTIONS CC-OPTIONS
    "$NETC" $2 --emit=c -o "$out/$1.c" "$out/t.net" >"$out/log" 2>&1 &&
        "${CC:-gcc}" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 $3 -DMODEL=t_model -Iruntime -I"$out/$1.c" -o "$out/$1" tests/bench/call.c \
            "$out/$1.c"/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1
    result $? "$1 compiles"
}
near() { # near PROGRAM OF LIMIT CALL: values that PROGRAM has written, beside those of OF
    "$out/$1" write "$4" 3 1 "$out/$1.$4" && "$out/$2" compare "$4" 3 1 "$out/$1.$4" | tee -a "$out/log" | awk -F'[:,}]' -v limit="$3" '{ near = $2 < limit } END { exit !near }'
    result $? "$1 near $2: $4"
}
build plain '-O0 --dtype f64' ''
build double '-O2 --dtype f64' '-march=native'
build single '-O2 --disable=winograd' '-march=native'
build narrow '-O2 --disable=winograd' ''
build threads '-O2 --disable=winograd' '-march=native -fopenmp'
build winograd '-O2' '-march=native'
build winograd_threads '-O2' '-march=native -fopenmp'
for of in double single winograd; do
    [ "$(grep -l 'panel \* ' "$out/$of.c"/*.c | wc -l)" = 2 ]
    result $? "$of: both graphs go in panels"
done
grep -q 'stage[0-9]*\[320\]' "$out/single.c"/*_infer.c && grep -q 'stage[0-9]*\[320\]' "$out/single.c"/*_train.c
result $? "rows of 10 pixels are added up on a stage"
for call in infer accumulate; do
    near double plain 1e-13 $call
    near single plain 3e-6 $call
    near narrow plain 3e-6 $call
    near winograd plain 3e-6 $call
    for n in 1 2 3 7; do
        OMP_NUM_THREADS=$n "$out/threads" write $call 3 1 "$out/other" && cmp -s "$out/other" "$out/single.$call" &&
            OMP_NUM_THREADS=$n "$out/winograd_threads" write $call 3 1 "$out/other" && cmp -s "$out/other" "$out/winograd.$call"
        result $? "$n threads: $call"
    done
done
