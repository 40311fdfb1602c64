/* tests/models/drive.c: drives any model (-DMODEL=NAME_model) by commands on standard input, a line each, and prints what
 * comes out as `name value value ...`.
 *
 *     seed S               a new instance (at first: seed 1)
 *     fill WORD ...        tensors whose names contain a word get values made of their names
 *     set NAME V ...       a parameter, state, input or target gets these values
 *     n N                  how many samples the calls behind it are given (at first: the capacity)
 *     infer  eval  step  accumulate  apply  tensors  grads
 *
 * Inputs and targets that were not set are made of their names and the number of the call, by the hash that
 * tests/reference/drive.py knows too: reals from -1 to 1, integers from 0 to 2. A call that fails prints `error CODE`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netrt.h"

enum { MOST = 256, LONGEST = 1 << 16 };
extern const nn_model MODEL;

static const nn_model *model = &MODEL;
static void *instance, *argument[MOST], *result[MOST];
static char given[MOST];
static int n, calls;

static uint32_t key_of(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static double mix(uint32_t i, uint32_t key)
{
    uint32_t x = (i + 1) * 2654435761u + 40503u * key;
    x = (x ^ x >> 16) * 0x45D9F3Bu;
    x = (x ^ x >> 15) * 0x45D9F3Bu;
    return (x ^ x >> 16) / 4294967296.0;
}

static double get(const void *data, nn_dtype t, int64_t i)
{
    switch (t) {
    case NN_F32: return ((const float *)data)[i];
    case NN_F64: return ((const double *)data)[i];
    case NN_I32: return ((const int32_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

static void put(void *data, nn_dtype t, int64_t i, double v)
{
    switch (t) {
    case NN_F32: ((float *)data)[i] = (float)v; break;
    case NN_F64: ((double *)data)[i] = v; break;
    case NN_I32: ((int32_t *)data)[i] = (int32_t)v; break;
    default: ((uint8_t *)data)[i] = (uint8_t)v; break;
    }
}

static int64_t count_of(int rank, const int64_t *shape, int samples)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i] < 0 ? -shape[i] * samples : shape[i];
    return count;
}

static const nn_port *port(int i)
{
    return i < model->inputs ? &model->input[i] : &model->target[i - model->inputs];
}

static void print(const char *name, const void *data, nn_dtype t, int64_t count)
{
    printf("%s", name);
    for (int64_t i = 0; i < count; i++)
        printf(" %.17g", get(data, t, i));
    printf("\n");
}

/* Arguments of the next call: values from -1 to 1, or 0, 1 and 2. */
static void make_arguments(void)
{
    for (int i = 0; i < model->inputs + model->targets; i++) {
        const nn_port *p = port(i);
        int64_t count = given[i] ? 0 : count_of(p->rank, p->shape, n);
        for (int64_t k = 0; k < count; k++) {
            double v = mix((uint32_t)k, key_of(p->name) + 977u * (uint32_t)calls);
            put(argument[i], p->dtype, k, p->dtype == NN_F32 || p->dtype == NN_F64 ? 2 * v - 1 : floor(3 * v));
        }
    }
    calls++;
}

/* Values made of their names, for tensors whose names contain one of the words; states stay positive. */
static void fill(char *words)
{
    size_t count;
    const nn_tensor *t = model->tensors(instance, &count);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        for (size_t k = 0; k < count; k++) {
            int64_t elements = strstr(t[k].name, word) ? count_of(t[k].rank, t[k].shape, 1) : 0;
            for (int64_t i = 0; i < elements; i++) {
                double v = mix((uint32_t)i, key_of(t[k].name));
                put(t[k].data, t[k].dtype, i, t[k].role == NN_STATE ? 0.5 + v : 2 * v - 1);
            }
        }
    model->changed(instance);
}

static int set_values(void *data, nn_dtype t, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        char *word = strtok(NULL, " ");
        if (!word)
            return 1;
        put(data, t, i, atof(word));
    }
    return 0;
}

static int set(char *line)
{
    size_t count;
    const nn_tensor *t = model->tensors(instance, &count);
    const char *name = strtok(line, " ");
    for (size_t k = 0; k < count; k++)
        if (!strcmp(t[k].name, name)) {
            int bad = set_values(t[k].data, t[k].dtype, count_of(t[k].rank, t[k].shape, 1));
            model->changed(instance);
            return bad;
        }
    for (int i = 0; i < model->inputs + model->targets; i++)
        if (!strcmp(port(i)->name, name)) {
            given[i] = 1;
            return set_values(argument[i], port(i)->dtype, count_of(port(i)->rank, port(i)->shape, n));
        }
    return 1;
}

static void print_tensors(int gradients)
{
    size_t count;
    const nn_tensor *t = model->tensors(instance, &count);
    for (size_t k = 0; k < count; k++)
        if (!gradients || t[k].grad)
            print(t[k].name, gradients ? t[k].grad : t[k].data, t[k].dtype, count_of(t[k].rank, t[k].shape, 1));
}

static int infer(void)
{
    make_arguments();
    int code = model->infer(instance, n, (const void *const *)argument, result);
    for (int i = 0; !code && i < model->outputs; i++) {
        const nn_port *p = &model->output[i];
        print(p->name, result[i], p->dtype, count_of(p->rank, p->shape, n));
    }
    return code;
}

static int eval(void)
{
    double loss[1], metric[MOST];
    make_arguments();
    int code = model->eval(instance, n, (const void *const *)argument, loss, metric);
    if (code)
        return code;
    print("loss", loss, model->real, 1);
    for (int i = 0; i < model->metrics; i++)
        printf("%s %.17g\n", model->metric[i], get(metric, model->real, i));
    return 0;
}

static int learn(int (*call)(void *, int, const void *const *, void *))
{
    double loss[1];
    make_arguments();
    int code = call(instance, n, (const void *const *)argument, loss);
    if (!code)
        print("loss", loss, model->real, 1);
    return code;
}

static int obey(const char *command, char *rest)
{
    if (!strcmp(command, "seed")) {
        model->destroy(instance);
        instance = model->create((uint64_t)atoll(rest));
        return 0;
    }
    if (!strcmp(command, "fill"))
        return fill(rest), 0;
    if (!strcmp(command, "set"))
        return set(rest);
    if (!strcmp(command, "n"))
        return n = atoi(rest), 0;
    if (!strcmp(command, "infer"))
        return infer();
    if (!strcmp(command, "eval"))
        return eval();
    if (!strcmp(command, "step"))
        return learn(model->train_step);
    if (!strcmp(command, "accumulate"))
        return learn(model->accumulate);
    if (!strcmp(command, "apply"))
        return model->apply(instance);
    if (!strcmp(command, "tensors") || !strcmp(command, "grads"))
        return print_tensors(*command == 'g'), 0;
    return 1;
}

int main(void)
{
    static char line[LONGEST];
    if (model->inputs + model->targets > MOST || model->outputs > MOST || model->metrics > MOST)
        return 1;
    instance = model->create(1);
    n = model->batch;
    for (int i = 0; i < model->inputs + model->targets; i++)
        argument[i] = calloc((size_t)count_of(port(i)->rank, port(i)->shape, n) + 1, sizeof(double));
    for (int i = 0; i < model->outputs; i++)
        result[i] = calloc((size_t)count_of(model->output[i].rank, model->output[i].shape, n) + 1, sizeof(double));
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = '\0';
        int code = obey(line, rest);
        if (code > 0)
            return fprintf(stderr, "what is '%s %s'?\n", line, rest), 1;
        if (code)
            printf("error %d %s\n", code, model->error(instance));
    }
    for (int i = 0; i < model->inputs + model->targets; i++)
        free(argument[i]);
    for (int i = 0; i < model->outputs; i++)
        free(result[i]);
    model->destroy(instance);
    return 0;
}
