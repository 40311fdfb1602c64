/* tests/fuzz/driver/driver.c: a generated model, called as fuzz calls its graphs; compiled beside the model's C with
 * -DMODEL=NET_model.
 *
 *   driver N STEPS <numbers >results
 *
 * numbers: doubles, for each input and target at n samples, then for each tensor. results: a line each, "LABEL STEP COUNT"
 * and the numbers in hexadecimal. */
#include <netrt.h>
#include <stdio.h>
#include <stdlib.h>

extern const nn_model MODEL;
static const nn_model *const model = &MODEL;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

static void *room(size_t count)
{
    void *p = nn_alloc(8 * count + 64);
    if (!p)
        fail("no memory");
    return p;
}

static double number_at(const void *p, nn_dtype t, size_t i)
{
    switch (t) {
    case NN_F64: return ((const double *)p)[i];
    case NN_F32: return (double)((const float *)p)[i];
    case NN_I32: return ((const int32_t *)p)[i];
    default: return ((const uint8_t *)p)[i];
    }
}

static void set_number(void *p, nn_dtype t, size_t i, double x)
{
    switch (t) {
    case NN_F64: ((double *)p)[i] = x; break;
    case NN_F32: ((float *)p)[i] = (float)x; break;
    case NN_I32: ((int32_t *)p)[i] = (int32_t)x; break;
    default: ((uint8_t *)p)[i] = (uint8_t)x; break;
    }
}

static size_t elements(int rank, const int64_t *shape, int n)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i] < 0 ? -shape[i] * n : shape[i];
    return (size_t)count;
}

static void read_numbers(void *to, nn_dtype t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double x;
        if (fread(&x, sizeof x, 1, stdin) != 1)
            fail("too few numbers");
        set_number(to, t, i, x);
    }
}

/* The line "LABEL", begun already, and the numbers. */
static void show(int step, const void *p, nn_dtype t, size_t count)
{
    printf("\n%d %zu", step, count);
    for (size_t i = 0; i < count; i++)
        printf(" %a", number_at(p, t, i));
    printf("\n");
}

static void check(void *m, int status)
{
    if (status)
        fail(model->error(m));
}

static void show_tensors(void *m, const char *after, int step)
{
    size_t count;
    const nn_tensor *t = model->tensors(m, &count);
    for (size_t i = 0; i < count; i++) {
        if (t[i].role == NN_FROZEN)
            continue;
        printf("@%s after %s", t[i].name, after);
        show(step, t[i].data, t[i].dtype, elements(t[i].rank, t[i].shape, 1));
    }
}

static void one_step(void *m, int n, int step, const void *const *in, void *const *out)
{
    double loss = 0, metrics[64] = { 0 };
    if (model->infer) {
        check(m, model->infer(m, n, in, out));
        for (int i = 0; i < model->outputs; i++) {
            printf("infer output %d", i);
            show(step, out[i], model->output[i].dtype, elements(model->output[i].rank, model->output[i].shape, n));
        }
    }
    if (!model->accumulate)
        return;
    check(m, model->eval(m, n, in, &loss, metrics));
    printf("eval loss");
    show(step, &loss, model->real, 1);
    for (int i = 0; i < model->metrics; i++) {
        printf("eval metric %d", i);
        show(step, (char *)metrics + (size_t)i * nn_dtype_size(model->real), model->real, 1);
    }
    check(m, model->accumulate(m, n, in, &loss));
    printf("train loss");
    show(step, &loss, model->real, 1);
    show_tensors(m, "train", step);
    if (!model->apply)
        return;
    check(m, model->apply(m));
    show_tensors(m, "apply", step);
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[1]) : 0, steps = argc > 2 ? atoi(argv[2]) : 0, ports = model->inputs + model->targets;
    void **in = room((size_t)ports + 1), **out = room((size_t)model->outputs + 1), *m = model->create(7);
    size_t tensors;

    if (!m || model->metrics > 32)
        fail("no such model");
    for (int i = 0; i < ports; i++) {
        const nn_port *p = i < model->inputs ? &model->input[i] : &model->target[i - model->inputs];
        size_t count = elements(p->rank, p->shape, n);
        void *to = room(count);
        read_numbers(to, p->dtype, count);
        in[i] = to;
    }
    for (int i = 0; i < model->outputs; i++)
        out[i] = room(elements(model->output[i].rank, model->output[i].shape, n));
    const nn_tensor *t = model->tensors(m, &tensors);
    for (size_t i = 0; i < tensors; i++)
        read_numbers(t[i].data, t[i].dtype, elements(t[i].rank, t[i].shape, 1));
    model->changed(m);
    for (int step = 0; step < steps; step++)
        one_step(m, n, step, (const void *const *)in, out);
    model->destroy(m);
    for (int i = 0; i < ports; i++)
        nn_free(in[i]);
    for (int i = 0; i < model->outputs; i++)
        nn_free(out[i]);
    nn_free(in);
    nn_free(out);
    return 0;
}
