/* nn_app_data.c: the samples of a generated program: files bound to inputs and targets, and batches gathered from
 * them. */
#include "nn_app.h"

#include <stdlib.h>
#include <string.h>

/* --- ports -------------------------------------------------------------------------------------------------------- */

const nn_port *nn_app_port(const nn_model *model, int i)
{
    return i < model->inputs ? &model->input[i] : &model->target[i - model->inputs];
}

const nn_port *nn_app_output(const nn_model *model, int i)
{
    return &model->output[i];
}

const char *nn_app_names(char to[NN_APP_NAMES], const nn_model *model, const nn_port *port(const nn_model *, int),
                         int count)
{
    *to = 0;
    for (int i = 0; i < count; i++) {
        size_t at = strlen(to);
        snprintf(to + at, NN_APP_NAMES - at, "%s%s", i ? ", " : "", port(model, i)->name);
    }
    return count ? to : "none";
}

int64_t nn_port_each(const nn_port *p)
{
    int64_t each = 1;
    if (p->rank < 1 || p->shape[0] >= 0)
        return 0;
    for (int i = 0; i < p->rank; i++) {
        if (i > 0 && p->shape[i] < 0)
            return 0;
        each *= i > 0 ? p->shape[i] : -p->shape[i];
    }
    return each;
}

size_t nn_port_bytes(const nn_port *p, int n)
{
    size_t bytes = nn_dtype_size(p->dtype);
    for (int i = 0; i < p->rank; i++)
        bytes *= (size_t)(p->shape[i] < 0 ? -p->shape[i] * n : p->shape[i]);
    return bytes;
}

static int is_called(const nn_port *p, const char *name, size_t n)
{
    return strlen(p->name) == n && !strncmp(p->name, name, n);
}

static int port_by_name(const nn_model *model, const char *name, size_t n)
{
    for (int i = 0; i < model->inputs + model->targets; i++)
        if (is_called(nn_app_port(model, i), name, n))
            return i;
    return -1;
}

static int no_such_port(const nn_model *model, const char *name, int n)
{
    char known[NN_APP_NAMES];
    return nn_app_fail(model, 2, "no input or target is called '%.*s'; there are %s", n, name,
                       nn_app_names(known, model, nn_app_port, model->inputs + model->targets));
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* The axes of a sample, but for those of length 1; how many. */
static int sample_axes(const int64_t *shape, int rank, int64_t axis[NN_ARRAY_RANK])
{
    int axes = 0;
    for (int i = 1; i < rank && axes < NN_ARRAY_RANK; i++)
        if (shape[i] != 1)
            axis[axes++] = shape[i];
    return axes;
}

static const char *axes_text(char to[NN_PLACE_TEXT], const int64_t *axis, int axes)
{
    size_t at = 0;
    for (int i = 0; i < axes && at < NN_PLACE_TEXT; i++)
        at += (size_t)snprintf(to + at, NN_PLACE_TEXT - at, "%s%lld", i ? "," : "", (long long)axis[i]);
    return to;
}

/* Whether they are the same axes in another order. */
static int axes_permuted(const int64_t *a, const int64_t *b, int axes)
{
    int order = 0;
    for (int i = 0; i < axes; i++) {
        int in_a = 0, in_b = 0;
        for (int k = 0; k < axes; k++) {
            in_a += a[k] == a[i];
            in_b += b[k] == a[i];
        }
        if (in_a != in_b)
            return 0;
        order |= a[i] != b[i];
    }
    return order;
}

/* The axes in another order, channels last where they come first: not what was meant. Any other shape of as many values is. */
static int check_axes(struct nn_set *s, const struct nn_column *c, const struct nn_array *a)
{
    int64_t is[NN_ARRAY_RANK], wanted[NN_ARRAY_RANK];
    char there[NN_PLACE_TEXT], here[NN_PLACE_TEXT];
    int axes = sample_axes(c->port->shape, c->port->rank, wanted);
    if (a->stream || sample_axes(a->shape, a->rank, is) != axes || !axes_permuted(is, wanted, axes))
        return 0;
    return nn_app_fail(s->model, 1, "%s: a sample is [%s] in the file, and [%s] in %s", c->file,
                       axes_text(there, is, axes), axes_text(here, wanted, axes), c->port->name);
}

static int convert_column(struct nn_set *s, struct nn_column *c, const struct nn_array *a)
{
    char text[512] = "";
    struct nn_message message = { text, sizeof text };
    void *data = NULL;
    int64_t samples = 0;
    if (nn_array_column(c->file, a, c->port->dtype, c->each, &data, &samples, &message))
        return nn_app_fail(s->model, 1, "%s, for %s", text, c->port->name);
    c->data = data;
    if (check_axes(s, c, a))
        return 1;
    for (int i = 0; i < s->columns; i++)
        if (&s->column[i] != c && s->column[i].data && samples != s->samples)
            return nn_app_fail(s->model, 1, "%s holds %lld samples, but %s holds %lld", c->file, (long long)samples,
                               s->column[i].file, (long long)s->samples);
    s->samples = samples;
    return 0;
}

/* Words stand for the numbers of labels, one a sample; elsewhere a word is a mistake. */
static int read_column(struct nn_set *s, struct nn_column *c, const char *file, const struct nn_source *from,
                       struct nn_words *words)
{
    char text[512] = "";
    struct nn_message message = { text, sizeof text };
    struct nn_array a;
    int label = c->each == 1 && c->port->dtype != NN_F32 && c->port->dtype != NN_F64;
    struct nn_data_request request = { file, from->skip_lines > 0 ? from->skip_lines : 0, label, words, from->unpack };
    size_t known = words->count;
    if (!(c->file = c->path = nn_data_path(file)))
        return nn_app_fail(s->model, 1, "no memory");
    if (nn_data_read(&request, &a, &message))
        return nn_app_fail(s->model, 1, "%s", text);
    if (!known && words->count && from->loaded && !from->quiet)
        fprintf(stderr, "%s: %s holds no words of %s: they are numbered as they come\n", s->model->name, from->loaded,
                c->port->name);
    for (size_t k = known; k < words->count && !from->quiet; k++)
        fprintf(stderr, "%s: %s %zu is '%s'\n", s->model->name, c->port->name, k, words->word[k]);
    int status = convert_column(s, c, &a);
    c->words = words;
    c->line = a.line;
    c->column = a.column;
    a.line = NULL;
    a.column = NULL;
    nn_array_free(&a);
    return status;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

/* "token,next": the first is the window, the second the same window one byte later. */
static int bind_windows(struct nn_set *s, const char *spec, const char *equals)
{
    int shift = 0;
    for (const char *at = spec; at < equals; shift++) {
        size_t n = strcspn(at, ",=");
        int i = port_by_name(s->model, at, n);
        if (i < 0)
            return no_such_port(s->model, at, (int)n);
        if (shift > 1)
            return nn_app_fail(s->model, 2, "windows are for two names at most, as in token,next=FILE");
        if (i < s->columns) {
            s->column[i].shift = shift;
            s->reach = shift > s->reach ? shift : s->reach;
            s->column[i].file = s->stream_file;
            if (s->window && s->window != s->column[i].each)
                return nn_app_fail(s->model, 1, "windows of one stream have one length, and '%s' takes %lld values",
                                   s->column[i].port->name, (long long)s->column[i].each);
            s->window = s->column[i].each;
        }
        at += n + (at[n] == ',');
    }
    return s->window ? 0 : nn_app_fail(s->model, 2, "the windows are for no input");
}

static int read_windows(struct nn_set *s, const char *spec, nn_unpack *unpack)
{
    char text[512] = "";
    struct nn_message message = { text, sizeof text };
    const char *equals = strchr(spec, '=');
    struct nn_buffer b;
    if (!equals || !equals[1])
        return nn_app_fail(s->model, 2, "windows are given as NAME,NAME=FILE, not '%s'", spec);
    s->stream_file = equals + 1;
    int status = bind_windows(s, spec, equals);
    if (status)
        return status;
    if (nn_file_read(s->stream_file, unpack, &b, &message))
        return nn_app_fail(s->model, 1, "%s", text);
    s->stream = b.data;
    s->stream_size = (int64_t)b.size;
    if (s->stream_size < s->window + s->reach)
        return nn_app_fail(s->model, 1, "%s holds %lld bytes, and a window takes %lld%s", s->stream_file,
                           (long long)s->stream_size, (long long)s->window, s->reach ? " and the byte behind it" : "");
    s->samples = (s->stream_size - s->reach) / s->window;
    return 0;
}

/* --- a whole set -------------------------------------------------------------------------------------------------- */

static int make_columns(struct nn_set *s)
{
    s->column = calloc((size_t)s->columns + 1, sizeof *s->column);
    if (!s->column)
        return nn_app_fail(s->model, 1, "no memory");
    for (int i = 0; i < s->columns; i++) {
        struct nn_column *c = &s->column[i];
        *c = (struct nn_column){ .port = nn_app_port(s->model, i), .shift = -1 };
        c->each = nn_port_each(c->port);
        c->sample_size = (size_t)c->each * nn_dtype_size(c->port->dtype);
        if (!c->each)
            return nn_app_fail(s->model, 1,
                               "the samples of '%s' cannot be told apart in a file: N does not lead its shape alone",
                               c->port->name);
    }
    return 0;
}

static const struct nn_binding *binding_of(const struct nn_bindings *in, const nn_port *p)
{
    for (int i = 0; i < in->count; i++)
        if (is_called(p, in->of[i].name, (size_t)in->of[i].name_size))
            return &in->of[i];
    return NULL;
}

/* A target where none is read would go unread. */
static int check_names(const nn_model *model, const struct nn_source *from)
{
    for (int i = 0; i < from->in->count; i++) {
        const struct nn_binding *b = &from->in->of[i];
        int port = port_by_name(model, b->name, (size_t)b->name_size);
        if (port < 0)
            return no_such_port(model, b->name, b->name_size);
        if (port >= model->inputs && !from->targets)
            return nn_app_fail(model, 2, "infer takes inputs alone, and '%s' is a target: leave out --%s %s",
                               nn_app_port(model, port)->name, from->option, b->name);
    }
    return 0;
}

int nn_set_read(struct nn_set *s, const nn_model *model, const struct nn_source *from)
{
    *s = (struct nn_set){ .model = model, .columns = model->inputs + (from->targets ? model->targets : 0) };
    int status = check_names(model, from);
    status = status ? status : make_columns(s);
    if (!status && from->windows)
        status = read_windows(s, from->windows, from->unpack);
    for (int i = 0; i < s->columns && !status; i++) {
        struct nn_column *c = &s->column[i];
        const struct nn_binding *b = binding_of(from->in, c->port);
        if (c->shift >= 0 && b)
            return nn_app_fail(model, 2, "'%s' is given twice: by windows of '%s', and by '%s'", c->port->name,
                               s->stream_file, b->file);
        if (c->shift >= 0)
            continue;
        if (!b)
            return nn_app_fail(model, 2, "%s '%s' is missing: --%s %s=FILE", i < model->inputs ? "input" : "target",
                               c->port->name, from->option, c->port->name);
        if (s->stream)
            return nn_app_fail(model, 2, "'%s' is a file, and the windows of '%s' have no samples that match it",
                               c->port->name, s->stream_file);
        status = read_column(s, c, b->file, from, &from->words[i]);
    }
    return status;
}

void nn_set_free(struct nn_set *s)
{
    for (int i = 0; s->column && i < s->columns; i++) {
        free(s->column[i].data);
        free(s->column[i].line);
        free(s->column[i].column);
        free(s->column[i].path);
    }
    free(s->column);
    free(s->stream);
    *s = (struct nn_set){ .model = s->model };
}

/* One more element in a sum: its bits as a number, so that machines of either byte order agree. */
static uint64_t add_element(uint64_t sum, nn_dtype t, const unsigned char *at)
{
    uint64_t bits = *at;
    uint32_t half;
    if (nn_dtype_size(t) == sizeof half) {
        memcpy(&half, at, sizeof half);
        bits = half;
    } else if (nn_dtype_size(t) == sizeof bits) {
        memcpy(&bits, at, sizeof bits);
    }
    return (sum ^ bits) * 1099511628211u; /* FNV-1a, by elements */
}

static uint64_t sample_sum(const struct nn_set *s, int64_t sample)
{
    uint64_t sum = 14695981039346656037u;
    for (int i = 0; i < s->columns; i++) {
        const struct nn_column *c = &s->column[i];
        const unsigned char *at = c->data + (size_t)sample * c->sample_size;
        size_t size = nn_dtype_size(c->port->dtype);
        for (int64_t k = 0; k < c->each; k++)
            sum = add_element(sum, c->port->dtype, at + (size_t)k * size);
    }
    return sum ^ sum >> 29; /* high bits depend on more of the elements than low ones do */
}

uint64_t nn_set_sum(const struct nn_set *s)
{
    uint64_t sum = 14695981039346656037u;
    for (int64_t i = 0; s->stream && i < s->stream_size; i++)
        sum = add_element(sum, NN_U8, s->stream + i);
    for (int64_t i = 0; !s->stream && i < s->samples; i++)
        sum += sample_sum(s, i) * 0x9E3779B97F4A7C15u;
    return sum ^ sum >> 29;
}

int64_t nn_set_place(const struct nn_set *s, int64_t i)
{
    return s->stream ? i * s->window : i;
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

void nn_set_gather(const struct nn_set *s, const int64_t *index, int n, void *const *batch)
{
    for (int i = 0; i < s->columns; i++) {
        const struct nn_column *c = &s->column[i];
        for (int k = 0; k < n; k++) {
            if (c->shift < 0)
                memcpy((unsigned char *)batch[i] + (size_t)k * c->sample_size,
                       c->data + (size_t)index[k] * c->sample_size, c->sample_size);
            for (int64_t v = 0; c->shift >= 0 && v < c->each; v++)
                put_byte(batch[i], c->port->dtype, k * c->each + v, s->stream[index[k] + c->shift + v]);
        }
    }
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

/* " ('oak')" for the number of a word; else nothing. */
static const char *word_text(char *to, size_t size, const struct nn_column *c, double number)
{
    *to = 0;
    if (c->words && number >= 0 && number < (double)c->words->count)
        snprintf(to, size, " ('%s')", c->words->word[(size_t)number]);
    return to;
}

static double element_of(nn_dtype t, const void *data, int64_t i)
{
    switch (t) {
    case NN_F32: return (double)((const float *)data)[i];
    case NN_F64: return ((const double *)data)[i];
    case NN_I32: return ((const int32_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

/* A model names the element of the batch, as "label: element 5 is outside 0..9"; here it becomes a sample of a file. */
int nn_app_call_failed(const struct nn_set *s, void *m, int code, const int64_t *index, int n, void *const *batch)
{
    const char *text = s->model->error(m), *at = strstr(text, ": element ");
    for (int i = 0; code == NN_EINDEX && at && i < s->columns; i++) {
        const struct nn_column *c = &s->column[i];
        char *rest, where[NN_PLACE_TEXT], word[NN_WORD_LONGEST + 8];
        if (!is_called(c->port, text, (size_t)(at - text)))
            continue;
        int64_t element = strtoll(at + 10, &rest, 10), k = element / c->each;
        if (element < 0 || k >= n)
            continue;
        if (s->stream)
            snprintf(where, sizeof where, ": window at byte %lld", (long long)index[k]);
        else
            nn_place_text(where, c->line, c->column, index[k], element % c->each);
        double number = element_of(c->port->dtype, batch[i], element);
        return nn_app_fail(s->model, 1, "%s%s: the %s %.9g%s%s", c->file, where, c->port->name, number,
                           word_text(word, sizeof word, c, number), rest);
    }
    return nn_app_fail(s->model, 1, "%s", *text ? text : nn_strerror(code));
}
