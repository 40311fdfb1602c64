/* nn_app.c: the generated program: which command is asked for, and what commands share. */
#define _POSIX_C_SOURCE 200809L

#include "nn_app.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void *nn_app_create(const nn_model *model, uint64_t seed)
{
    void *m = model->create(seed);
    if (!m)
        nn_app_fail(model, 1, "no memory for the model");
    return m;
}

int nn_app_load(const nn_model *model, void *m, const char *weights)
{
    return weights && model->load(m, weights) ? nn_app_fail(model, 1, "%s", model->error(m)) : 0;
}

int nn_app_needs_weights(const nn_model *model, const char *command, const struct nn_options *o)
{
    size_t tensors = 0;
    void *m = o->weights ? NULL : nn_app_create(model, 0);
    if (o->weights)
        return 0;
    if (!m)
        return 1;
    model->tensors(m, &tensors);
    model->destroy(m);
    return tensors ? nn_app_fail(model, 2, "%s: --weights FILE is missing", command) : 0;
}

double nn_app_real(const nn_model *model, const void *reals, int i)
{
    return model->real == NN_F64 ? ((const double *)reals)[i] : (double)((const float *)reals)[i];
}

double nn_app_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One batch from sample `at` on; its weighted part of the means. */
static int evaluate_batch(const struct nn_set *s, void *m, int64_t at, int64_t *index, void **batch, double *room,
                          double *loss, double *metrics)
{
    const nn_model *model = s->model;
    int n = s->samples - at < model->batch ? (int)(s->samples - at) : model->batch;
    double part = (double)n / (double)s->samples;
    for (int i = 0; i < n; i++)
        index[i] = nn_set_place(s, at + i);
    nn_set_gather(s, index, n, batch);
    int code = model->eval(m, n, (const void *const *)batch, room, room + 1);
    if (code)
        return nn_app_call_failed(s, m, code, index, n, batch);
    *loss += nn_app_real(model, room, 0) * part;
    for (int k = 0; metrics && k < model->metrics; k++)
        metrics[k] += nn_app_real(model, room + 1, k) * part;
    return 0;
}

int nn_app_evaluate(const struct nn_set *s, void *m, double *loss, double *metrics)
{
    const nn_model *model = s->model;
    void **batch = nn_batch_new(model);
    int64_t *index = malloc((size_t)model->batch * sizeof *index);
    double *room = calloc((size_t)model->metrics + 2, sizeof *room);
    int status = batch && index && room ? 0 : nn_app_fail(model, 1, "no memory");
    *loss = 0;
    for (int k = 0; metrics && k < model->metrics; k++)
        metrics[k] = 0;
    for (int64_t at = 0; at < s->samples && !status; at += model->batch)
        status = evaluate_batch(s, m, at, index, batch, room, loss, metrics);
    free(room);
    free(index);
    nn_batch_free(model, batch);
    return status;
}

static int run_command(const nn_model *model, const char *command, const struct nn_options *o)
{
    static const struct {
        const char *name;
        int (*run)(const nn_model *, const struct nn_options *);
    } commands[] = { { "info", nn_app_info },   { "train", nn_app_train }, { "eval", nn_app_eval },
                     { "infer", nn_app_infer }, { "bench", nn_app_bench }, { "check", nn_app_check } };
    size_t i = 0;
    while (strcmp(commands[i].name, command))
        i++; /* nn_options_read knows no others */
    return commands[i].run(model, o);
}

int nn_app_run(const nn_model *model, nn_unpack *unpack, int argc, char **argv)
{
    struct nn_options o;
    if (argc < 2) {
        nn_options_help(model, NULL, stderr);
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        nn_options_help(model, NULL, stdout);
        return 0;
    }
    int status = nn_options_read(model, argv[1], argc - 1, argv + 1, &o);
    if (status)
        return status;
    if (o.help) {
        nn_options_help(model, argv[1], stdout);
        return 0;
    }
    o.unpack = unpack;
    status = nn_app_paths_check(model, argv[1], &o);
    status = status ? status : run_command(model, argv[1], &o);
    if (fflush(stdout) || ferror(stdout))
        return nn_app_fail(model, 1, "standard output cannot be written");
    return status;
}

int nn_app_main_plain(const nn_model *model, int argc, char **argv)
{
    return nn_app_run(model, NULL, argc, argv);
}
