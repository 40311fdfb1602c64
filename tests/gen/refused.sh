#!/bin/bash
# A call that ends over an index leaves the model as it was, also where the index is computed, and found out behind what would
# have written: states, running statistics, gradients.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/t.net" <<'T'
net t {
    batch N = 4;
    input x : f32[N, 3];
    param table : f32[5, 3] = ones;
    state total : f32[3] = zeros;
    update total = total + mean(x, 0);
    h = x |> linear(8) |> batchnorm |> relu;
    i = i32(sum(h, 1) * 0 + squeeze(slice(x, 1, 0, 1), 1));
    y = x * gather(table, i);
    output y;
    loss sum(square(y)) + sum(square(h));
    optimizer sgd(lr = 0.1, momentum = 0.9);
}
T
cat >"$out/main.c" <<'T'
#include "t.h"
#include <netrt.h>
#include <stdio.h>
#include <string.h>

static unsigned long sum(unsigned long h, const void *bytes, size_t count)
{
    for (size_t i = 0; bytes && i < count; i++)
        h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    return h;
}

/* Of all tensors and gradients. */
static unsigned long all(t *m)
{
    size_t count;
    const nn_tensor *x = t_tensors(m, &count);
    unsigned long h = 1469598103934665603u;

    for (size_t i = 0; i < count; i++) {
        size_t bytes = sizeof(float);
        for (int k = 0; k < x[i].rank; k++)
            bytes *= (size_t)x[i].shape[k];
        h = sum(sum(h, x[i].data, bytes), x[i].grad, bytes);
    }
    return h;
}

int main(void)
{
    const float good[12] = { 0, 1, 2, 1, 1, 1, 4, 2, 2, 3, 0, 1 }, bad[12] = { 0, 1, 2, 5, 1, 1, 4, 2, 2, 3, 0, 1 };
    t *m = t_new(1);
    float loss;
    unsigned long before = all(m), after;

    if (t_train_step(m, 4, good, &loss) || t_accumulate(m, 4, good, &loss))
        return printf("%s\n", t_error(m)), 1;
    after = all(m);
    if (before == after)
        return puts("nothing was trained"), 1;
    if (t_accumulate(m, 4, bad, &loss) != NN_EINDEX || all(m) != after)
        return puts("accumulate changed the model"), 1;
    if (t_train_step(m, 4, bad, &loss) != NN_EINDEX || all(m) != after)
        return puts("train_step changed the model"), 1;
    puts(t_error(m));
    t_free(m);
    return 0;
}
T
for options in -O0 -O1 -O2 "-O2 --disable=schedule" "-O2 --disable=fuse"; do
    # shellcheck disable=SC2086
    "$NETC" $options -o "$out/c" "$out/t.net" >"$out/log" 2>&1 &&
        "$CC" -std=c11 -O1 ${SANITIZE:+-fsanitize=address,undefined} -Iruntime -I"$out/c" -o "$out/t" "$out/main.c" "$out/c"/*.c "$B/libnetrt.a" -lz -lm >"$out/log" 2>&1 &&
        "$out/t" >"$out/log" 2>&1 && grep -q "an index: element 1 is outside 0..4" "$out/log"
    result $? "a computed index out of range, compiled with $options"
    rm -rf "$out/c"
done
