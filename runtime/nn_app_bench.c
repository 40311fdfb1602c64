/* nn_app_bench.c: `bench`, how long a call takes, and which of its kernels take it. */
#include "nn_app.h"

#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 3, LEAST_CALLS = 20, MOST_CALLS = 1000000 };

struct bench {
    const nn_model *model;
    const struct nn_options *o;
    void *m, **batch, **out;
    int n;
    double *us; /* of each call */
    int64_t calls, room;
};

static const nn_graph_info *graph_of(const struct bench *b)
{
    return b->o->train ? &b->model->train_graph : &b->model->infer_graph;
}

static int call(struct bench *b)
{
    double loss;
    const void *const *in = (const void *const *)b->batch;
    if (!b->o->train)
        return b->model->infer(b->m, b->n, in, b->out);
    return b->model->train_step ? b->model->train_step(b->m, b->n, in, &loss)
                                : b->model->accumulate(b->m, b->n, in, &loss);
}

/* As many calls as were asked for, or as take a second. */
static int enough(const struct bench *b, double started)
{
    if (b->o->iterations > 0)
        return b->calls >= b->o->iterations;
    return b->calls >= LEAST_CALLS && nn_app_now() - started > 1;
}

static int timed_call(struct bench *b)
{
    if (b->calls == b->room) {
        int64_t room = b->room ? 2 * b->room : 256;
        double *p = realloc(b->us, (size_t)room * sizeof *p);
        if (!p)
            return NN_EMEMORY;
        b->us = p;
        b->room = room;
    }
    double start = nn_app_now();
    int code = call(b);
    b->us[b->calls++] = (nn_app_now() - start) * 1e6;
    return code;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure(struct bench *b)
{
    int code = 0;
    for (int i = 0; i < WARM_UP && !code; i++)
        code = call(b);
    nn_kernel_time *t = b->model->profile ? b->model->profile(b->m, b->o->train) : NULL;
    if (t)
        memset(t, 0, (size_t)graph_of(b)->kernels * sizeof *t);
    double started = nn_app_now();
    while (!code && b->calls < MOST_CALLS && !enough(b, started))
        code = timed_call(b);
    if (code)
        return nn_app_fail(b->model, 1, "%s", code == NN_EMEMORY ? "no memory" : b->model->error(b->m));
    qsort(b->us, (size_t)b->calls, sizeof *b->us, by_value);
    return 0;
}

/* --- what is printed ---------------------------------------------------------------------------------------------- */

static void print_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : (unsigned char)*text < 0x20 ? "\\u%04x" : "%c", *text);
    putchar('"');
}

static void print_call(const struct bench *b)
{
    const char *mode = b->o->train ? "train" : "infer";
    double median = b->us[b->calls / 2], least = b->us[0];
    double gflop = 2e-9 * (double)graph_of(b)->macs * b->n / b->model->batch;
    if (b->o->json)
        printf("{\"model\": \"%s\", \"mode\": \"%s\", \"batch\": %d, \"calls\": %lld, "
               "\"median_us\": %.3f, \"min_us\": %.3f, "
               "\"gflop\": %.6f, \"gflops\": %.3f",
               b->model->name, mode, b->n, (long long)b->calls, median, least, gflop,
               median > 0 ? gflop / median * 1e6 : 0);
    else
        printf("%s %s n = %d: median %.2f us, minimum %.2f us, %.2f GFLOP/s (%lld calls)\n", b->model->name, mode, b->n,
               median, least, median > 0 ? gflop / median * 1e6 : 0, (long long)b->calls);
}

static double mean_us(const struct bench *b)
{
    double sum = 0;
    for (int64_t i = 0; i < b->calls; i++)
        sum += b->us[i];
    return b->calls ? sum / (double)b->calls : 0;
}

static double kernel_us(const struct bench *b, const nn_kernel_time *t)
{
    return b->calls ? (double)t->nanoseconds / 1e3 / (double)b->calls : 0;
}

/* share: of the mean call, in hundredths. */
static void print_kernel(const struct bench *b, int i, double us, double share)
{
    const nn_kernel_info *k = &graph_of(b)->kernel[i];
    double part = (double)b->n / b->model->batch, macs = k->macs * part, bytes = k->bytes * part;
    double gflops = us > 0 ? 2e-3 * macs / us : 0, rate = us > 0 ? 1e-3 * bytes / us : 0;
    if (!b->o->json) {
        printf("%10.2f us  %5.1f %%  %14.0f macs  %12.0f bytes  %8.2f GFLOP/s  %7.2f GB/s  %s  %s\n", us, share, macs,
               bytes, gflops, rate, k->name, k->origin);
        return;
    }
    printf("%s{\"name\": ", i ? ", " : "");
    print_json_string(k->name);
    printf(", \"origin\": ");
    print_json_string(k->origin);
    printf(", \"us\": %.3f, \"share\": %.4f, \"macs\": %.0f, \"bytes\": %.0f, \"gflops\": %.3f, \"gb_s\": %.3f}", us,
           share / 100, macs, bytes, gflops, rate);
}

/* Time is a kernel's part of the mean call: one that runs at every step of a scan counts with all of them. */
static void print_kernels(const struct bench *b)
{
    const nn_kernel_time *t = b->model->profile(b->m, b->o->train);
    double mean = mean_us(b), all = 0, percent = mean > 0 ? 100 / mean : 0;
    if (b->o->json)
        printf(", \"mean_us\": %.3f, \"kernels\": [", mean);
    for (int i = 0; i < graph_of(b)->kernels; i++) {
        double us = kernel_us(b, &t[i]);
        print_kernel(b, i, us, us * percent);
        all += us;
    }
    if (b->o->json)
        putchar(']');
    else
        printf(
            "%10.2f us  %5.1f %%  of the mean call, %.2f us: all of these are means, and above them stands a median\n",
            all, all * percent, mean);
}

static void report(const struct bench *b)
{
    print_call(b);
    if (b->o->kernels)
        print_kernels(b);
    if (b->o->json)
        printf("}\n");
}

/* Before a second goes by: what is asked for and cannot be had. */
static int check_kernels(const struct bench *b)
{
    if (!b->o->kernels || (b->model->profile && b->model->profile(b->m, b->o->train)))
        return 0;
    return nn_app_fail(b->model, 1, "bench --kernels: the model's C was compiled without -DNN_PROFILE");
}

int nn_app_bench(const nn_model *model, const struct nn_options *o)
{
    struct bench b = { .model = model, .o = o, .n = o->n > 0 ? o->n : model->batch };
    if (o->train ? !model->accumulate : !model->infer)
        return nn_app_fail(model, 1, "this model has no %s, or was compiled with --mode %s",
                           o->train ? "loss" : "outputs", o->train ? "infer" : "train");
    if (b.n > model->batch)
        return nn_app_fail(model, 2, "--n %d is above the model's capacity of %d", b.n, model->batch);
    b.m = nn_app_create(model, o->seed);
    b.batch = nn_batch_new(model);
    b.out = nn_outputs_new(model);
    int status = !b.m ? 1 : b.batch && b.out ? nn_app_load(model, b.m, o->weights) : nn_app_fail(model, 1, "no memory");
    status = status ? status : check_kernels(&b);
    status = status ? status : nn_batch_random(model, b.m, b.n, b.batch);
    status = status ? status : measure(&b);
    if (!status)
        report(&b);
    free(b.us);
    nn_batch_free(model, b.batch);
    nn_outputs_free(model, b.out);
    if (b.m)
        model->destroy(b.m);
    return status;
}
