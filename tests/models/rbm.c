/* tests/models/rbm.c: the gradients of rbm.net are the rule's that its states hold, for each n; draws are fresh at each
 * call and follow the probabilities; with saturated units the chain is the one computed here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rbm.h"

enum { N = 8, V = 6, H = 4 };

static const nn_tensor *find(rbm *m, const char *name)
{
    size_t count;
    const nn_tensor *t = rbm_tensors(m, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(t[i].name, name))
            return &t[i];
    fprintf(stderr, "no tensor %s\n", name);
    return NULL;
}

static int differs(rbm *m, const char *param, const char *state, int count)
{
    const REAL *g = find(m, param)->grad, *want = find(m, state)->data;
    double largest = 0;
    for (int i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)want[i]));
        if (!(fabs((double)(g[i] - want[i])) <= TOLERANCE)) {
            fprintf(stderr, "%s[%d]: %.17g, not %.17g\n", param, i, (double)g[i], (double)want[i]);
            return 1;
        }
    }
    return !(largest > 1e-3); /* zeros would compare equal */
}

static void fill(REAL *v, unsigned seed)
{
    for (int i = 0; i < N * V; i++)
        v[i] = (REAL)((seed = seed * 1664525u + 1013904223u) >> 31);
}

static int gradients(rbm *m, const REAL *v, int n)
{
    REAL cost;
    if (rbm_accumulate(m, n, v, &cost))
        return 1;
    int wrong = differs(m, "machine.weight", "d_weight", H * V) ||
                differs(m, "machine.visible_bias", "d_visible_bias", V) ||
                differs(m, "machine.hidden_bias", "d_hidden_bias", H);
    return wrong || rbm_apply(m);
}

/* Weights and hidden biases zero: each visible unit is drawn with the probability that its bias gives. */
static int distribution(rbm *m, const REAL *v)
{
    static const double bias[V] = { -3, -1, 0, 0.5, 1, 4 };
    enum { CALLS = 2000 };
    REAL drawn[N * V], before[N * V] = { 0 };
    double sum[V] = { 0 };
    int same = 0;
    memset(find(m, "machine.weight")->data, 0, H * V * sizeof(REAL));
    for (int i = 0; i < V; i++)
        ((REAL *)find(m, "machine.visible_bias")->data)[i] = (REAL)bias[i];
    rbm_changed(m);
    for (int k = 0; k < CALLS; k++) {
        if (rbm_infer(m, N, v, drawn))
            return 1;
        for (int i = 0; i < N * V; i++)
            sum[i % V] += (double)drawn[i];
        same += !memcmp(drawn, before, sizeof drawn);
        memcpy(before, drawn, sizeof drawn);
    }
    for (int i = 0; i < V; i++) {
        double p = 1 / (1 + exp(-bias[i])), deviation = sqrt(p * (1 - p) / (N * CALLS));
        if (!(fabs(sum[i] / (N * CALLS) - p) <= 5 * deviation))
            return 1;
    }
    return same > 2; /* 48 draws: two calls hardly ever agree */
}

static int wins(double x)
{
    return x > 0;
}

/* Weights of several hundred: every probability is 0 or 1. */
static int saturated(rbm *m, const REAL *v)
{
    REAL *w = find(m, "machine.weight")->data, *a = find(m, "machine.visible_bias")->data,
         *b = find(m, "machine.hidden_bias")->data, drawn[N * V];
    for (int i = 0; i < H * V; i++)
        w[i] = (REAL)((i * 7 % 11 - 5) * 100);
    for (int i = 0; i < V; i++)
        a[i] = (REAL)(i % 2 ? 30 : -30);
    for (int j = 0; j < H; j++)
        b[j] = (REAL)(j % 2 ? 50 : -50);
    rbm_changed(m);
    if (rbm_infer(m, N, v, drawn))
        return 1;
    for (int s = 0; s < N; s++) {
        double x[V], h[H];
        for (int i = 0; i < V; i++)
            x[i] = (double)v[s * V + i];
        for (int step = 0; step < 3; step++) {
            for (int j = 0; j < H; j++) {
                h[j] = (double)b[j];
                for (int i = 0; i < V; i++)
                    h[j] += (double)w[j * V + i] * x[i];
                h[j] = wins(h[j]);
            }
            for (int i = 0; i < V; i++) {
                x[i] = (double)a[i];
                for (int j = 0; j < H; j++)
                    x[i] += (double)w[j * V + i] * h[j];
                x[i] = wins(x[i]);
            }
        }
        for (int i = 0; i < V; i++)
            if ((double)drawn[s * V + i] != x[i])
                return 1;
    }
    return 0;
}

int main(void)
{
    REAL v[N * V];
    rbm *m = rbm_new(3);
    if (!m)
        return 1;
    for (int n = 1; n <= N; n++) {
        fill(v, (unsigned)n);
        if (gradients(m, v, n))
            return fprintf(stderr, "gradients, n = %d\n", n), 1;
    }
    if (distribution(m, v))
        return fprintf(stderr, "distribution of what is drawn\n"), 1;
    if (saturated(m, v))
        return fprintf(stderr, "chain of saturated units\n"), 1;
    rbm_free(m);
    return 0;
}
