/* nn_app_use.c: `info`, `eval`, `infer`. */
#include "nn_app.h"

#include <stdlib.h>
#include <string.h>

/* --- info --------------------------------------------------------------------------------------------------------- */

static void print_shape(nn_dtype type, int rank, const int64_t *shape)
{
    printf("%s[", nn_dtype_name(type));
    for (int i = 0; i < rank; i++) {
        if (shape[i] == -1)
            printf("%sN", i ? "," : "");
        else if (shape[i] < 0)
            printf("%s%lld*N", i ? "," : "", (long long)-shape[i]);
        else
            printf("%s%lld", i ? "," : "", (long long)shape[i]);
    }
    printf("]\n");
}

static void print_ports(const char *kind, const nn_port *p, int count)
{
    for (int i = 0; i < count; i++) {
        printf("%-10s %s : ", kind, p[i].name);
        print_shape(p[i].dtype, p[i].rank, p[i].shape);
    }
}

static void print_graph(const char *name, const nn_graph_info *g)
{
    if (g->kernels)
        printf("%-10s %lld multiply-adds, %zu bytes an instance, of these %zu for intermediate values, %d kernels\n",
               name, (long long)g->macs, g->bytes, g->arena, g->kernels);
}

int nn_app_info(const nn_model *model, const struct nn_options *o)
{
    static const char *const roles[] = { "param", "frozen", "state" };
    void *m = nn_app_create(model, 0);
    size_t count = 0;
    if (!m)
        return 1;
    printf("%s: N = %d, %s, %s; library: %s, %s\n", model->name, model->batch, nn_dtype_name(model->real),
           model->build_info ? model->build_info : "lanes unknown", nn_build_info(), o->unpack ? "gz" : "no gz");
    print_ports("input", model->input, model->inputs);
    print_ports("target", model->target, model->targets);
    print_ports("output", model->output, model->outputs);
    for (int i = 0; i < model->metrics; i++)
        printf("metric     %s\n", model->metric[i]);
    const nn_tensor *t = model->tensors(m, &count);
    for (size_t i = 0; i < count; i++) {
        printf("%-10s %s : ", roles[t[i].role], t[i].name);
        print_shape(t[i].dtype, t[i].rank, t[i].shape);
    }
    printf("parameters %lld\n", (long long)model->parameters);
    print_graph("infer", &model->infer_graph);
    print_graph("train", &model->train_graph);
    model->destroy(m);
    return 0;
}

/* --- eval --------------------------------------------------------------------------------------------------------- */

static int eval_set(struct nn_set *s, void *m, double *metrics)
{
    double loss;
    if (!metrics)
        return nn_app_fail(s->model, 1, "no memory");
    if (nn_app_evaluate(s, m, &loss, metrics))
        return 1;
    printf("samples %lld\nloss %.6f\n", (long long)s->samples, loss);
    for (int i = 0; i < s->model->metrics; i++)
        printf("%s %.6f\n", s->model->metric[i], metrics[i]);
    return 0;
}

int nn_app_eval(const nn_model *model, const struct nn_options *o)
{
    struct nn_set set;
    struct nn_source from = { &o->in, o->windows, "in", 1, o->skip_lines, o->unpack, NULL, o->weights, o->quiet };
    if (!model->eval)
        return nn_app_fail(model, 1, "this model has no loss to evaluate, or was compiled with --mode infer");
    int status = nn_app_needs_weights(model, "eval", o);
    if (status)
        return status;
    if (!(from.words = nn_app_words_new(model, o->weights)))
        return 1;
    status = nn_set_read(&set, model, &from);
    void *m = status ? NULL : nn_app_create(model, 0);
    double *metrics = calloc((size_t)model->metrics + 1, sizeof *metrics);
    if (!status)
        status = !m || nn_app_load(model, m, o->weights) ? 1 : eval_set(&set, m, metrics);
    free(metrics);
    if (m)
        model->destroy(m);
    nn_set_free(&set);
    nn_app_words_free(model, from.words);
    return status;
}

/* --- infer -------------------------------------------------------------------------------------------------------- */

/* The values of one output for all samples. An output without N, or with N twice, is what the one call gives; where there
 * are more calls, one without N has to be the same in all of them. */
struct collected {
    const nn_port *port;
    int wanted;
    unsigned char *data; /* a row a sample; NULL: as it lies in the last batch */
    unsigned char *same; /* what the first of several calls gave; else NULL */
    size_t sample_size;
};

struct inference {
    const nn_model *model;
    struct nn_set set;
    void *m, **batch, **out;
    int64_t *index;
    struct collected *all;
};

static int output_by_name(const nn_model *model, const struct nn_binding *b)
{
    for (int i = 0; i < model->outputs; i++)
        if (strlen(model->output[i].name) == (size_t)b->name_size &&
            !strncmp(model->output[i].name, b->name, (size_t)b->name_size))
            return i;
    return -1;
}

static int check_outputs(const nn_model *model, const struct nn_bindings *out)
{
    char text[512] = "", known[NN_APP_NAMES];
    struct nn_message message = { text, sizeof text };
    if (!model->outputs)
        return nn_app_fail(model, 1, "this model has no outputs: there is nothing to infer");
    if (!out->count)
        return nn_app_fail(model, 2, "infer: --out NAME=FILE is missing");
    for (int i = 0; i < out->count; i++) {
        if (output_by_name(model, &out->of[i]) < 0)
            return nn_app_fail(model, 2, "no output is called '%.*s'; there are %s", out->of[i].name_size,
                               out->of[i].name, nn_app_names(known, model, nn_app_output, model->outputs));
        if (nn_array_name(out->of[i].file, &message))
            return nn_app_fail(model, 2, "%s", text);
    }
    return 0;
}

static int depends_on_n(const nn_port *p)
{
    for (int i = 0; i < p->rank; i++)
        if (p->shape[i] < 0)
            return 1;
    return 0;
}

static int for_one_call(const nn_model *model, const nn_port *p, const char *why)
{
    return nn_app_fail(model, 1, "output '%s' %s: up to %d samples can be given", p->name, why, model->batch);
}

static int make_output(const struct inference *f, struct collected *c)
{
    const nn_model *model = f->model;
    int64_t each = nn_port_each(c->port);
    int several = f->set.samples > model->batch;
    c->sample_size = (size_t)each * nn_dtype_size(c->port->dtype);
    if (!each && several && depends_on_n(c->port))
        return for_one_call(model, c->port, "has no row for each sample");
    if (each)
        c->data = malloc(c->sample_size * (size_t)f->set.samples);
    else if (several)
        c->same = malloc(nn_port_bytes(c->port, 1));
    return c->data || c->same || (!each && !several)
               ? 0
               : nn_app_fail(model, 1, "no memory for output '%s'", c->port->name);
}

/* For the outputs that are wanted; out: their names are known. */
static int make_room(struct inference *f, const struct nn_bindings *out)
{
    const nn_model *model = f->model;
    int status = 0;
    f->batch = nn_batch_new(model);
    f->out = nn_outputs_new(model);
    f->index = malloc((size_t)model->batch * sizeof *f->index);
    f->all = calloc((size_t)model->outputs + 1, sizeof *f->all);
    if (!f->batch || !f->out || !f->index || !f->all)
        return nn_app_fail(model, 1, "no memory");
    for (int i = 0; i < out->count; i++)
        f->all[output_by_name(model, &out->of[i])].wanted = 1;
    for (int i = 0; i < model->outputs && !status; i++) {
        f->all[i].port = &model->output[i];
        status = f->all[i].wanted ? make_output(f, &f->all[i]) : 0;
    }
    return status;
}

/* What a call from sample `at` on gave. */
static int collect(const struct inference *f, struct collected *c, const void *out, int64_t at, int n)
{
    size_t bytes = nn_port_bytes(c->port, 1);
    if (c->data)
        memcpy(c->data + (size_t)at * c->sample_size, out, (size_t)n * c->sample_size);
    if (c->same && !at)
        memcpy(c->same, out, bytes);
    return c->same && memcmp(c->same, out, bytes) ? for_one_call(f->model, c->port, "is of all samples of a call") : 0;
}

static int infer_all(struct inference *f)
{
    const nn_model *model = f->model;
    int status = 0;
    for (int64_t at = 0; at < f->set.samples && !status; at += model->batch) {
        int n = f->set.samples - at < model->batch ? (int)(f->set.samples - at) : model->batch;
        for (int i = 0; i < n; i++)
            f->index[i] = nn_set_place(&f->set, at + i);
        nn_set_gather(&f->set, f->index, n, f->batch);
        int code = model->infer(f->m, n, (const void *const *)f->batch, f->out);
        if (code)
            return nn_app_call_failed(&f->set, f->m, code, f->index, n, f->batch);
        for (int i = 0; i < model->outputs && !status; i++)
            status = collect(f, &f->all[i], f->out[i], at, n);
    }
    return status;
}

/* The words of the label that an output's numbers are of; NULL: it has none. */
static const struct nn_words *words_of(const nn_model *model, const nn_port *output, const struct nn_words *words)
{
    for (int i = 0; output->labels && i < model->targets; i++)
        if (!strcmp(model->target[i].name, output->labels))
            return &words[model->inputs + i];
    return NULL;
}

static int write_outputs(const struct inference *f, const struct nn_bindings *out, const struct nn_words *words)
{
    char text[512] = "";
    struct nn_message message = { text, sizeof text };
    for (int i = 0; i < out->count; i++) {
        int which = output_by_name(f->model, &out->of[i]);
        const struct collected *c = &f->all[which];
        int64_t shape[NN_ARRAY_RANK];
        for (int d = 0; d < c->port->rank && d < NN_ARRAY_RANK; d++)
            shape[d] = c->port->shape[d] < 0 ? -c->port->shape[d] * f->set.samples : c->port->shape[d];
        int64_t rows = c->data ? f->set.samples : c->port->rank ? shape[0] : 1;
        if (nn_array_write(out->of[i].file, c->port->dtype, c->port->rank, shape, rows,
                           c->data ? c->data : f->out[which], words_of(f->model, c->port, words), &message))
            return nn_app_fail(f->model, 1, "%s", text);
    }
    return 0;
}

static void inference_free(struct inference *f)
{
    for (int i = 0; f->all && i < f->model->outputs; i++) {
        free(f->all[i].data);
        free(f->all[i].same);
    }
    free(f->all);
    free(f->index);
    nn_outputs_free(f->model, f->out);
    nn_batch_free(f->model, f->batch);
    nn_set_free(&f->set);
    if (f->m)
        f->model->destroy(f->m);
}

int nn_app_infer(const nn_model *model, const struct nn_options *o)
{
    struct inference f = { .model = model, .set = { .model = model } };
    struct nn_source from = { &o->in, o->windows, "in", 0, o->skip_lines, o->unpack, NULL, o->weights, o->quiet };
    if (!model->infer)
        return nn_app_fail(model, 1, "this model has no outputs, or was compiled with --mode train");
    int status = model->outputs ? nn_app_needs_weights(model, "infer", o) : 0;
    status = status ? status : check_outputs(model, &o->out);
    if (!status && !(from.words = nn_app_words_new(model, o->weights)))
        status = 1;
    status = status ? status : nn_set_read(&f.set, model, &from);
    if (!status && !(f.m = nn_app_create(model, 0)))
        status = 1;
    status = status ? status : nn_app_load(model, f.m, o->weights);
    status = status ? status : make_room(&f, &o->out);
    status = status ? status : infer_all(&f);
    status = status ? status : write_outputs(&f, &o->out, from.words);
    inference_free(&f);
    nn_app_words_free(model, from.words);
    return status;
}
