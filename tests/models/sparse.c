/* tests/models/sparse.c: the layers of sparse.net beside dense matrices; what NET_evolve does to their entries; files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparse.h"

enum { N = 8, IN = 12, HIDDEN = 20, PARTS = 4, PART = 5, SECOND = 6, CLASSES = 3, MOST = 64 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), 1;                                  \
    } while (0)

static const nn_tensor *find(sparse *m, const char *layer, const char *name)
{
    size_t count;
    const nn_tensor *t = sparse_tensors(m, &count);
    char path[64];
    snprintf(path, sizeof path, "%s.%s", layer, name);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(t[i].name, path))
            return &t[i];
    fprintf(stderr, "no tensor %s\n", path);
    exit(1);
}

/* A layer's entries, copied. */
struct entries {
    int64_t count;
    REAL value[MOST];
    int32_t row[MOST], column[MOST];
};

static struct entries entries_of(sparse *m, const char *layer)
{
    struct entries e = { .count = find(m, layer, "weight_values")->shape[0] };
    memcpy(e.value, find(m, layer, "weight_values")->data, (size_t)e.count * sizeof(REAL));
    memcpy(e.row, find(m, layer, "weight_rows")->data, (size_t)e.count * sizeof(int32_t));
    memcpy(e.column, find(m, layer, "weight_columns")->data, (size_t)e.count * sizeof(int32_t));
    return e;
}

static int well_formed(const struct entries *e, int out, int in)
{
    for (int64_t i = 0; i < e->count; i++) {
        CHECK(e->row[i] >= 0 && e->row[i] < out && e->column[i] >= 0 && e->column[i] < in);
        CHECK(i == 0 || e->row[i - 1] * in + e->column[i - 1] < e->row[i] * in + e->column[i]);
    }
    return 0;
}

static double draw(unsigned *state)
{
    return (*state = *state * 1664525u + 1013904223u) / 2147483648.0 - 1;
}

static void make_batch(unsigned seed, REAL *x, int32_t *label)
{
    for (int i = 0; i < N * IN; i++)
        x[i] = (REAL)draw(&seed);
    for (int i = 0; i < N; i++)
        label[i] = (int32_t)((draw(&seed) + 1) * 1.4999);
}

/* y [out] += W x by the dense matrix. */
static void dense(const struct entries *e, int out, int in, const double *x, double *y)
{
    double *w = calloc((size_t)(out * in), sizeof *w);
    for (int64_t i = 0; i < e->count; i++)
        w[e->row[i] * in + e->column[i]] += (double)e->value[i];
    for (int r = 0; r < out; r++)
        for (int c = 0; c < in; c++)
            y[r] += w[r * in + c] * x[c];
    free(w);
}

static int values(sparse *m, int n)
{
    REAL x[N * IN], y[N * CLASSES];
    int32_t label[N];
    struct entries first = entries_of(m, "sparse_linear_1"), second = entries_of(m, "sparse_linear_2");
    const REAL *bias = find(m, "sparse_linear_1", "bias")->data, *w = find(m, "linear_1", "weight")->data,
               *b = find(m, "linear_1", "bias")->data;
    make_batch((unsigned)n, x, label);
    CHECK(!sparse_infer(m, n, x, y));
    for (int s = 0; s < n; s++) {
        double in[IN], h[HIDDEN], q[PARTS * SECOND] = { 0 };
        for (int i = 0; i < IN; i++)
            in[i] = (double)x[s * IN + i];
        for (int i = 0; i < HIDDEN; i++)
            h[i] = (double)bias[i];
        dense(&first, HIDDEN, IN, in, h);
        for (int i = 0; i < HIDDEN; i++)
            h[i] = tanh(h[i]);
        for (int p = 0; p < PARTS; p++)
            dense(&second, SECOND, PART, h + p * PART, q + p * SECOND);
        for (int k = 0; k < CLASSES; k++) {
            double want = (double)b[k];
            for (int i = 0; i < PARTS * SECOND; i++)
                want += (double)w[k * PARTS * SECOND + i] * q[i];
            CHECK(fabs((double)y[s * CLASSES + k] - want) <= TOLERANCE);
        }
    }
    return 0;
}

static int steps(sparse *m, int from, int to)
{
    REAL x[N * IN], loss;
    int32_t label[N];
    for (int i = from; i < to; i++) {
        make_batch(100 + (unsigned)i, x, label);
        CHECK(!sparse_train_step(m, N, x, label, &loss));
    }
    return 0;
}

/* What went is what lay nearest to zero on its side, as many as the fraction says; all else is where it was. */
static int compare(const struct entries *was, const struct entries *is, int in, double zeta, int limit)
{
    int sides[2] = { 0, 0 }, gone[2] = { 0, 0 };
    double nearest_kept[2] = { INFINITY, INFINITY }, farthest_gone[2] = { 0, 0 };
    int kept = 0;
    for (int64_t i = 0; i < was->count; i++) {
        int side = was->value[i] < 0, there = 0;
        double size = fabs((double)was->value[i]);
        for (int64_t k = 0; k < is->count; k++)
            there |=
                is->row[k] * in + is->column[k] == was->row[i] * in + was->column[i] && is->value[k] == was->value[i];
        sides[side]++;
        gone[side] += !there;
        kept += there;
        if (there)
            nearest_kept[side] = fmin(nearest_kept[side], size);
        else
            farthest_gone[side] = fmax(farthest_gone[side], size);
    }
    for (int side = 0; side < 2; side++) {
        CHECK(gone[side] == (int)(zeta * sides[side]));
        CHECK(gone[side] == 0 || farthest_gone[side] <= nearest_kept[side]);
    }
    CHECK(kept < was->count);
    for (int64_t k = 0; k < is->count; k++)
        CHECK(fabs((double)is->value[k]) < limit);
    return 0;
}

/* What the optimizer keeps for the first layer's values, as a checkpoint holds it. */
static int optimizer_state(const sparse *m, REAL *first, REAL *second)
{
    static const int64_t shape[] = { 64 };
    const nn_dtype real = sizeof(REAL) == 8 ? NN_F64 : NN_F32;
    const nn_tensor t[] = {
        { "adam.m/sparse_linear_1.weight_values", real, NN_STATE, 1, shape, first, NULL },
        { "adam.v/sparse_linear_1.weight_values", real, NN_STATE, 1, shape, second, NULL },
    };
    CHECK(!sparse_checkpoint(m, FOLDER "/state") && !nn_tensors_load(FOLDER "/state", t, 2, NULL, 0));
    return 0;
}

/* It goes with the entries that stay; that of new ones is 0. */
static int state_follows(const struct entries *was, const REAL *before, const struct entries *is, const REAL *after)
{
    int moved = 0;
    for (int64_t k = 0; k < is->count; k++) {
        REAL want = 0;
        for (int64_t i = 0; i < was->count; i++)
            if (is->row[k] == was->row[i] && is->column[k] == was->column[i] && is->value[k] == was->value[i])
                want = before[i];
        CHECK(after[k] == want);
        moved += want != 0;
    }
    CHECK(moved > 0 && moved < is->count);
    return 0;
}

static int evolution(sparse *m)
{
    REAL before[2][MOST], then[2][MOST];
    CHECK(!steps(m, 50, 53));
    for (int round = 0; round < 20; round++) {
        struct entries first = entries_of(m, "sparse_linear_1"), second = entries_of(m, "sparse_linear_2");
        CHECK(!optimizer_state(m, before[0], before[1]));
        CHECK(!sparse_evolve(m));
        CHECK(!optimizer_state(m, then[0], then[1]));
        struct entries after = entries_of(m, "sparse_linear_1"), other = entries_of(m, "sparse_linear_2");
        CHECK(!well_formed(&after, HIDDEN, IN) && !well_formed(&other, SECOND, PART));
        CHECK(!compare(&first, &after, IN, 0.3, 100) && !compare(&second, &other, PART, 0.5, 100));
        for (int k = 0; k < 2; k++)
            CHECK(!state_follows(&first, before[k], &after, then[k]));
        CHECK(!values(m, 5));
        CHECK(!steps(m, round, round + 1));
    }
    return 0;
}

static int same_file(const char *a, const char *b)
{
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    int x, y;
    CHECK(f && g);
    do {
        x = getc(f);
        y = getc(g);
    } while (x == y && x != EOF);
    fclose(f);
    fclose(g);
    return x != y;
}

/* Stopped and resumed, the same bytes; what evolves between two checkpoints is drawn from what they hold. */
static int resumption(void)
{
    sparse *a = sparse_new(5), *b = sparse_new(6);
    CHECK(a && b);
    CHECK(!steps(a, 0, 3) && !sparse_evolve(a) && !steps(a, 3, 5) && !sparse_checkpoint(a, FOLDER "/half"));
    CHECK(!steps(a, 5, 8) && !sparse_evolve(a) && !steps(a, 8, 9) && !sparse_checkpoint(a, FOLDER "/a"));
    CHECK(!sparse_resume(b, FOLDER "/half"));
    CHECK(!steps(b, 5, 8) && !sparse_evolve(b) && !steps(b, 8, 9) && !sparse_checkpoint(b, FOLDER "/b"));
    CHECK(!same_file(FOLDER "/a", FOLDER "/b"));
    CHECK(!sparse_load(a, FOLDER "/half") && !sparse_save(a, FOLDER "/a") && !sparse_load(b, FOLDER "/a"));
    CHECK(!sparse_save(b, FOLDER "/b") && !same_file(FOLDER "/a", FOLDER "/b"));
    sparse_free(a);
    sparse_free(b);
    return 0;
}

/* A file with a place that no matrix has, or has twice, is refused, and changes nothing. */
static int refused(const char *name, int at, int32_t to)
{
    sparse *a = sparse_new(7), *b = sparse_new(8);
    CHECK(a && b && !sparse_save(b, FOLDER "/before"));
    ((int32_t *)find(a, "sparse_linear_1", name)->data)[at] = to;
    CHECK(!sparse_save(a, FOLDER "/wrong") && !sparse_checkpoint(a, FOLDER "/wrong2"));
    CHECK(sparse_load(b, FOLDER "/wrong") == NN_EMISMATCH && strstr(sparse_error(b), name));
    CHECK(sparse_resume(b, FOLDER "/wrong2") == NN_EMISMATCH);
    CHECK(!sparse_save(b, FOLDER "/after") && !same_file(FOLDER "/before", FOLDER "/after"));
    sparse_free(a);
    sparse_free(b);
    return 0;
}

static int order(void)
{
    REAL x[N * IN], loss;
    int32_t label[N];
    sparse *m = sparse_new(1);
    make_batch(1, x, label);
    CHECK(m && !sparse_accumulate(m, N, x, label, &loss));
    CHECK(sparse_evolve(m) == NN_ESTATE && !sparse_apply(m) && !sparse_evolve(m));
    CHECK(sparse_evolve(NULL) == NN_ENULL && sparse_model.evolve && !sparse_model.evolve(m));
    sparse_free(m);
    return 0;
}

/* Over many seeds each place is taken about as often as every other. */
static int distribution(void)
{
    enum { SEEDS = 4000 };
    int taken[HIDDEN * IN] = { 0 };
    double square = 0, p = 64.0 / (HIDDEN * IN);
    for (int seed = 0; seed < SEEDS; seed++) {
        sparse *m = sparse_new((uint64_t)seed);
        struct entries e = entries_of(m, "sparse_linear_1");
        CHECK(!well_formed(&e, HIDDEN, IN));
        for (int64_t i = 0; i < e.count; i++)
            taken[e.row[i] * IN + e.column[i]]++;
        sparse_free(m);
    }
    for (int i = 0; i < HIDDEN * IN; i++)
        square += (taken[i] - SEEDS * p) * (taken[i] - SEEDS * p) / (SEEDS * p * (1 - p));
    CHECK(fabs(square - HIDDEN * IN) <= 5 * sqrt(2.0 * HIDDEN * IN));
    return 0;
}

int main(void)
{
    sparse *m = sparse_new(3);
    CHECK(m);
    for (int n = 1; n <= N; n++)
        CHECK(!values(m, n));
    CHECK(!evolution(m) && !resumption() && !order() && !distribution());
    CHECK(!refused("weight_rows", 63, HIDDEN) && !refused("weight_columns", 5, IN) &&
          !refused("weight_columns", 5, -1));
    CHECK(!refused("weight_rows", 0, HIDDEN - 1));
    sparse_free(m);
    return 0;
}
