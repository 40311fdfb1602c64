#!/bin/bash
# A thread with a stack of NET_STACK_BYTES and what threads have at least does inference and a step of training: scratch of Winograd's
# method, of attention, rows that are held. Pages are touched in order (-fstack-clash-protection), so one too many is seen.
set -u
[ -z "${SANITIZE:-}" ] || { echo "ok stack: not tried, sanitizers have larger frames"; exit 0; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok stack: $2"; else echo "FAILED stack: $2"; head -n 20 "$out/log"; fi; }
cat >"$out/main.c" <<'T'
#define _GNU_SOURCE
#include HEADER
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

extern const nn_model MODEL;
static const void *in[8];
static void *results[8];

static void *calls(void *m)
{
    double loss;
    if (MODEL.infer(m, MODEL.batch, in, results) || MODEL.train_step(m, MODEL.batch, in, &loss))
        return (void *)MODEL.error(m);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *failed = NULL, *m = MODEL.create(0);
    size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : STACK) + (size_t)PTHREAD_STACK_MIN;
    for (int i = 0; i < 8; i++) {
        in[i] = calloc(1 << 22, 1);
        results[i] = calloc(1 << 22, 1);
    }
    if (!m || pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, (bytes + 4095) / 4096 * 4096) ||
        pthread_create(&thread, &attributes, calls, m) || pthread_join(thread, &failed))
        return 2;
    if (failed)
        fprintf(stderr, "%s\n", (const char *)failed);
    return failed != NULL;
}
T
sed -i '1a #include <limits.h>' "$out/main.c"
cat >"$out/large.net" <<'T'
net large {
    batch N = 2;
    input x : f32[N, 160, 14, 14];
    target u : f32[N, 192];
    y = x |> conv2d(192, 3, pad = 1) |> batchnorm |> relu |> conv2d(192, 3, pad = 1);
    z = mean(y, axes = [2, 3]);
    output z;
    loss mse(z, u);
    optimizer sgd(lr = 0.05);
}
T
cat >"$out/rows.net" <<'T'
net rows {
    batch N = 3;
    input x : f32[N, 70, 192];
    target u : f32[N, 70, 192];
    y = x |> multi_head_attention(4, causal = true) |> linear(768) |> gelu |> linear(192) |> layernorm;
    output y;
    loss mse(y, u);
    optimizer adam(lr = 0.01);
}
T
build() { # build NET FLAGS
    "$NETC" --emit=c -o "$out/$1" "$out/$1.net" >"$out/log" 2>&1 &&
        gcc -std=c11 $2 -fstack-clash-protection -Iruntime -I"$out/$1" -DHEADER="\"$1.h\"" -DMODEL=$1_model -DSTACK="${1^^}_STACK_BYTES" \
            -o "$out/$1/run" "$out/main.c" "$out/$1"/*.c "$B/libnetrt.a" -lz -lm -pthread >>"$out/log" 2>&1
}
for net in large rows; do
    for flags in -O1 '-O2 -march=native' '-O3 -mavx2 -mfma'; do
        build $net "$flags" && "$out/$net/run" 2>>"$out/log"
        result $? "$net: $flags"
    done
    bytes=$(grep -o "${net^^}_STACK_BYTES [0-9]*" "$out/$net/$net.h" | grep -o '[0-9]*$')
    echo "$bytes" >"$out/log"
    [ "$bytes" -gt 65536 ] && ! (ulimit -c 0; "$out/$net/run" $((bytes / 4)); exit $?) >>"$out/log" 2>&1
    result $? "$net: a quarter is too little"
done
