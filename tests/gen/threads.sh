#!/bin/bash
# Where OpenMP is entered: for a full batch, with several threads; not for a small sample alone, nor with one thread, nor within a
# region of the caller's. The bits are the same. Kernels that follow each other share one region, as samples do that go through a scan
# each for itself.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/rows.net" <<'T'
net rows {
    batch N = 64;
    input x : f32[N, 256];
    output y = x |> linear(128) |> relu |> linear(512) |> tanh |> linear(10);
}
T
cat >"$out/steps.net" <<'T'
net steps {
    batch N = 32;
    input x : f32[N, 16, 64];
    output y = x |> lstm(128);
}
T

# NET N THREADS OUTER: the regions that a call of N samples enters, and a sum of what it gives to the bit
cat >"$out/main.c" <<'T'
#include <netrt.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const nn_model MODEL;
void __real_GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags);
void __wrap_GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags);
static int regions;

void __wrap_GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags)
{
    regions++;
    __real_GOMP_parallel(work, data, threads, flags);
}

int main(int argc, char **argv)
{
    static float x[64 * 1024], y[64 * 2048];
    int n = argc > 3 ? atoi(argv[1]) : 0, outer = atoi(argv[3]), code = 1;
    const void *in[] = { x };
    void *out[] = { y }, *m = MODEL.create(1);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)(i * 7 % 33) / 16 - 1;
    omp_set_num_threads(atoi(argv[2]));
    code = MODEL.infer(m, n, in, out); /* what is made of the weights is made once */
    regions = 0;
#pragma omp parallel num_threads(2) if (outer)
#pragma omp single
    code |= MODEL.infer(m, n, in, out);
    uint32_t sum = 0, bits;
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
        memcpy(&bits, &y[i], sizeof bits);
        sum = sum * 31 + bits;
    }
    printf("%d %08x\n", regions - 1, (unsigned)sum); /* this one is main's */
    return code;
}
T

for net in rows steps; do
    { "$NETC" --mode=infer -o "$out/$net" "$out/$net.net" &&
        "$CC" -std=c11 -O2 -fopenmp -DMODEL=${net}_model -Wl,--wrap=GOMP_parallel -Iruntime -I"$out/$net" -o "$out/$net.x" "$out/main.c" \
            "$out/$net"/*.c "$B/libnetrt.a" -lm; } >"$out/log" 2>&1
    result $? "$net compiles with OpenMP"
    read -r few one < <("$out/$net.x" 1 1 0)
    read -r alone two < <("$out/$net.x" 1 2 0)
    echo "$few $alone regions, bits $one $two" >"$out/log"
    [ "$few" = 0 ] && [ "$alone" = 0 ] && [ "$one" = "$two" ]
    result $? "$net: a sample alone starts no threads"
    for n in 3 13 32; do
        read -r serial one < <("$out/$net.x" $n 1 0)
        read -r many two < <("$out/$net.x" $n 2 0)
        read -r more three < <("$out/$net.x" $n 3 0)
        read -r inner four < <("$out/$net.x" $n 2 1)
        echo "$serial $many $more $inner regions, bits $one $two $three $four" >"$out/log"
        [ "$serial" = 0 ] && [ "$inner" = 0 ] && [ "$many" = "$more" ] && [ "$one$one$one" = "$two$three$four" ] && { [ $n -lt 32 ] || [ "$many" -gt 0 ]; }
        result $? "$net: regions of $n samples, and their bits"
    done
done
read -r many bits < <("$out/steps.x" 32 2 0)
echo "$many regions" >"$out/log"
[ "$many" -lt 16 ] && grep -q "NN_IN_THREADS(.*scan_k[0-9]*, m" "$out/steps/steps_infer.c"
result $? "steps: samples go through all of them in one region"

read -r many bits < <("$out/rows.x" 32 2 0)
echo "$many regions" >"$out/log"
[ "$many" = 1 ] && [ "$(grep -c "NN_PARTS(" "$out/rows/rows_infer.c")" -gt 2 ]
result $? "rows: all kernels go through one region"

# Scans of samples that go apart: over arguments and over what lies in memory, from the end, with several yields and carries,
# and their backward parts. Where a step reads all samples they do not.
cat >"$out/apart.net" <<'T'
net apart {
    batch N = 40;
    input x : f32[N, 20, 64];
    input m : f32[N, 20];
    target label : i32[N, 20];
    param w : f32[64, 64] = xavier_uniform();
    param u : f32[64, 64] = xavier_uniform();
    zs, gs, last = scan (a in x, b in m; h = zeros([N, 64]), g = ones([N, 64]); reverse = true) {
        g = sigmoid(a @ w + h @ u) * g + expand_dims(b, 1);
        yield g;
        h = tanh(h @ w + g @ u);
        yield h * a;
    };
    out = concat(zs, gs, axis = 2) |> lstm(64, bidirectional = true);
    output out;
    output last;
    loss cross_entropy(out, label) + mean(last * last);
    optimizer sgd(lr = 0.1);
}
T
build() { # build NAME MODEL FLAGS OPTIONS...
    local name=$1 model=$2 flags=$3
    shift 3
    "$NETC" --verify --emit=c "$@" -o "$out/$name.c" "$out/$model.net" >"$out/log" 2>&1 &&
        "$CC" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -march=native $flags -DMODEL="${model}_model" ${SANITIZE:+-fsanitize=address,undefined} \
            -Iruntime -I"$out/$name.c" -o "$out/$name" tests/bench/call.c "$out/$name.c"/*.c "$B/libnetrt.a" -lz -lm >"$out/log" 2>&1
}
same_bits() { # same_bits WHAT ONE OTHER RANGE THREADS N...: of N samples, ONE in one thread, OTHER in so many
    local what=$1 one=$2 other=$3 range=$4 threads=$5 call n count
    shift 5
    for call in infer dense; do
        for n in "$@"; do
            OMP_NUM_THREADS=1 "$out/$one" write "$call" "$n" "$range" "$out/values" >"$out/log" 2>&1 || echo "FAILED $what: $call of $n samples"
            for count in $threads; do
                OMP_NUM_THREADS=$count "$out/$other" write "$call" "$n" "$range" "$out/other" >"$out/log" 2>&1 && cmp "$out/values" "$out/other" >"$out/log" 2>&1
                result $? "$what: $call of $n samples in $count threads, the same bits"
            done
        done
    done
}
build together apart "" --disable=threads && ! grep -nE "NN_IN_THREADS|NN_PARTS|NN_RUN" "$out/together.c"/*.c >"$out/log"
result $? "apart: without threads"
build shared apart -fopenmp && grep -q "NN_IN_THREADS(.*scan_k[0-9]*, m, x, " "$out/shared.c/apart_infer.c" && [ "$(grep -c "NN_IN_THREADS(.*scan_k[0-9]*, " "$out/shared.c/apart_train.c")" = 9 ]
result $? "apart: its scans are shared out, an argument of the net's among what they read"
grep -q "NN_IN_THREADS(.*, 0, 8, 1, k[0-9]*_.*max.*_part[0-9]*, .* total" "$out/shared.c/apart_train.c"
result $? "apart: rows of the cross entropy are, in parts that have totals of their own"
same_bits apart together shared 11 "1 2 3 4 7" 40 33 17 5
sed 's/^net apart/net mixed/; s/h = tanh(h @ w + g @ u)/h = tanh((h - mean(h, 0, keepdims = true)) @ w + g @ u)/' "$out/apart.net" >"$out/mixed.net"
build mixed mixed -fopenmp && ! grep -n "scan_k[0-9]*, m, x" "$out/mixed.c"/*.c >"$out/log" && grep -q "scan_k[0-9]*, m)" "$out/mixed.c/mixed_train.c"
result $? "mixed: steps that read all samples are done for all of them"

# A run goes over steps that read all samples, random numbers, and what its first thread does alone.
cat >"$out/run.net" <<'T'
net run {
    batch N = 24;
    input x : f32[N, 12, 256];
    input few : f32[N, 8];
    target label : i32[N];
    param w : f32[256, 256] = xavier_uniform();
    hs, last = scan (a in x; h = zeros([N, 256])) {
        h = tanh((h - mean(h, 0, keepdims = true)) @ w + a);
        yield h;
    };
    h = dropout(hs, 0.1) |> linear(256) |> relu |> flatten |> linear(10);
    logits = h + linear(few, 10);
    output logits;
    output last;
    loss cross_entropy(logits, label);
    optimizer sgd(lr = 0.1);
}
T
build serial run "" && build runs run -fopenmp && { sed -n '/^static void k[0-9]*_run(/,/^}/p' "$out/runs.c/run_infer.c"; sed -n '/^static void k[0-9]*_run(/,/^}/p' "$out/runs.c/run_train.c"; } >"$out/log" &&
    grep -q "for (int t0" "$out/log" && grep -q NN_ALONE "$out/log" && grep -q nn_context "$out/log"
result $? "run: what goes through one region"
same_bits run serial runs 10 "1 2 3 4 7" 24 9 1

# A sample that is work enough is shared out: rows of a convolution with its borders, of pooling, and of one transposed.
cat >"$out/image.net" <<'T'
net image {
    batch N = 2;
    input x : f32[N, 3, 131, 127];
    target y : f32[N, 4, 130, 126];
    h = x |> conv2d(32, kernel = 3, pad = 1) |> relu |> conv2d(32, kernel = 3, pad = 1, groups = 32) |> gelu;
    out = h |> maxpool2d(2) |> conv_transpose2d(4, kernel = 2, stride = 2);
    output out;
    loss mse(out, y);
    optimizer sgd(lr = 0.1);
}
T
build whole image -fopenmp --disable=share && ! grep -n nn_from "$out/whole.c"/*.c >"$out/log"
result $? "image: samples one by one"
build parts image -fopenmp && [ "$(grep -c "NN_PARTS(1, 0, n \* [0-9]*, 1, k[0-9]*_.*_i, " "$out/parts.c/image_infer.c")" = 7 ] &&
    [ "$(grep -c "const int nn_from = " "$out/parts.c/image_infer.c")" = 7 ]
result $? "image: parts of a sample"
same_bits image whole parts 5 "1 2 3 7" 1 2

# Blocks are cut within: tiles of Winograd's, and rows of a product that layernorm goes through.
cat >"$out/blocks.net" <<'T'
net blocks {
    batch N = 5;
    input x : f32[N, 16, 36, 36];
    target label : i32[N];
    h = x |> conv2d(16, kernel = 3, pad = 1) |> relu |> conv2d(32, kernel = 3, pad = 1) |> relu |> maxpool2d(6) |> conv2d(64, kernel = 3, pad = 1) |> relu;
    logits = reshape(transpose(h, [0, 2, 3, 1]), [h.shape[0], 36, 64]) |> linear(128) |> layernorm |> flatten |> linear(10);
    output logits;
    loss cross_entropy(logits, label);
    optimizer sgd(lr = 0.1);
}
T
build one blocks "" && build cut blocks -fopenmp && [ "$(grep -cE "NN_PARTS\(.*, (tiles|all), (8|14), " "$out/cut.c/blocks_infer.c")" -ge 3 ]
result $? "blocks: cut at register tiles"
same_bits blocks one cut 5 "2 3 4 7" 1 2 5
