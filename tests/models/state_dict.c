/* tests/models/state_dict.c: loads a PyTorch state dict by name into the model `layers`, and compares outputs, loss,
 * gradients and running statistics with the figures beside it in the same file (tests/reference/state_dict.py).
 *
 *     state_dict FILE TOLERANCE      relative to the largest figure of a tensor; exit status 1 where one is off
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"

static const nn_model *const model = &layers_model;

static _Noreturn void end(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static size_t count_of(int rank, const int64_t *shape)
{
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    return count;
}

/* The tensor called PREFIX.NAME of the file, as `dtype`. */
static void *read_tensor(const char *path, const char *prefix, const char *name, nn_dtype dtype, int rank,
                         const int64_t *shape)
{
    char full[200], error[300];
    snprintf(full, sizeof full, "%s%s%s", prefix, *name ? "." : "", name);
    nn_tensor t = { full, dtype, NN_STATE, rank, shape, calloc(count_of(rank, shape), nn_dtype_size(dtype)), NULL };
    if (!t.data || nn_tensors_load(path, &t, 1, error, sizeof error))
        end(full, t.data ? error : "no memory");
    return t.data;
}

/* A port's shape with the batch put in. */
static const int64_t *port_shape(const nn_port *p, int64_t shape[8])
{
    for (int i = 0; i < p->rank; i++)
        shape[i] = p->shape[i] < 0 ? -p->shape[i] * model->batch : p->shape[i];
    return shape;
}

static double real_at(const void *data, size_t i)
{
    return model->real == NN_F64 ? ((const double *)data)[i] : ((const float *)data)[i];
}

static int off; /* tensors that are */

static void compare(const char *prefix, const char *name, const void *got, const double *expected, size_t count,
                    double tolerance)
{
    double most = 1e-3, worst = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(expected[i]));
    for (size_t i = 0; i < count; i++) {
        double d = fabs(real_at(got, i) - expected[i]) / most;
        worst = d > worst || isnan(d) ? d : worst;
    }
    if (worst <= tolerance)
        return;
    printf("%s %s is off by %.3g of its largest\n", prefix, name, worst);
    off++;
}

static void compare_tensor(const char *path, const char *prefix, const nn_tensor *t, const void *got, double tolerance)
{
    double *expected = read_tensor(path, prefix, t->name, NN_F64, t->rank, t->shape);
    compare(prefix, t->name, got, expected, count_of(t->rank, t->shape), tolerance);
    free(expected);
}

static void check_outputs(void *m, const char *path, const void *const *in, double tolerance)
{
    void *out[64];
    int64_t shape[8];
    for (int i = 0; i < model->outputs; i++)
        out[i] = calloc(count_of(model->output[i].rank, port_shape(&model->output[i], shape)), sizeof(double));
    if (model->infer(m, model->batch, in, out))
        end("infer", model->error(m));
    for (int i = 0; i < model->outputs; i++) {
        const nn_port *p = &model->output[i];
        double *expected = read_tensor(path, "out", p->name, NN_F64, p->rank, port_shape(p, shape));
        compare("out", p->name, out[i], expected, count_of(p->rank, shape), tolerance);
        free(expected);
        free(out[i]);
    }
}

static void check_training(void *m, const char *path, const void *const *in, double tolerance)
{
    static const int64_t one[] = { 1 };
    double loss[1], *expected = read_tensor(path, "loss", "", NN_F64, 1, one);
    size_t count;
    const nn_tensor *t = model->tensors(m, &count);
    if (model->accumulate(m, model->batch, in, loss))
        end("accumulate", model->error(m));
    compare("loss", "", loss, expected, 1, tolerance);
    free(expected);
    for (size_t i = 0; i < count; i++) {
        if (t[i].role == NN_PARAM)
            compare_tensor(path, "grad", &t[i], t[i].grad, tolerance);
        else
            compare_tensor(path, "after", &t[i], t[i].data, tolerance);
    }
}

int main(int argc, char **argv)
{
    const void *in[16];
    void *m = model->create(1);
    if (argc != 3 || !m || model->inputs > 16 || model->outputs > 64)
        return 2;
    if (model->load(m, argv[1]))
        end(argv[1], model->error(m));
    for (int i = 0; i < model->inputs; i++) {
        int64_t shape[8];
        const nn_port *p = &model->input[i];
        in[i] = read_tensor(argv[1], "in", p->name, p->dtype, p->rank, port_shape(p, shape));
    }
    check_outputs(m, argv[1], in, atof(argv[2]));
    check_training(m, argv[1], in, atof(argv[2]));
    for (int i = 0; i < model->inputs; i++)
        free((void *)(uintptr_t)in[i]);
    model->destroy(m);
    return off != 0;
}
