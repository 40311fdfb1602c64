#!/bin/bash
# Where a row's first sum is taken while the row before it is still at work and results go past the caches, and where rows of a
# product are held until their own work is done, rows are what they are alone, for any number of samples and threads, and near
# those in f64.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; fi; }
compile() { # compile NAME BODY
    printf 'net t {\n    batch N = %s;\n    input x : f32[N, %s];\n    output y = %s;\n}\n' "$2" "$3" "$4" >"$out/t.net"
    for type in f32 f64; do
        "$NETC" -O2 --dtype $type --emit=c -o "$out/$1-$type" "$out/t.net" >"$out/log" 2>&1 || return 1
    done
}
build() { # build NAME TYPE AS FLAGS
    "${CC:-gcc}" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 $4 -DMODEL=t_model -Iruntime -I"$out/$1-$2" -o "$out/$3" tests/bench/call.c "$out/$1-$2"/*.c "$B/libnetrt.a" -lz -lm
}
check() { # check NAME MARK N ROWS...: the C has MARK; of N samples those of fewer are the first ones
    local name=$1 most=$3
    grep -q "$2" "$out/$name-f32"/*.c
    result $? "$name: $2"
    shift 3
    build $name f32 plain "-march=native" && build $name f32 far "-march=native -DNN_STREAMED_BYTES=1" &&
        build $name f32 threads "-march=native -fopenmp" && build $name f64 double "-march=native"
    result $? "$name compiles"
    "$out/plain" write infer $most 1 "$out/all"
    for n in "$@"; do
        "$out/plain" write infer $n 1 "$out/some"
        cmp -s -n "$(stat -c %s "$out/some")" "$out/some" "$out/all"
        result $? "$name: $n samples"
    done
    for how in far threads; do
        OMP_NUM_THREADS=2 "$out/$how" write infer $most 1 "$out/other"
        cmp -s "$out/other" "$out/all"
        result $? "$name: $how"
    done
    "$out/double" compare infer $most 1 "$out/all" | awk -F'[:,}]' '{ near = $2 < 1e-6 } END { exit !near }'
    result $? "$name: near f64"
}
compile softmax 300 1024 'x |> softmax' && check softmax most_now 300 1 2 63 64 65 66 129
compile log_softmax 3 '320, 512' 'x |> log_softmax' && check log_softmax most_now 3 1 2
compile held 75 512 'x |> linear(512) |> layernorm' && check held 'held\[16384\]' 75 1 7 8 31 32 33 64
