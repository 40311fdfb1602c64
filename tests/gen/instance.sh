#!/bin/bash
# An instance's own functions: a path left out is named, gradients never mix with what a file brings, and free leaves
# memory alone that is the caller's.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }
cat >"$out/plain.net" <<'END'
net plain {
    batch N = 4;
    input x : f32[N, 3];
    target y : f32[N, 2];
    z = x |> linear(2);
    output z;
    loss mse(z, y);
    optimizer adam(lr = 0.1);
}
END
cat >"$out/main.c" <<'END'
#include "plain.h"
#include <stdio.h>
#include <string.h>
#define CHECK(x) do { if (!(x)) { printf("line %d: %s: '%s'\n", __LINE__, #x, plain_error(m)); return 1; } } while (0)
static _Alignas(64) char memory[PLAIN_INFER_BYTES];
static const float x[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 2 };

static int placed(void)
{
    float z[8];
    plain *m = plain_place(memory, sizeof memory, 0, 1);
    CHECK(m && !plain_infer(m, 4, x, z));
    plain_free(m);
    CHECK(!plain_infer(m, 4, x, z));
    plain_free(NULL);
    return 0;
}

static int paths(plain *m)
{
    CHECK(strstr(nn_strerror(NN_ESTATE), "only infers") && plain_load(m, "none") == NN_EFILE);
    CHECK(plain_load(m, NULL) == NN_ENULL && !strcmp(plain_error(m), "load: path is a null pointer"));
    CHECK(plain_save(m, NULL) == NN_ENULL && !strcmp(plain_error(m), "save: path is a null pointer"));
    CHECK(plain_save(NULL, "w") == NN_ENULL && plain_load(NULL, "w") == NN_ENULL);
#ifdef TRAINS
    CHECK(plain_checkpoint(m, NULL) == NN_ENULL && !strcmp(plain_error(m), "checkpoint: path is a null pointer"));
    CHECK(plain_resume(m, NULL) == NN_ENULL && !strcmp(plain_error(m), "resume: path is a null pointer"));
    CHECK(plain_checkpoint(NULL, "w") == NN_ENULL && plain_resume(NULL, "w") == NN_ENULL);
#endif
    return 0;
}

#ifdef TRAINS
static int is_clear(plain *m)
{
    size_t count;
    const float *g = plain_gradients(m, &count);
    for (size_t i = 0; i < count; i++)
        if (g[i] != 0)
            return 0;
    return plain_apply(m) == NN_ESTATE;
}

static int gradients(plain *m)
{
    static const float y[8] = { 1, 0, 2, 0, 3, 0, 1, 4 };
    CHECK(!plain_train_step(m, 4, x, y, NULL) && !plain_checkpoint(m, "ck") && !plain_save(m, "w"));
    CHECK(!plain_accumulate(m, 4, x, y, NULL) && plain_checkpoint(m, "ck2") == NN_ESTATE);
    CHECK(!strcmp(plain_error(m), "checkpoint: gradients are accumulated: apply comes first"));
    FILE *f = fopen("ck2", "rb");
    CHECK(!f && plain_load(m, "none") && plain_resume(m, "none") && !plain_apply(m));
    CHECK(!plain_checkpoint(m, "ck2"));
    CHECK(!plain_accumulate(m, 4, x, y, NULL) && !plain_load(m, "w") && is_clear(m));
    CHECK(!plain_accumulate(m, 4, x, y, NULL) && !plain_resume(m, "ck") && is_clear(m));
    CHECK(!plain_checkpoint(m, "ck2"));
    return 0;
}
#endif

int main(void)
{
    plain *m = plain_new(1);
    int status = !m || paths(m) || placed();
#ifdef TRAINS
    status = status || gradients(m);
#endif
    plain_free(m);
    return status;
}
END
for options in "" "--standalone" "--mode=infer"; do
    rm -rf "$out/c"
    "$NETC" $options -o "$out/c" "$out/plain.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -Wall -Wextra -Werror $([[ $options = *infer ]] || echo -DTRAINS) $([[ $options = *alone ]] || echo -Iruntime) \
            -I"$out/c" -fsanitize=address,undefined -o "$out/main" "$out/main.c" "$out"/c/*.c $([[ $options = *alone ]] || echo "$B/libnetrt.a") -lm >"$out/log" 2>&1 &&
        (cd "$out" && rm -f ck ck2 w && ./main) >"$out/log" 2>&1
    result $? "null paths, pending gradients, placed memory: ${options:-as it is}"
done
sed -i '/optimizer/d' "$out/plain.net" # gradients are the caller's: no apply is waited for
cat >"$out/own.c" <<'END'
#include "plain.h"
int main(void)
{
    static const float x[3] = { 1, 2, 3 }, y[2] = { 4, 5 };
    plain *m = plain_new(1);
    int bad = !m || plain_accumulate(m, 1, x, y, NULL) || plain_checkpoint(m, "ck3") || plain_gradients(m, NULL)[0] == 0 ||
              plain_resume(m, "ck3") || plain_gradients(m, NULL)[0] != 0;
    plain_free(m);
    return bad;
}
END
rm -rf "$out/c"
"$NETC" -o "$out/c" "$out/plain.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Wall -Wextra -Werror -Iruntime -I"$out/c" -fsanitize=address,undefined -o "$out/own" "$out/own.c" "$out"/c/*.c "$B/libnetrt.a" -lm >"$out/log" 2>&1 &&
    (cd "$out" && ./own) >"$out/log" 2>&1
result $? "a net without optimizer has checkpoints at any time"
