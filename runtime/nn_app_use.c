/* nn_app_use.c: `info`, `eval`, `infer`. */
#include "nn_app.h"

#include <stdlib.h>
#include <string.h>

static void print_shape(const nn_port *p)
{
    printf("%s[", nn_dtype_name(p->dtype));
    for (int i = 0; i < p->rank; i++) {
        if (p->shape[i] == -1)
            printf("%sN", i ? "," : "");
        else if (p->shape[i] < 0)
            printf("%s%lld*N", i ? "," : "", (long long)-p->shape[i]);
        else
            printf("%s%lld", i ? "," : "", (long long)p->shape[i]);
    }
    printf("]\n");
}

static void print_graph(const char *name, const nn_graph_info *g)
{
    if (g->kernels)
        printf("%-10s %lld multiply-adds, %zu bytes an instance, of these %zu for intermediate values, %d kernels\n", name,
               (long long)g->macs, g->bytes, g->arena, g->kernels);
}

int nn_app_info(const nn_model *model, const struct nn_options *o)
{
    static const char *const roles[] = {"param", "frozen", "state"};
    void *m = nn_app_create(model, 0);
    size_t count = 0;
    (void)o;
    if (!m)
        return 1;
    printf("%s: N = %d, %s; %s\n", model->name, model->batch, nn_dtype_name(model->real), nn_build_info());
    for (int i = 0; i < model->inputs; i++)
        printf("input      %s : ", model->input[i].name), print_shape(&model->input[i]);
    for (int i = 0; i < model->targets; i++)
        printf("target     %s : ", model->target[i].name), print_shape(&model->target[i]);
    for (int i = 0; i < model->outputs; i++)
        printf("output     %s : ", model->output[i].name), print_shape(&model->output[i]);
    for (int i = 0; i < model->metrics; i++)
        printf("metric     %s\n", model->metric[i]);
    const nn_tensor *t = model->tensors(m, &count);
    for (size_t i = 0; i < count; i++) {
        nn_port p = {t[i].name, t[i].dtype, t[i].rank, t[i].shape};
        printf("%-10s %s : ", roles[t[i].role], t[i].name), print_shape(&p);
    }
    printf("parameters %lld\n", (long long)model->parameters);
    print_graph("infer", &model->infer_graph);
    print_graph("train", &model->train_graph);
    model->destroy(m);
    return 0;
}

int nn_app_eval(const nn_model *model, const struct nn_options *o)
{
    struct nn_set set = {.model = model};
    double loss, metrics[256];
    if (!model->eval)
        return nn_app_fail(model, 1, "this model has no loss to evaluate");
    if (!o->weights)
        return nn_app_fail(model, 2, "eval: --weights FILE is missing");
    if (model->metrics > 256)
        return nn_app_fail(model, 1, "more than 256 metrics");
    int status = nn_set_read(&set, model, &o->in, o->windows, 1, o);
    void *m = status ? NULL : nn_app_create(model, 0);
    if (!status && (!m || nn_app_load(model, m, o->weights)))
        status = 1;
    if (!status)
        status = nn_app_evaluate(&set, m, &loss, metrics);
    if (!status) {
        printf("samples %lld\nloss %.6f\n", (long long)set.samples, loss);
        for (int i = 0; i < model->metrics; i++)
            printf("%s %.6f\n", model->metric[i], metrics[i]);
    }
    if (m)
        model->destroy(m);
    nn_set_free(&set);
    return status;
}

/* All samples' values of one output. */
struct collected {
    const nn_port *port;
    const char *file;
    unsigned char *data, *batch;
    size_t sample_size;
};

static const char *out_file(const nn_model *model, const struct nn_bindings *out, const char *name)
{
    (void)model;
    for (int i = 0; i < out->count; i++)
        if ((int)strlen(name) == out->of[i].name_size && !strncmp(name, out->of[i].name, strlen(name)))
            return out->of[i].file;
    return NULL;
}

static int known_outputs(const nn_model *model, const struct nn_bindings *out)
{
    if (!out->count)
        return nn_app_fail(model, 2, "infer: --out NAME=FILE.npy is missing");
    for (int i = 0; i < out->count; i++) {
        int found = 0;
        for (int k = 0; k < model->outputs; k++)
            found |= (int)strlen(model->output[k].name) == out->of[i].name_size &&
                     !strncmp(model->output[k].name, out->of[i].name, strlen(model->output[k].name));
        if (!found)
            return nn_app_fail(model, 2, "no output is called '%.*s'", out->of[i].name_size, out->of[i].name);
    }
    return 0;
}

static size_t elements(const nn_port *p, int n)
{
    size_t count = 1;
    for (int i = 0; i < p->rank; i++)
        count *= (size_t)(p->shape[i] < 0 ? -p->shape[i] * n : p->shape[i]);
    return count;
}

static int make_room(const nn_model *model, struct collected *c, int64_t samples)
{
    int64_t each = nn_port_each(c->port);
    c->batch = malloc(elements(c->port, model->batch) * nn_dtype_size(c->port->dtype) + 64);
    c->sample_size = (size_t)each * nn_dtype_size(c->port->dtype);
    c->data = each ? malloc(c->sample_size * (size_t)samples + 1) : NULL;
    return c->batch && (c->data || !each) ? 0 : nn_app_fail(model, 1, "no memory");
}

static int write_out(const nn_model *model, const struct collected *c, int64_t samples)
{
    char text[512] = "";
    struct nn_message message = {text, sizeof text};
    int64_t shape[NN_ARRAY_RANK];
    for (int i = 0; i < c->port->rank && i < NN_ARRAY_RANK; i++)
        shape[i] = c->port->shape[i] == -1 ? samples : c->port->shape[i];
    if (c->file && nn_npy_write(c->file, c->port->dtype, c->port->rank, shape, c->data ? c->data : c->batch, &message))
        return nn_app_fail(model, 1, "%s", text);
    return 0;
}

static int infer_all(const struct nn_set *s, void *m, struct collected *c, void **batch, int64_t *index)
{
    const nn_model *model = s->model;
    void *out[256];
    for (int i = 0; i < model->outputs; i++)
        out[i] = c[i].batch;
    for (int64_t at = 0; at < s->samples; at += model->batch) {
        int n = s->samples - at < model->batch ? (int)(s->samples - at) : model->batch;
        for (int i = 0; i < n; i++)
            index[i] = s->stream ? (at + i) * s->window : at + i;
        nn_set_gather(s, index, n, batch);
        int code = model->infer(m, n, (const void *const *)batch, out);
        if (code)
            return nn_app_call_failed(s, m, code, index, n, batch);
        for (int i = 0; i < model->outputs; i++)
            if (c[i].data)
                memcpy(c[i].data + (size_t)at * c[i].sample_size, c[i].batch, (size_t)n * c[i].sample_size);
    }
    return 0;
}

int nn_app_infer(const nn_model *model, const struct nn_options *o)
{
    struct nn_set set = {.model = model};
    struct collected c[256] = {{0}};
    if (!model->infer || model->outputs > 256)
        return nn_app_fail(model, 1, "this program was built without inference");
    if (!o->weights)
        return nn_app_fail(model, 2, "infer: --weights FILE is missing");
    int status = known_outputs(model, &o->out);
    if (!status)
        status = nn_set_read(&set, model, &o->in, o->windows, 0, o);
    void *m = status ? NULL : nn_app_create(model, 0), **batch = nn_batch_new(model);
    int64_t *index = malloc((size_t)model->batch * sizeof *index);
    if (!status && (!m || !batch || !index || nn_app_load(model, m, o->weights)))
        status = 1;
    for (int i = 0; i < model->outputs && !status; i++) {
        c[i] = (struct collected){&model->output[i], out_file(model, &o->out, model->output[i].name), NULL, NULL, 0};
        status = make_room(model, &c[i], set.samples);
    }
    if (!status)
        status = infer_all(&set, m, c, batch, index);
    for (int i = 0; i < model->outputs && !status; i++)
        status = write_out(model, &c[i], set.samples);
    for (int i = 0; i < model->outputs; i++) {
        free(c[i].data);
        free(c[i].batch);
    }
    free(index);
    nn_batch_free(model, batch);
    nn_set_free(&set);
    if (m)
        model->destroy(m);
    return status;
}
