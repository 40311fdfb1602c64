#!/bin/bash
# -DNN_OPENBLAS: the large products that are a whole group go to OpenBLAS, and agree with netc's own within rounding;
# small ones, and builds without it, are as they were.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 12 "$out/log"; fi; }
warn="-Wall -Wextra -Wpedantic -Wconversion -Werror"

# Forward and backward: one matrix on the right, a batch of pairs, and a scan's steps, which lie apart.
cat >"$out/products.net" <<'EOF'
net products {
    batch  N = 6;
    input  x : f32[N, 80, 72];
    target y : f32[N, 80, 80];
    param w : f32[72, 96] = normal(0.0, 0.1);
    h = x @ w;
    param u : f32[96, 256] = normal(0.0, 0.1);
    param v : f32[256, 256] = normal(0.0, 0.05);
    c = scan (h_t in h; c = zeros([h.shape[0], 256])) {
        c = tanh(h_t @ u + c @ v);
        yield c;
    };
    s = h @ transpose(h, [0, 2, 1]) + mean(c, 2, keepdims = true);
    output s;
    loss mse(s, y);
    optimizer sgd(lr = 0.001);
}
EOF
cat >"$out/main.c" <<'EOF'
#include "products.h"
#include <stdio.h>
#ifdef DOUBLE
typedef double real;
#else
typedef float real;
#endif
static real x[6 * 80 * 72], y[6 * 80 * 80], z[6 * 80 * 80];
int main(void)
{
    products *m = products_new(3);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (real)(i * 7919 % 1000) / 500 - 1;
    for (size_t i = 0; i < sizeof y / sizeof *y; i++)
        y[i] = (real)(i * 104729 % 1000) / 500 - 1;
    for (int step = 0; step < 3; step++) {
        real loss;
        if (products_train_step(m, 6, x, y, &loss))
            return 1;
        printf("%.9g\n", (double)loss);
    }
    for (int n = 1; n <= 6; n += 5) {
        if (products_infer(m, n, x, z))
            return 1;
        for (int i = 0; i < n * 80 * 80; i++)
            printf("%.9g\n", (double)z[i]);
    }
    products_free(m);
    return 0;
}
EOF
near() { # near TOLERANCE: the two outputs agree to this part of the largest
    paste "$out/own" "$out/blas" | awk -v t="$1" 'function abs(x) { return x < 0 ? -x : x }
        { d = abs($1 - $2); if (d > worst) worst = d; if (abs($1) > most) most = abs($1); if (d > 0) other++; lines++ }
        END { print "largest difference", worst, "of", most, "in", other + 0, "of", lines + 0; exit !(lines > 40000 && worst <= t * most) }'
}
for options in "" "-O0" "--dtype=f64" "--standalone"; do
    rm -rf "$out/c"
    define=
    tolerance=1e-5
    [ "$options" = --dtype=f64 ] && define=-DDOUBLE && tolerance=1e-9
    library="$B/libnetrt.a -lz"
    [ "$options" = --standalone ] && library=
    "$NETC" $options -o "$out/c" "$out/products.net" >"$out/log" 2>&1
    status=$?
    for cc in gcc clang; do
        for f in "$out"/c/*.c; do
            [ $status = 0 ] && { $cc -std=c11 $warn -DNN_OPENBLAS -Iruntime -fsyntax-only "$f" >"$out/log" 2>&1 || status=1; }
        done
    done
    result $status "products $options: no warning with -DNN_OPENBLAS"
    gcc -std=c11 -O2 -march=native $define -Iruntime -I"$out/c" -o "$out/a" "$out"/c/*.c "$out/main.c" $library -lm ${SANITIZE:+-fsanitize=address,undefined} >"$out/log" 2>&1 &&
        gcc -std=c11 -O2 -march=native $define -DNN_OPENBLAS -Iruntime -I"$out/c" -o "$out/b" "$out"/c/*.c "$out/main.c" $library -lopenblas -lm ${SANITIZE:+-fsanitize=address,undefined} >"$out/log" 2>&1 &&
        "$out/a" >"$out/own" && "$out/b" >"$out/blas" && near $tolerance >"$out/log"
    result $? "products $options: as netc's own, within rounding"
done
nm -D "$out/b" | grep -q cblas_sgemm && ! nm "$out/a" | grep -q cblas
result $? "OpenBLAS is called, where it was asked for alone"
"$NETC" -O0 -o "$out/c" "$out/products.net" && grep -q 'nn_product(.*, 1, 0))' "$out/c/products_train.c" &&
    grep -q 'nn_product(.*, 0, 1))' "$out/c/products_train.c" && grep -q 'nn_product(.*(size_t)n ' "$out/c/products_infer.c"
result $? "either side transposed, and a batch of products, are among them"
grep -q 'nn_product(.*t0 \* 256, 20480, ' "$out/c/products_train.c"
result $? "and rows that lie apart"
"$NETC" -o "$out/small" examples/embed/embed.net && ! grep -q nn_product "$out"/small/*.c
result $? "small products stay with netc's own kernels"
