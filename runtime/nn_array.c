/* nn_array.c: arrays from data files, their conversion to an input's type, and which format a file has. */
#include "nn_data.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t nn_kind_size(enum nn_kind k)
{
    static const unsigned char sizes[] = { 4, 8, 1, 2, 4, 8, 1, 1 };
    return sizes[k];
}

int nn_array_fits(const char *name, enum nn_kind kind, int rank, const int64_t *shape, size_t bytes,
                  const struct nn_message *message)
{
    const uint64_t most = UINT64_C(1) << 60;
    uint64_t need = nn_kind_size(kind);
    for (int i = 0; i < rank; i++)
        need = shape[i] && need > most / (uint64_t)shape[i] ? most : need * (uint64_t)shape[i];
    if (need == bytes)
        return 0;
    return need < most ? nn_report(message, NN_EFORMAT, "%s: has %zu bytes of values, and its shape and type need %llu",
                                   name, bytes, (unsigned long long)need)
                       : nn_report(message, NN_EFORMAT, "%s: has %zu bytes of values, not what its shape and type need",
                                   name, bytes);
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
    free(a->column);
    a->data = NULL;
    a->line = NULL;
    a->column = NULL;
}

const char *nn_place_text(char to[NN_PLACE_TEXT], const int64_t *line, const int *column, int64_t sample, int64_t value)
{
    if (line && column)
        snprintf(to, NN_PLACE_TEXT, ", line %lld, column %d: sample %lld", (long long)line[sample], column[value],
                 (long long)sample);
    else
        snprintf(to, NN_PLACE_TEXT, ": sample %lld", (long long)sample);
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
        char where[NN_PLACE_TEXT];
        if (!holds(type, x))
            return nn_report(message, NN_EVALUE, "%s%s has the value %.10g, which %s cannot hold", name,
                             nn_place_text(where, a->line, a->column, i / each, i % each), x, nn_dtype_name(type));
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

/* Upper or lower case, as file names come. */
static int ends_with(const char *path, size_t length, const char *end)
{
    size_t n = strlen(end);
    for (size_t i = 0; i < n && length >= n; i++)
        if (tolower((unsigned char)path[length - n + i]) != end[i])
            return 0;
    return length >= n;
}

static size_t without_gz(const char *path, size_t length)
{
    return ends_with(path, length, ".gz") ? length - 3 : length;
}

/* What stands between the fields of a file of that name; 0 where the name says nothing of fields. */
static char separator_of(const char *path, size_t length)
{
    size_t n = without_gz(path, length);
    return ends_with(path, n, ".csv") ? ',' : ends_with(path, n, ".tsv") ? '\t' : 0;
}

/* Where the path of a spec ends. Whether the columns behind it are well formed is for the reader to say. */
static size_t path_length(const char *spec)
{
    const char *colon = strrchr(spec, ':');
    if (!colon || strchr(colon, '/'))
        return strlen(spec);
    size_t n = (size_t)(colon - spec), numbers = strspn(colon + 1, "0123456789,-");
    if (separator_of(spec, n))
        return n;
    FILE *whole = numbers && !colon[1 + numbers] ? fopen(spec, "rb") : NULL;
    int is_file = whole && !fclose(whole);
    return numbers && !colon[1 + numbers] && !is_file ? n : strlen(spec);
}

char *nn_data_path(const char *spec)
{
    size_t n = path_length(spec);
    char *path = malloc(n + 1);
    if (path) {
        memcpy(path, spec, n);
        path[n] = 0;
    }
    return path;
}

static int parse(const char *name, const struct nn_buffer *b, const char *columns, const struct nn_data_request *r,
                 struct nn_array *out, const struct nn_message *message)
{
    size_t n = without_gz(name, strlen(name));
    char separator = separator_of(name, n);
    int npy = ends_with(name, n, ".npy") || (b->size >= 6 && !memcmp(b->data, "\x93NUMPY", 6));
    int idx = b->size >= 4 && b->data[0] == 0 && b->data[1] == 0;
    if (columns && !separator && (npy || idx || ends_with(name, n, ".bin")))
        return nn_report(message, NN_EFORMAT, "%s: columns (':%s') are taken of CSV, and this is none", name, columns);
    if (columns || separator)
        return nn_csv_parse(name, b, columns, separator ? separator : ',', r, out, message);
    if (ends_with(name, n, ".txt") || ends_with(name, n, ".bin"))
        return nn_bytes_parse(name, b, out, message);
    if (npy)
        return nn_npy_parse(name, b, out, message);
    if (idx)
        return nn_idx_parse(name, b, out, message);
    return nn_report(
        message, NN_EFORMAT,
        "%s: not a known format: .npy, .csv, .tsv, .txt, .bin and IDX are read, each also as .gz; columns, as in "
        "%s:0-3, say that it is CSV",
        name, name);
}

int nn_data_read(const struct nn_data_request *r, struct nn_array *out, const struct nn_message *message)
{
    struct nn_buffer b;
    char *path = nn_data_path(r->spec);
    *out = (struct nn_array){ .data = NULL };
    if (!path)
        return nn_report(message, NN_EMEMORY, "%s: not enough memory", r->spec);
    const char *columns = r->spec[strlen(path)] ? r->spec + strlen(path) + 1 : NULL;
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

int nn_array_name(const char *path, const struct nn_message *message)
{
    if (without_gz(path, strlen(path)) == strlen(path))
        return 0;
    return nn_report(message, NN_EUNSUPPORTED,
                     "%s: files are written unpacked: the name is to end in .csv, .tsv or .npy", path);
}

int nn_array_write(const char *path, nn_dtype type, int rank, const int64_t *shape, int64_t rows, const void *data,
                   const struct nn_words *words, const struct nn_message *message)
{
    int64_t count = 1;
    char separator = separator_of(path, strlen(path));
    int status = nn_array_name(path, message);
    if (status)
        return status;
    if (!separator)
        return nn_npy_write(path, type, rank, shape, data, message);
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    return nn_csv_write(path, separator, type, rows, count / rows, data, words, message);
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
