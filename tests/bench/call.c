/* tests/bench/call.c: how long one kind of call of a generated model takes, and how far its values are from those of the
 * same model in f64. Compiled beside the model's C with -DMODEL=NET_model; -DNN_DOUBLE where that is f64.
 *
 *   call time CALL N RANGE SECONDS      a JSON object: median, minimum and 90th percentile in microseconds, bytes
 *   call write CALL N RANGE FILE        the values of one call to FILE (doubles), the parameters to FILE.safetensors
 *   call compare CALL N RANGE FILE      with those parameters: |written - ours| / |ours|, Euclidean
 *
 * CALL is infer, train (a step), accumulate, or dense (gradients cleared, then accumulate). N is the number of samples,
 * indices are below RANGE. The values are the outputs or the gradients. */
#include <math.h>
#include <netrt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_CALLS = 20, MOST_CALLS = 200000, WARM_UP = 3 };

extern const nn_model MODEL;
static const nn_model *const model = &MODEL;

struct run {
    const char *call;
    int n;
    double range;
    void *m;
    const void *in[16];
    void *out[16];
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", model->name, what);
    exit(1);
}

static void *room(size_t bytes)
{
    void *p = nn_alloc(bytes + 64);
    if (!p)
        fail("no memory");
    return p;
}

static double now_us(void)
{
    struct timespec t;
    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static size_t elements(const nn_port *p, int n)
{
    int64_t count = 1;
    for (int i = 0; i < p->rank; i++)
        count *= p->shape[i] < 0 ? -p->shape[i] * n : p->shape[i];
    return (size_t)count;
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014): a number below 1. */
static double draw(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

/* Reals of mean 0 and variance 1, rounded to float; integers below the range. */
static void *random_values(const nn_port *p, const struct run *r, uint64_t seed)
{
    size_t count = elements(p, r->n);
    void *to = room(count * nn_dtype_size(p->dtype));
    for (size_t i = 0; i < count; i++) {
        double u = draw(&seed), unit = (float)((2 * u - 1) * 1.7320508075688772);
        switch (p->dtype) {
        case NN_F32: ((float *)to)[i] = (float)unit; break;
        case NN_F64: ((double *)to)[i] = unit; break;
        case NN_I32: ((int32_t *)to)[i] = (int32_t)(u * r->range); break;
        case NN_U8: ((uint8_t *)to)[i] = (uint8_t)(u * r->range); break;
        case NN_BOOL: ((uint8_t *)to)[i] = u < 0.5; break;
        }
    }
    return to;
}

static void make(struct run *r)
{
    if (model->inputs + model->targets > 16 || model->outputs > 16)
        fail("too many inputs or outputs");
    r->m = model->create(1);
    if (!r->m)
        fail("no memory");
    for (int i = 0; i < model->inputs + model->targets; i++)
        r->in[i] =
            random_values(i < model->inputs ? &model->input[i] : &model->target[i - model->inputs], r, (uint64_t)i + 1);
    for (int i = 0; i < model->outputs; i++)
        r->out[i] = room(elements(&model->output[i], r->n) * nn_dtype_size(model->output[i].dtype));
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static int once(const struct run *r)
{
    double loss;
    size_t count;
    if (!strcmp(r->call, "infer"))
        return model->infer(r->m, r->n, r->in, r->out);
    if (!strcmp(r->call, "train"))
        return model->train_step(r->m, r->n, r->in, &loss);
    if (!strcmp(r->call, "dense")) {
        void *g = model->gradients(r->m, &count);
        memset(g, 0, count * nn_dtype_size(model->real));
    }
    return model->accumulate(r->m, r->n, r->in, &loss);
}

static void checked(const struct run *r)
{
    if (once(r))
        fail(model->error(r->m));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What has to be read or written at least: inputs, outputs and parameters; gradients once, and in a step parameters and
 * gradients once more. */
static double least_bytes(const struct run *r)
{
    double bytes = 0;
    int train = strcmp(r->call, "infer") != 0;
    for (int i = 0; i < model->inputs + (train ? model->targets : 0); i++) {
        const nn_port *p = i < model->inputs ? &model->input[i] : &model->target[i - model->inputs];
        bytes += (double)(elements(p, r->n) * nn_dtype_size(p->dtype));
    }
    for (int i = 0; !train && i < model->outputs; i++)
        bytes += (double)(elements(&model->output[i], r->n) * nn_dtype_size(model->output[i].dtype));
    double real = (double)nn_dtype_size(model->real);
    size_t gradients = 0;
    if (train)
        (void)model->gradients(r->m, &gradients);
    bytes += (double)model->parameters * real + (double)gradients * real;
    return strcmp(r->call, "train") ? bytes : bytes + 2 * (double)gradients * real;
}

static void report_time(const struct run *r, double seconds)
{
    static double us[MOST_CALLS];
    int calls = 0;
    double started = now_us();
    for (int i = 0; i < WARM_UP || now_us() - started < seconds * 2e5; i++)
        checked(r);
    started = now_us();
    while (calls < MOST_CALLS && (calls < LEAST_CALLS || now_us() - started < seconds * 1e6)) {
        double start = now_us();
        checked(r);
        us[calls++] = now_us() - start;
    }
    qsort(us, (size_t)calls, sizeof *us, by_value);
    printf("{\"median_us\": %.3f, \"min_us\": %.3f, \"p90_us\": %.3f, \"calls\": %d, \"bytes\": %.0f}\n", us[calls / 2],
           us[0], us[calls * 9 / 10], calls, least_bytes(r));
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static double value_at(const void *p, nn_dtype t, size_t i)
{
    return t == NN_F64   ? ((const double *)p)[i]
           : t == NN_F32 ? (double)((const float *)p)[i]
           : t == NN_I32 ? ((const int32_t *)p)[i]
                         : ((const uint8_t *)p)[i];
}

static double *outputs_of(const struct run *r, size_t *count)
{
    *count = 0;
    for (int i = 0; i < model->outputs; i++)
        *count += elements(&model->output[i], r->n);
    double *to = room(*count * sizeof *to);
    size_t at = 0;
    for (int i = 0; i < model->outputs; i++)
        for (size_t k = 0; k < elements(&model->output[i], r->n); k++)
            to[at++] = value_at(r->out[i], model->output[i].dtype, k);
    return to;
}

/* The outputs of infer; else the gradients, with their padding, which is zero. */
static double *values(struct run *r, size_t *count)
{
    int infer = !strcmp(r->call, "infer");
    if (!infer)
        r->call = "dense";
    checked(r);
    if (infer)
        return outputs_of(r, count);
    const void *g = model->gradients(r->m, count);
    double *to = room(*count * sizeof *to);
    for (size_t i = 0; i < *count; i++)
        to[i] = value_at(g, model->real, i);
    return to;
}

static void weights_file(char *to, size_t size, const char *file)
{
    if (snprintf(to, size, "%s.safetensors", file) >= (int)size)
        fail("the file's name is too long");
}

static void write_values(struct run *r, const char *file)
{
    char weights[4096];
    weights_file(weights, sizeof weights, file);
    if (model->save(r->m, weights))
        fail(model->error(r->m));
    size_t count;
    double *v = values(r, &count);
    FILE *f = fopen(file, "wb");
    if (!f || fwrite(v, sizeof *v, count, f) != count || fclose(f))
        fail("the values cannot be written");
}

static void compare_values(struct run *r, const char *file)
{
    char weights[4096];
    weights_file(weights, sizeof weights, file);
    if (model->load(r->m, weights))
        fail(model->error(r->m));
    size_t count;
    double *v = values(r, &count), *w = room(count * sizeof *w), off = 0, all = 0;
    FILE *f = fopen(file, "rb");
    if (!f || fread(w, sizeof *w, count, f) != count || fclose(f))
        fail("the values to compare with cannot be read");
    for (size_t i = 0; i < count; i++) {
        off += (v[i] - w[i]) * (v[i] - w[i]);
        all += v[i] * v[i];
    }
    printf("{\"error\": %.3g}\n", sqrt(off / all));
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: %s time|write|compare CALL N RANGE SECONDS|FILE\n", argv[0]);
        return 2;
    }
    struct run r = { .call = argv[2], .n = atoi(argv[3]), .range = atof(argv[4]) };
    make(&r);
    if (!strcmp(argv[1], "time"))
        report_time(&r, atof(argv[5]));
    else if (!strcmp(argv[1], "write"))
        write_values(&r, argv[5]);
    else
        compare_values(&r, argv[5]);
    return 0;
}
