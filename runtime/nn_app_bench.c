/* nn_app_bench.c: `bench`, how long a call takes; `check`, every gradient against central differences. */
#include "nn_app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct bench {
    const nn_model *model;
    void *m, **batch, *out[256];
    int n, train;
};

static int call(struct bench *b)
{
    double loss[1];
    if (b->train)
        return b->model->train_step ? b->model->train_step(b->m, b->n, (const void *const *)b->batch, loss)
                                    : b->model->accumulate(b->m, b->n, (const void *const *)b->batch, loss);
    return b->model->infer(b->m, b->n, (const void *const *)b->batch, b->out);
}

static void print_kernels(const struct bench *b)
{
    const nn_graph_info *g = b->train ? &b->model->train_graph : &b->model->infer_graph;
    const nn_kernel_time *t = b->model->profile ? b->model->profile(b->m, b->train) : NULL;
    if (!t) {
        printf("built without -DNN_PROFILE: no time per kernel\n");
        return;
    }
    for (int i = 0; i < g->kernels; i++) {
        double us = t[i].calls ? (double)t[i].nanoseconds / 1000 / (double)t[i].calls : 0;
        printf("%10.2f us  %14.0f macs  %12.0f bytes  %8.2f GFLOP/s  %7.2f GB/s  %s  %s\n", us, g->kernel[i].macs, g->kernel[i].bytes,
               us > 0 ? g->kernel[i].macs * 2e-3 / us : 0, us > 0 ? g->kernel[i].bytes * 1e-3 / us : 0, g->kernel[i].name, g->kernel[i].origin);
    }
}

static int measure(struct bench *b, const struct nn_options *o)
{
    int iterations = o->iterations > 0 ? (int)(o->iterations < 1000000 ? o->iterations : 1000000) : 100;
    double *us = malloc((size_t)iterations * sizeof *us);
    if (!us)
        return nn_app_fail(b->model, 1, "no memory");
    for (int i = -3; i < iterations; i++) {
        double start = nn_app_now();
        int code = call(b);
        if (code) {
            free(us);
            return nn_app_fail(b->model, 1, "%s", b->model->error(b->m));
        }
        if (i >= 0)
            us[i] = (nn_app_now() - start) * 1e6;
    }
    qsort(us, (size_t)iterations, sizeof *us, by_value);
    const nn_graph_info *g = b->train ? &b->model->train_graph : &b->model->infer_graph;
    double gflop = 2e-9 * (double)g->macs * b->n / b->model->batch, median = us[iterations / 2];
    if (o->json)
        printf("{\"model\": \"%s\", \"mode\": \"%s\", \"batch\": %d, \"median_us\": %.3f, \"min_us\": %.3f, \"gflop\": %.6f}\n", b->model->name,
               b->train ? "train" : "infer", b->n, median, us[0], gflop);
    else
        printf("%s %s n = %d: median %.2f us, minimum %.2f us, %.2f GFLOP/s\n", b->model->name, b->train ? "train" : "infer", b->n, median, us[0],
               median > 0 ? gflop / median * 1e6 : 0);
    free(us);
    if (o->kernels)
        print_kernels(b);
    return 0;
}

static size_t output_bytes(const nn_port *p, int n)
{
    size_t bytes = nn_dtype_size(p->dtype);
    for (int i = 0; i < p->rank; i++)
        bytes *= (size_t)(p->shape[i] < 0 ? -p->shape[i] * n : p->shape[i]);
    return bytes;
}

int nn_app_bench(const nn_model *model, const struct nn_options *o)
{
    struct bench b = {.model = model, .n = o->n > 0 ? o->n : model->batch, .train = o->train};
    if (b.train ? !model->accumulate : !model->infer)
        return nn_app_fail(model, 1, "this program does not %s", b.train ? "train" : "infer");
    if (b.n > model->batch || model->outputs > 256)
        return nn_app_fail(model, 2, "--n %d is above the model's capacity of %d", b.n, model->batch);
    b.m = nn_app_create(model, o->seed);
    b.batch = nn_batch_new(model);
    int status = b.m && b.batch ? nn_app_load(model, b.m, o->weights) : 1;
    for (int i = 0; i < model->outputs && !status; i++)
        status = (b.out[i] = malloc(output_bytes(&model->output[i], b.n) + 64)) ? 0 : nn_app_fail(model, 1, "no memory");
    if (!status)
        status = nn_batch_random(model, b.m, b.n, b.batch);
    if (!status)
        status = measure(&b, o);
    for (int i = 0; i < model->outputs; i++)
        free(b.out[i]);
    nn_batch_free(model, b.batch);
    if (b.m)
        model->destroy(b.m);
    return status;
}

/* ---- check ---- */

static int64_t count_of(const nn_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->shape[i];
    return count;
}

/* The loss at the batch, with the random numbers of the first call; gradients are put back to what they were. */
static int loss_at(struct bench *b, double *loss)
{
    size_t count;
    double *g = b->model->gradients(b->m, &count);
    nn_progress before = *b->model->progress(b->m);
    b->model->changed(b->m);
    int code = b->model->accumulate(b->m, b->n, (const void *const *)b->batch, loss);
    memset(g, 0, count * sizeof *g);
    *b->model->progress(b->m) = before;
    return code;
}

static int check_element(struct bench *b, double *p, double *difference)
{
    double x = *p, h = 1e-6 * (fabs(x) > 1 ? fabs(x) : 1), high, low;
    *p = x + h;
    int code = loss_at(b, &high);
    *p = x - h;
    code |= loss_at(b, &low);
    *p = x;
    *difference = (high - low) / (2 * h);
    return code;
}

/* All elements of small tensors, and elements spread over large ones. */
static int check_tensor(struct bench *b, const nn_tensor *t, const double *gradient, double *worst)
{
    int64_t count = count_of(t), step = count / 64 + 1;
    *worst = 0;
    for (int64_t i = 0; i < count; i += step) {
        double numeric;
        if (check_element(b, (double *)t->data + i, &numeric))
            return nn_app_fail(b->model, 1, "%s", b->model->error(b->m));
        double scale = fabs(numeric) + fabs(gradient[i]) + 1e-4, off = fabs(numeric - gradient[i]) / scale;
        *worst = off > *worst || isnan(off) ? off : *worst;
    }
    return 0;
}

static int check_all(struct bench *b)
{
    size_t tensors, count;
    const nn_tensor *t = b->model->tensors(b->m, &tensors);
    double *g = b->model->gradients(b->m, &count), loss;
    double *kept = malloc((count + 1) * sizeof *kept);
    nn_progress before = *b->model->progress(b->m);
    int status = kept ? 0 : nn_app_fail(b->model, 1, "no memory"), bad = 0;
    if (!status && b->model->accumulate(b->m, b->n, (const void *const *)b->batch, &loss))
        status = nn_app_fail(b->model, 1, "%s", b->model->error(b->m));
    if (!status) {
        memcpy(kept, g, count * sizeof *g);
        memset(g, 0, count * sizeof *g);
        *b->model->progress(b->m) = before;
    }
    for (size_t i = 0; i < tensors && !status; i++) {
        double worst;
        if (!t[i].grad)
            continue;
        status = check_tensor(b, &t[i], kept + ((double *)t[i].grad - g), &worst);
        printf("%-40s %s  largest relative difference %.2e\n", t[i].name, worst < 1e-4 ? "ok  " : "WRONG", worst);
        bad += !(worst < 1e-4);
    }
    free(kept);
    return status ? status : bad ? nn_app_fail(b->model, 1, "%d gradients differ from central differences", bad) : 0;
}

int nn_app_check(const nn_model *model, const struct nn_options *o)
{
    struct bench b = {.model = model, .n = model->batch < 4 ? model->batch : 4};
    struct nn_set set = {.model = model};
    if (model->real != NN_F64)
        return nn_app_fail(model, 1, "check needs a program built from --dtype f64");
    if (!model->accumulate)
        return nn_app_fail(model, 1, "this program does not train");
    b.m = nn_app_create(model, o->seed);
    b.batch = nn_batch_new(model);
    int status = b.m && b.batch ? nn_app_load(model, b.m, o->weights) : 1;
    if (!status && (o->in.count || o->windows)) {
        int64_t index[4] = {0, 1, 2, 3};
        status = nn_set_read(&set, model, &o->in, o->windows, 1, o);
        b.n = set.samples < b.n ? (int)set.samples : b.n;
        if (!status)
            nn_set_gather(&set, index, b.n, b.batch);
    } else if (!status) {
        status = nn_batch_random(model, b.m, b.n, b.batch);
    }
    if (!status)
        status = check_all(&b);
    nn_set_free(&set);
    nn_batch_free(model, b.batch);
    if (b.m)
        model->destroy(b.m);
    return status;
}
