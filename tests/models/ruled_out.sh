#!/bin/bash
# Classes ruled out by -inf, and rows that do not count whatever they hold: losses are of what counts, by their definitions.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/t.net" <<'T'
net t {
    batch N = 2;
    input x : f32[N, 3];
    target y : i32[N];
    param w : f32[3] = ones;
    z = x + w;
    output z;
    output all = logsumexp(x, axes = 1);
    loss cross_entropy(z, y);
    metric rest = cross_entropy(z, y, ignore_index = 1);
    metric picked = nll(x, y, ignore_index = 2);
    optimizer sgd(lr = 0.1);
}
T
cat >"$out/main.c" <<'T'
#include "t.h"
#include <math.h>
#include <netrt.h>
#include <stdio.h>

static int failed;

static void near(const char *what, double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-12))
        failed = printf("%s: %.15g, not %.15g\n", what, got, wanted);
}

int main(void)
{
    const double x[6] = { 1, -INFINITY, 2, 0, 1, 2 }, other[6] = { 1, NAN, INFINITY, 0, 1, 2 };
    const int32_t y[2] = { 0, 2 }, first[2] = { 1, 2 };
    const double e = exp(1), two = log(e + e * e) - 1, three = log(1 + e + e * e) - 2;
    t *m = t_new(1);
    double loss, metrics[2];

    if (t_accumulate(m, 2, x, y, &loss))
        return 1;
    near("cross_entropy", loss, (two + three) / 2);
    size_t count;
    const nn_tensor *w = t_tensors(m, &count);
    const double *grad = w[0].grad, c = 1 + e + e * e;
    near("its gradient", grad[0], (e / (e + e * e) - 1 + 1 / c) / 2);
    near("its gradient", grad[1], e / c / 2);
    near("its gradient", grad[2], (e * e / (e + e * e) + e * e / c - 1) / 2);
    if (t_eval(m, 2, x, y, &loss, metrics))
        return 1;
    near("nll", metrics[1], -1);
    if (t_eval(m, 2, other, first, &loss, metrics))
        return 1;
    near("cross_entropy without a row", metrics[0], three);
    const double none[6] = { -INFINITY, -INFINITY, -INFINITY, 1, INFINITY, -INFINITY };
    double z[6], all[2];
    if (t_infer(m, 2, x, z, all))
        return 1;
    near("logsumexp without one", all[0], log(e + e * e));
    if (t_infer(m, 2, none, z, all))
        return 1;
    if (all[0] != -INFINITY || all[1] != INFINITY)
        failed = printf("logsumexp of infinite rows: %g, %g\n", all[0], all[1]);
    t_free(m);
    return failed != 0;
}
T
for options in -O0 -O2 "-O2 --max-bytes 4000"; do
    # shellcheck disable=SC2086
    "$NETC" --dtype=f64 $options -o "$out/c" "$out/t.net" >"$out/log" 2>&1 &&
        "$CC" -std=c11 -O1 ${SANITIZE:+-fsanitize=address,undefined} -Iruntime -I"$out/c" -o "$out/t" "$out/main.c" "$out/c"/*.c "$B/libnetrt.a" -lz -lm >"$out/log" 2>&1 &&
        "$out/t" >"$out/log" 2>&1
    result $? "losses of what counts alone, compiled with $options"
    rm -rf "$out/c"
done
