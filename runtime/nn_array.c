/* nn_array.c: arrays from data files, their conversion to an input's type, and which format a file has. */
#include "nn_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t nn_kind_size(enum nn_kind k)
{
    static const unsigned char sizes[] = { 4, 8, 1, 2, 4, 8, 1, 1 };
    return sizes[k];
}

int nn_array_make(const char *name, struct nn_array *a, enum nn_kind kind, int rank, const int64_t *shape,
                  const struct nn_message *message)
{
    const int64_t most = INT64_C(1) << 46;
    *a = (struct nn_array){ .kind = kind, .rank = rank, .count = 1 };
    if (rank > NN_ARRAY_RANK)
        return nn_report(message, NN_EFORMAT, "%s: has %d dimensions; up to %d are read", name, rank, NN_ARRAY_RANK);
    for (int i = 0; i < rank; i++) {
        a->shape[i] = shape[i];
        if (shape[i] < 0 || (shape[i] > 0 && a->count > most / shape[i]))
            return nn_report(message, NN_EFORMAT, "%s: its shape is too large", name);
        a->count *= shape[i];
    }
    size_t bytes = (size_t)a->count * nn_kind_size(kind);
    a->data = malloc(bytes ? bytes : 1);
    return a->data ? 0
                   : nn_report(message, NN_EMEMORY, "%s: not enough memory for %lld values", name, (long long)a->count);
}

void nn_array_free(struct nn_array *a)
{
    free(a->data);
    free(a->line);
    a->data = NULL;
    a->line = NULL;
}

const char *nn_line_text(char to[NN_LINE_TEXT], const int64_t *line, int64_t sample)
{
    to[0] = 0;
    if (line)
        snprintf(to, NN_LINE_TEXT, " (line %lld)", (long long)line[sample]);
    return to;
}

/* --- conversion --------------------------------------------------------------------------------------------------- */

static double value_at(const struct nn_array *a, int64_t i)
{
    switch (a->kind) {
    case NN_KIND_F32: return (double)((const float *)a->data)[i];
    case NN_KIND_F64: return ((const double *)a->data)[i];
    case NN_KIND_I8: return ((const int8_t *)a->data)[i];
    case NN_KIND_I16: return ((const int16_t *)a->data)[i];
    case NN_KIND_I32: return ((const int32_t *)a->data)[i];
    case NN_KIND_I64: return (double)((const int64_t *)a->data)[i];
    default: return ((const uint8_t *)a->data)[i];
    }
}

/* Whether a type holds the value; reals are rounded, but must not overflow. */
static int holds(nn_dtype type, double x)
{
    switch (type) {
    case NN_F32: return !(fabs(x) > 3.4028235677973366e38) || isinf(x);
    case NN_I32: return x >= -2147483648.0 && x <= 2147483647.0 && x == floor(x);
    case NN_U8: return x >= 0 && x <= 255 && x == floor(x);
    case NN_BOOL: return x == 0 || x == 1;
    default: return 1;
    }
}

static void put_value(nn_dtype type, void *out, int64_t i, double x)
{
    switch (type) {
    case NN_F32: ((float *)out)[i] = (float)x; break;
    case NN_F64: ((double *)out)[i] = x; break;
    case NN_I32: ((int32_t *)out)[i] = (int32_t)x; break;
    default: ((uint8_t *)out)[i] = (uint8_t)x; break;
    }
}

static int convert(const char *name, const struct nn_array *a, nn_dtype type, int64_t each, void *out,
                   const struct nn_message *message)
{
    for (int64_t i = 0; i < a->count; i++) {
        double x = value_at(a, i);
        char where[NN_LINE_TEXT];
        if (!holds(type, x))
            return nn_report(message, NN_EVALUE, "%s: sample %lld has the value %.10g, which %s cannot hold%s", name,
                             (long long)(i / each), x, nn_dtype_name(type), nn_line_text(where, a->line, i / each));
        put_value(type, out, i, x);
    }
    return 0;
}

static int count_samples(const char *name, const struct nn_array *a, int64_t each, int64_t *samples,
                         const struct nn_message *message)
{
    *samples = a->stream ? a->count / each : a->rank ? a->shape[0] : 1;
    if (a->stream && a->count % each)
        return nn_report(message, NN_EMISMATCH, "%s: %lld bytes are no whole number of samples of %lld values", name,
                         (long long)a->count, (long long)each);
    if (*samples == 0 || a->count == 0)
        return nn_report(message, NN_EMISMATCH, "%s: holds no samples", name);
    if (a->count / *samples != each)
        return nn_report(message, NN_EMISMATCH, "%s: has %lld values a sample (%lld samples), and %lld were expected",
                         name, (long long)(a->count / *samples), (long long)*samples, (long long)each);
    return 0;
}

int nn_array_column(const char *name, const struct nn_array *a, nn_dtype type, int64_t each, void **out,
                    int64_t *samples, const struct nn_message *message)
{
    *out = NULL;
    int status = count_samples(name, a, each, samples, message);
    if (status)
        return status;
    *out = malloc((size_t)a->count * nn_dtype_size(type));
    if (!*out)
        return nn_report(message, NN_EMEMORY, "%s: not enough memory for %lld values", name, (long long)a->count);
    status = convert(name, a, type, each, *out, message);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* --- which format ------------------------------------------------------------------------------------------------- */

static int ends_with(const char *path, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length >= n && !strncmp(path + length - n, end, n);
}

static size_t without_gz(const char *path, size_t length)
{
    return ends_with(path, length, ".gz") ? length - 3 : length;
}

/* The columns behind "file.csv:", or NULL. Whether they are well formed is for the reader to say. */
static const char *columns_of(const char *spec)
{
    const char *colon = strrchr(spec, ':');
    if (!colon || strchr(colon, '/'))
        return NULL;
    return ends_with(spec, without_gz(spec, (size_t)(colon - spec)), ".csv") ? colon + 1 : NULL;
}

static int parse(const char *name, const struct nn_buffer *b, const char *columns, const struct nn_data_request *r,
                 struct nn_array *out, const struct nn_message *message)
{
    size_t n = without_gz(name, strlen(name));
    if (columns || ends_with(name, n, ".csv"))
        return nn_csv_parse(name, b, columns, r, out, message);
    if (ends_with(name, n, ".txt") || ends_with(name, n, ".bin"))
        return nn_bytes_parse(name, b, out, message);
    if (ends_with(name, n, ".npy") || (b->size >= 6 && !memcmp(b->data, "\x93NUMPY", 6)))
        return nn_npy_parse(name, b, out, message);
    if (b->size >= 4 && b->data[0] == 0 && b->data[1] == 0)
        return nn_idx_parse(name, b, out, message);
    return nn_report(message, NN_EFORMAT,
                     "%s: not a known format: .npy, .csv, .txt, .bin and IDX are read, each also as .gz", name);
}

int nn_data_read(const struct nn_data_request *r, struct nn_array *out, const struct nn_message *message)
{
    struct nn_buffer b;
    const char *columns = columns_of(r->spec);
    size_t n = columns ? (size_t)(columns - 1 - r->spec) : strlen(r->spec);
    char *path = malloc(n + 1);
    *out = (struct nn_array){ .data = NULL };
    if (!path)
        return nn_report(message, NN_EMEMORY, "%s: not enough memory", r->spec);
    memcpy(path, r->spec, n);
    path[n] = 0;
    int status = nn_file_read(path, r->unpack, &b, message);
    if (!status) {
        status = parse(path, &b, columns, r, out, message);
        if (status)
            nn_array_free(out);
        free(b.data);
    }
    free(path);
    return status;
}

int nn_array_write(const char *path, nn_dtype type, int rank, const int64_t *shape, int64_t rows, const void *data,
                   const struct nn_message *message)
{
    int64_t count = 1;
    if (!ends_with(path, strlen(path), ".csv"))
        return nn_npy_write(path, type, rank, shape, data, message);
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    return nn_csv_write(path, type, rows, count / rows, data, message);
}

size_t nn_words_find(const struct nn_words *w, const char *text, size_t n)
{
    size_t i = 0;
    while (i < w->count && (strncmp(w->word[i], text, n) != 0 || w->word[i][n] != 0))
        i++;
    return i;
}

int nn_words_number(struct nn_words *w, const char *text, size_t n)
{
    size_t i = nn_words_find(w, text, n);
    if (i < w->count)
        return (int)i;
    if (i == NN_WORDS_MOST || n == 0 || n > NN_WORD_LONGEST)
        return NN_EFORMAT;
    char **longer = realloc(w->word, (i + 1) * sizeof *longer), *copy = malloc(n + 1);
    if (longer)
        w->word = longer;
    if (!longer || !copy) {
        free(copy);
        return NN_EMEMORY;
    }
    memcpy(copy, text, n);
    copy[n] = 0;
    w->word[w->count++] = copy;
    return (int)i;
}

void nn_words_free(struct nn_words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->word[i]);
    free(w->word);
    *w = (struct nn_words){ NULL, 0 };
}
