/* nn_app_data.c: the samples of a generated program: files bound to inputs and targets, batches gathered from them, and
 * their order.
 */
#include "nn_app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const nn_port *nn_app_port(const nn_model *model, int i)
{
    return i < model->inputs ? &model->input[i] : &model->target[i - model->inputs];
}

int64_t nn_port_each(const nn_port *p)
{
    int64_t each = 1;
    if (p->rank < 1 || p->shape[0] != -1)
        return 0;
    for (int i = 1; i < p->rank; i++) {
        if (p->shape[i] < 0)
            return 0;
        each *= p->shape[i];
    }
    return each;
}

static const struct nn_binding *bound(const struct nn_bindings *in, const char *name)
{
    for (int i = 0; i < in->count; i++)
        if ((int)strlen(name) == in->of[i].name_size && !strncmp(in->of[i].name, name, strlen(name)))
            return &in->of[i];
    return NULL;
}

static int known_names(const nn_model *model, const struct nn_bindings *in)
{
    for (int i = 0; i < in->count; i++) {
        int found = 0;
        for (int k = 0; k < model->inputs + model->targets; k++) {
            const char *name = nn_app_port(model, k)->name;
            found |= (int)strlen(name) == in->of[i].name_size && !strncmp(name, in->of[i].name, strlen(name));
        }
        if (!found)
            return nn_app_fail(model, 2, "no input or target is called '%.*s'", in->of[i].name_size, in->of[i].name);
    }
    return 0;
}

static int read_column(struct nn_set *s, int i, const struct nn_binding *b, const struct nn_options *o)
{
    char text[512] = "";
    struct nn_message message = {text, sizeof text};
    struct nn_column *c = &s->column[i];
    struct nn_words words = {NULL, 0};
    struct nn_array a;
    struct nn_data_request request = {b->file, o->skip_lines > 0 ? o->skip_lines : 0,
                                      c->port->dtype != NN_F32 && c->port->dtype != NN_F64, &words};
    void *data = NULL;
    int64_t samples = 0;
    c->file = b->file;
    c->each = nn_port_each(c->port);
    c->sample_size = (size_t)c->each * nn_dtype_size(c->port->dtype);
    if (!c->each)
        return nn_app_fail(s->model, 1, "the samples of '%s' cannot be told apart: N stands twice in its shape", c->port->name);
    if (nn_data_read(&request, &a, &message))
        return nn_app_fail(s->model, 1, "%s", text);
    int code = nn_array_column(b->file, &a, c->port->dtype, c->each, &data, &samples, &message);
    nn_array_free(&a);
    for (size_t k = 0; k < words.count; k++)
        fprintf(stderr, "%s: %s %zu is '%s'\n", s->model->name, c->port->name, k, words.word[k]);
    nn_words_free(&words);
    if (code)
        return nn_app_fail(s->model, 1, "%s", text);
    c->data = data;
    if (s->samples >= 0 && samples != s->samples)
        return nn_app_fail(s->model, 1, "%s holds %lld samples, but %s holds %lld", b->file, (long long)samples, s->column[0].file,
                           (long long)s->samples);
    s->samples = samples;
    return 0;
}

/* "token,next=book.txt": the first name is the window, the second the same window one byte later. */
static int read_windows(struct nn_set *s, const char *spec)
{
    char text[512] = "";
    struct nn_message message = {text, sizeof text};
    const char *equals = strchr(spec, '=');
    struct nn_buffer b;
    if (!equals || !equals[1])
        return nn_app_fail(s->model, 2, "--windows takes NAME,NAME=FILE, not '%s'", spec);
    if (nn_file_read(equals + 1, &b, &message))
        return nn_app_fail(s->model, 1, "%s", text);
    s->stream = b.data;
    s->stream_size = (int64_t)b.size;
    s->stream_file = equals + 1;
    int shift = 0;
    for (const char *at = spec; at < equals; shift++) {
        size_t n = strcspn(at, ",=");
        int found = 0;
        for (int i = 0; i < s->columns; i++)
            if (strlen(s->column[i].port->name) == n && !strncmp(s->column[i].port->name, at, n)) {
                s->column[i].shift = shift;
                s->column[i].file = s->stream_file;
                s->column[i].each = nn_port_each(s->column[i].port);
                s->column[i].sample_size = (size_t)s->column[i].each * nn_dtype_size(s->column[i].port->dtype);
                s->window = s->column[i].each;
                found = 1;
            }
        if (!found)
            return nn_app_fail(s->model, 2, "no input or target is called '%.*s'", (int)n, at);
        at += n + (at[n] == ',');
    }
    for (int i = 0; i < s->columns; i++)
        if (s->column[i].shift >= 0 && s->column[i].each != s->window)
            return nn_app_fail(s->model, 1, "windows of one stream have one length, and '%s' takes %lld values", s->column[i].port->name,
                               (long long)s->column[i].each);
    if (s->stream_size < s->window + shift)
        return nn_app_fail(s->model, 1, "%s holds %lld bytes, and a window needs %lld", s->stream_file, (long long)s->stream_size,
                           (long long)(s->window + shift));
    s->samples = (s->stream_size - shift) / s->window;
    return 0;
}

int nn_set_read(struct nn_set *s, const nn_model *model, const struct nn_bindings *in, const char *windows, int targets,
                const struct nn_options *o)
{
    *s = (struct nn_set){.model = model, .columns = model->inputs + (targets ? model->targets : 0), .samples = -1};
    s->column = calloc((size_t)s->columns + 1, sizeof *s->column);
    if (!s->column)
        return nn_app_fail(model, 1, "no memory");
    for (int i = 0; i < s->columns; i++)
        s->column[i] = (struct nn_column){.port = nn_app_port(model, i), .shift = -1};
    int status = known_names(model, in);
    if (!status && windows)
        status = read_windows(s, windows);
    for (int i = 0; i < s->columns && !status; i++) {
        if (s->column[i].shift >= 0)
            continue;
        const struct nn_binding *b = bound(in, s->column[i].port->name);
        status = b ? read_column(s, i, b, o)
                   : nn_app_fail(model, 2, "%s '%s' is missing: --in %s=FILE", i < model->inputs ? "input" : "target", s->column[i].port->name,
                                 s->column[i].port->name);
    }
    if (!status && s->samples < 1)
        status = nn_app_fail(model, 1, "%s holds no sample", s->column[0].file);
    return status;
}

void nn_set_free(struct nn_set *s)
{
    for (int i = 0; s->column && i < s->columns; i++)
        free(s->column[i].data);
    free(s->column);
    free(s->stream);
    *s = (struct nn_set){.model = s->model};
}

void **nn_batch_new(const nn_model *model)
{
    int count = model->inputs + model->targets;
    void **batch = calloc((size_t)count + 1, sizeof *batch);
    for (int i = 0; batch && i < count; i++) {
        const nn_port *p = nn_app_port(model, i);
        size_t elements = 1;
        for (int k = 0; k < p->rank; k++)
            elements *= (size_t)(p->shape[k] < 0 ? -p->shape[k] * model->batch : p->shape[k]);
        batch[i] = calloc(elements + 1, nn_dtype_size(p->dtype));
        if (!batch[i]) {
            nn_batch_free(model, batch);
            return NULL;
        }
    }
    return batch;
}

void nn_batch_free(const nn_model *model, void **batch)
{
    for (int i = 0; batch && i < model->inputs + model->targets; i++)
        free(batch[i]);
    free(batch);
}

static void put_byte(void *to, nn_dtype t, int64_t i, unsigned char byte)
{
    switch (t) {
    case NN_F32: ((float *)to)[i] = byte; break;
    case NN_F64: ((double *)to)[i] = byte; break;
    case NN_I32: ((int32_t *)to)[i] = byte; break;
    default: ((unsigned char *)to)[i] = byte; break;
    }
}

static void gather_window(const struct nn_set *s, const struct nn_column *c, int64_t start, int place, void *to)
{
    for (int64_t k = 0; k < c->each; k++)
        put_byte(to, c->port->dtype, place * c->each + k, s->stream[start + c->shift + k]);
}

void nn_set_gather(const struct nn_set *s, const int64_t *index, int n, void *const *batch)
{
    for (int i = 0; i < s->columns; i++) {
        const struct nn_column *c = &s->column[i];
        for (int k = 0; k < n; k++)
            if (c->shift >= 0)
                gather_window(s, c, index[k], k, batch[i]);
            else
                memcpy((unsigned char *)batch[i] + (size_t)k * c->sample_size, c->data + (size_t)index[k] * c->sample_size, c->sample_size);
    }
}

/* ---- order ---- */

/* splitmix64 (Steele, Lea, Flood 2014) of a counter. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

int nn_order_make(struct nn_order *o, const struct nn_set *set, uint64_t seed, int shuffle)
{
    *o = (struct nn_order){.set = set, .seed = seed, .shuffle = shuffle, .epoch = -1};
    o->permutation = malloc((size_t)set->samples * sizeof *o->permutation);
    return o->permutation ? 0 : nn_app_fail(set->model, 1, "no memory");
}

void nn_order_free(struct nn_order *o)
{
    free(o->permutation);
    o->permutation = NULL;
}

/* Fisher and Yates, from the seed and the epoch alone. */
static void permute(struct nn_order *o, int64_t epoch)
{
    int64_t n = o->set->samples;
    uint64_t state = mix(o->seed) ^ mix((uint64_t)epoch * 2 + 1);
    for (int64_t i = 0; i < n; i++)
        o->permutation[i] = i;
    for (int64_t i = n - 1; i > 0 && o->shuffle; i--) {
        int64_t k = (int64_t)(mix(state + (uint64_t)i) % (uint64_t)(i + 1)), t = o->permutation[i];
        o->permutation[i] = o->permutation[k];
        o->permutation[k] = t;
    }
    o->epoch = epoch;
}

/* Windows start anywhere; samples of files come each once an epoch. */
int64_t nn_order_at(struct nn_order *o, int64_t epoch, int64_t place)
{
    const struct nn_set *s = o->set;
    if (s->stream && s->window) {
        int64_t starts = s->stream_size - s->window - 1;
        if (!o->shuffle || starts < 1)
            return place % s->samples * s->window;
        return (int64_t)(mix(mix(o->seed) ^ mix((uint64_t)epoch) ^ mix((uint64_t)place * 2 + 1)) % (uint64_t)starts);
    }
    if (o->epoch != epoch)
        permute(o, epoch);
    return o->permutation[place];
}

/* ---- random batches, failures ---- */

static void fill_random(const nn_port *p, void *to, int64_t count, uint64_t seed, int64_t most)
{
    for (int64_t i = 0; i < count; i++) {
        double u = (double)(mix(seed + (uint64_t)i) >> 11) * 0x1p-53;
        switch (p->dtype) {
        case NN_F32: ((float *)to)[i] = (float)(2 * u - 1); break;
        case NN_F64: ((double *)to)[i] = 2 * u - 1; break;
        case NN_I32: ((int32_t *)to)[i] = (int32_t)(u * (double)most); break;
        case NN_BOOL: ((unsigned char *)to)[i] = u < 0.5; break;
        default: ((unsigned char *)to)[i] = (unsigned char)(u * (double)most); break;
        }
    }
}

/* Ranges of integers are not in the table: the widest that a call does not refuse. */
int nn_batch_random(const nn_model *model, void *m, int n, void **batch)
{
    static const int64_t ranges[] = {256, 128, 64, 32, 16, 10, 8, 4, 3, 2, 1};
    int ports = model->inputs + model->targets, code = 0;
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        for (int i = 0; i < ports; i++) {
            const nn_port *p = nn_app_port(model, i);
            int64_t count = 1;
            for (int k = 0; k < p->rank; k++)
                count *= p->shape[k] < 0 ? -p->shape[k] * n : p->shape[k];
            fill_random(p, batch[i], count, (uint64_t)i * 1000003u, ranges[r]);
        }
        if (!model->eval)
            return 0;
        code = model->eval(m, n, (const void *const *)batch, NULL, NULL);
        if (code != NN_EINDEX)
            break;
    }
    return code ? nn_app_fail(model, 1, "%s", model->error(m)) : 0;
}

int nn_app_call_failed(const struct nn_set *s, void *m, int code, const int64_t *index, int n, void *const *batch)
{
    const char *text = s->model->error(m);
    (void)batch;
    for (int i = 0; code == NN_EINDEX && i < s->columns; i++) {
        const char *name = s->column[i].port->name, *at = strstr(text, ": element ");
        if (!at || (size_t)(at - text) != strlen(name) || strncmp(text, name, strlen(name)))
            continue;
        int64_t sample = strtoll(at + 10, NULL, 10) / (s->column[i].each ? s->column[i].each : 1);
        if (sample < n)
            return nn_app_fail(s->model, 1, "%s: sample %lld: %s%s", s->column[i].file, (long long)index[sample], name, strstr(at, " is ") ? strstr(at, " is ") : "");
    }
    return nn_app_fail(s->model, 1, "%s", *text ? text : nn_strerror(code));
}
