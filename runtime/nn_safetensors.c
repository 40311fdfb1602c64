/* nn_safetensors.c: reading safetensors. A file is checked as a whole when it is opened, and against the tensors it is
 * to fill before the first of them is written.
 */
#include "nn_safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "nn_json.h"

static const struct {
    const char *name;
    unsigned char size;
} types[] = {
    [ST_F64] = { "F64", 8 },   [ST_F32] = { "F32", 4 }, [ST_F16] = { "F16", 2 }, [ST_BF16] = { "BF16", 2 },
    [ST_I64] = { "I64", 8 },   [ST_I32] = { "I32", 4 }, [ST_I16] = { "I16", 2 }, [ST_I8] = { "I8", 1 },
    [ST_U64] = { "U64", 8 },   [ST_U32] = { "U32", 4 }, [ST_U16] = { "U16", 2 }, [ST_U8] = { "U8", 1 },
    [ST_BOOL] = { "BOOL", 1 }, [ST_OTHER] = { "", 0 },
};

/* --- parsing ------------------------------------------------------------------------------------------------------ */

static int bad(const struct nn_st_file *f, const struct nn_message *m, const char *why)
{
    return nn_report(m, NN_EFORMAT, "%s: not a valid safetensors file: %s", f->path, why);
}

static int read_type(struct nn_json *j, struct nn_st_entry *e)
{
    char *name;
    if (!nn_json_string(j, &name))
        return 0;
    e->type = ST_F64;
    while (e->type < ST_OTHER && strcmp(types[e->type].name, name))
        e->type++;
    size_t n = strlen(name);
    n = n < sizeof e->type_name ? n : sizeof e->type_name - 1;
    memcpy(e->type_name, name, n);
    e->type_name[n] = 0;
    free(name);
    return 1;
}

static int read_shape(struct nn_json *j, struct nn_st_entry *e)
{
    e->rank = 0;
    if (!nn_json_punct(j, '['))
        return 0;
    if (nn_json_punct(j, ']'))
        return 1;
    do {
        if (e->rank == NN_ST_RANK || !nn_json_size(j, &e->shape[e->rank]))
            return 0;
        e->rank++;
    } while (nn_json_punct(j, ','));
    return nn_json_punct(j, ']');
}

static int read_offsets(struct nn_json *j, struct nn_st_entry *e)
{
    int64_t begin, end;
    if (!nn_json_punct(j, '[') || !nn_json_size(j, &begin) || !nn_json_punct(j, ',') || !nn_json_size(j, &end) ||
        !nn_json_punct(j, ']'))
        return 0;
    e->begin = (size_t)begin;
    e->end = (size_t)end;
    return (uint64_t)begin <= SIZE_MAX && (uint64_t)end <= SIZE_MAX;
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...}, each once. */
static int read_entry(struct nn_json *j, struct nn_st_entry *e)
{
    int seen = 0;
    if (!nn_json_punct(j, '{'))
        return 0;
    do {
        char *key;
        if (!nn_json_string(j, &key))
            return 0;
        int which = !strcmp(key, "dtype") ? 1 : !strcmp(key, "shape") ? 2 : !strcmp(key, "data_offsets") ? 4 : 0;
        free(key);
        if (!nn_json_punct(j, ':') || (seen & which))
            return 0;
        int good = which == 1   ? read_type(j, e)
                   : which == 2 ? read_shape(j, e)
                   : which == 4 ? read_offsets(j, e)
                                : nn_json_skip(j, 16);
        if (!good)
            return 0;
        seen |= which;
    } while (nn_json_punct(j, ','));
    return nn_json_punct(j, '}') && seen == 7;
}

/* One more element of an array that doubles. NULL: no memory. */
static void *array_more(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) /* room until the next power of two */
        return array;
    return count > SIZE_MAX / 2 / size ? NULL : realloc(array, (count ? 2 * count : 1) * size);
}

static int read_meta(struct nn_json *j, struct nn_st_file *f)
{
    if (!nn_json_punct(j, '{'))
        return 0;
    if (nn_json_punct(j, '}'))
        return 1;
    do {
        struct nn_st_pair *p = array_more(f->pair, f->pairs, sizeof *p);
        if (!p)
            return 0;
        f->pair = p;
        p += f->pairs;
        *p = (struct nn_st_pair){ NULL, NULL };
        if (!nn_json_string(j, &p->key))
            return 0;
        f->pairs++;
        if (!nn_json_punct(j, ':') || !nn_json_string(j, &p->value))
            return 0;
    } while (nn_json_punct(j, ','));
    return nn_json_punct(j, '}');
}

static int read_member(struct nn_json *j, struct nn_st_file *f)
{
    char *name;
    if (!nn_json_string(j, &name))
        return 0;
    if (!strcmp(name, "__metadata__")) {
        free(name);
        return nn_json_punct(j, ':') && !f->pair && read_meta(j, f);
    }
    struct nn_st_entry *e = array_more(f->entry, f->entries, sizeof *e);
    if (!e) {
        free(name);
        return 0;
    }
    f->entry = e;
    e += f->entries++;
    memset(e, 0, sizeof *e);
    e->name = name;
    return nn_json_punct(j, ':') && read_entry(j, e);
}

static int read_header(struct nn_st_file *f, size_t size, const struct nn_message *m)
{
    struct nn_json j = { f->bytes.data + 8, f->bytes.data + 8 + size };
    if (!nn_json_punct(&j, '{'))
        return bad(f, m, "its header is no JSON object");
    if (!nn_json_punct(&j, '}')) {
        do {
            if (!read_member(&j, f))
                return nn_report(m, NN_EFORMAT,
                                 "%s: not a valid safetensors file: its header is malformed near byte %zu", f->path,
                                 (size_t)(j.at - f->bytes.data));
        } while (nn_json_punct(&j, ','));
        if (!nn_json_punct(&j, '}'))
            return bad(f, m, "its header does not end");
    }
    return nn_json_peek(&j) < 0 ? 0 : bad(f, m, "something follows its header");
}

/* --- checks on the whole ------------------------------------------------------------------------------------------ */

static int entry_size(const struct nn_st_entry *e, size_t *size)
{
    size_t n = types[e->type].size;
    int empty = 0;
    for (int i = 0; i < e->rank; i++)
        empty |= e->shape[i] == 0;
    for (int i = 0; i < e->rank && !empty; i++) {
        if (n > SIZE_MAX / 2 / (size_t)e->shape[i])
            return 0;
        n *= (size_t)e->shape[i];
    }
    *size = empty ? 0 : n;
    return 1;
}

static int by_place(const void *a, const void *b)
{
    const struct nn_st_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct nn_st_entry *)a)->name, ((const struct nn_st_entry *)b)->name);
}

/* The tensors must tile the payload: a hole or a rest means that something was lost. */
static int check_places(struct nn_st_file *f, const struct nn_message *m)
{
    size_t at = 0, size;
    if (f->entries)
        qsort(f->entry, f->entries, sizeof *f->entry, by_place);
    for (size_t i = 0; i < f->entries; i++) {
        const struct nn_st_entry *e = &f->entry[i];
        if (e->begin != at || e->end < e->begin || e->end > f->payload_size)
            return nn_report(
                m, NN_EFORMAT,
                "%s: not a valid safetensors file: tensor '%.100s' lies at bytes %zu to %zu, where %zu to at "
                "most %zu was expected",
                f->path, e->name, e->begin, e->end, at, f->payload_size);
        if (e->type != ST_OTHER && (!entry_size(e, &size) || size != e->end - e->begin))
            return nn_report(m, NN_EFORMAT,
                             "%s: not a valid safetensors file: tensor '%.100s' has %zu bytes, not what "
                             "its shape needs",
                             f->path, e->name, e->end - e->begin);
        at = e->end;
    }
    if (at != f->payload_size)
        return nn_report(m, NN_EFORMAT, "%s: not a valid safetensors file: %zu bytes follow the last tensor", f->path,
                         f->payload_size - at);
    return 0;
}

static int check_names(struct nn_st_file *f, const struct nn_message *m)
{
    if (f->entries)
        qsort(f->entry, f->entries, sizeof *f->entry, by_name);
    for (size_t i = 1; i < f->entries; i++)
        if (!strcmp(f->entry[i - 1].name, f->entry[i].name))
            return nn_report(m, NN_EFORMAT, "%s: not a valid safetensors file: tensor '%.100s' stands twice", f->path,
                             f->entry[i].name);
    return 0;
}

static int parse(struct nn_st_file *f, const struct nn_message *m)
{
    uint64_t size = 0;
    if (f->bytes.size < 10)
        return bad(f, m, "it is shorter than any");
    for (int i = 7; i >= 0; i--)
        size = size << 8 | f->bytes.data[i];
    if (size < 2 || size > 100000000 || size > f->bytes.size - 8)
        return bad(f, m, f->bytes.data[8] == '{' ? "it is cut short within its header" : "it does not start like one");
    f->payload = f->bytes.data + 8 + size;
    f->payload_size = f->bytes.size - 8 - (size_t)size;
    int status = read_header(f, (size_t)size, m);
    status = status ? status : check_places(f, m);
    return status ? status : check_names(f, m);
}

int nn_st_parse(struct nn_st_file *f, const char *path, struct nn_buffer bytes, const struct nn_message *message)
{
    *f = (struct nn_st_file){ .path = path, .bytes = bytes };
    int status = parse(f, message);
    if (status)
        nn_st_close(f);
    return status;
}

int nn_st_open(struct nn_st_file *f, const char *path, const struct nn_message *message)
{
    struct nn_buffer bytes;
    int status = nn_file_read_plain(path, &bytes, message);
    return status ? status : nn_st_parse(f, path, bytes, message);
}

void nn_st_close(struct nn_st_file *f)
{
    for (size_t i = 0; i < f->entries; i++)
        free(f->entry[i].name);
    for (size_t i = 0; i < f->pairs; i++) {
        free(f->pair[i].key);
        free(f->pair[i].value);
    }
    free(f->entry);
    free(f->pair);
    free(f->bytes.data);
    *f = (struct nn_st_file){ .path = NULL };
}

const struct nn_st_entry *nn_st_find(const struct nn_st_file *f, const char *name)
{
    size_t low = 0, high = f->entries;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(f->entry[mid].name, name);
        if (!order)
            return &f->entry[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const char *nn_st_meta(const struct nn_st_file *f, const char *key)
{
    for (size_t i = 0; i < f->pairs; i++)
        if (!strcmp(f->pair[i].key, key))
            return f->pair[i].value;
    return NULL;
}

/* --- into a model ------------------------------------------------------------------------------------------------- */

static uint64_t little(const unsigned char *p, int bytes)
{
    uint64_t u = 0;
    for (int i = bytes; i-- > 0;)
        u = u << 8 | p[i];
    return u;
}

static double double_of(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* IEEE half to single: denormal halves are normal singles. */
static float half_of(uint32_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 0) {
        float x = (float)m * 0x1p-24f;
        return sign ? -x : x;
    }
    return float_of(sign | (e == 31 ? 0x7F800000u : (e + 112) << 23) | m << 13);
}

static double real_at(const struct nn_st_entry *e, const unsigned char *p)
{
    switch (e->type) {
    case ST_F64: return double_of(little(p, 8));
    case ST_F32: return (double)float_of((uint32_t)little(p, 4));
    case ST_F16: return (double)half_of((uint32_t)little(p, 2));
    default: return (double)float_of((uint32_t)little(p, 2) << 16);
    }
}

/* Integers; unsigned 64-bit ones beyond int64 become INT64_MAX, which no tensor of ours can hold. */
static int64_t integer_at(const struct nn_st_entry *e, const unsigned char *p)
{
    uint64_t u = little(p, types[e->type].size);
    switch (e->type) {
    case ST_I64: return (int64_t)u;
    case ST_I32: return (int32_t)(uint32_t)u;
    case ST_I16: return (int16_t)(uint16_t)u;
    case ST_I8: return (int8_t)(uint8_t)u;
    default: return u > INT64_MAX ? INT64_MAX : (int64_t)u;
    }
}

static int is_real(enum nn_st_type t)
{
    return t <= ST_BF16;
}
static int is_real_type(nn_dtype t)
{
    return t == NN_F32 || t == NN_F64;
}

static int64_t element_count(const nn_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

static enum nn_st_type own_type(nn_dtype t)
{
    static const enum nn_st_type own[] = {
        [NN_F32] = ST_F32, [NN_F64] = ST_F64, [NN_I32] = ST_I32, [NN_U8] = ST_U8, [NN_BOOL] = ST_BOOL
    };
    return own[t];
}

void nn_shape_text(char *text, size_t size, int rank, const int64_t *shape)
{
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, i ? ", %lld" : "%lld", (long long)shape[i]);
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static int same_shape(const struct nn_st_entry *e, const nn_tensor *t)
{
    if (e->rank != t->rank)
        return 0;
    for (int i = 0; i < t->rank; i++)
        if (e->shape[i] != t->shape[i])
            return 0;
    return 1;
}

/* Real tensors take reals; the others take integers and truth values that fit. */
static int check_values(const struct nn_st_file *f, const struct nn_st_entry *e, const nn_tensor *t,
                        const struct nn_message *m)
{
    int64_t low = t->dtype == NN_I32 ? INT32_MIN : 0;
    int64_t high = t->dtype == NN_I32 ? INT32_MAX : t->dtype == NN_U8 ? 255 : 1;
    if (is_real_type(t->dtype) && is_real(e->type))
        return 0;
    if (is_real_type(t->dtype) || is_real(e->type) || e->type == ST_OTHER)
        return nn_report(m, NN_EMISMATCH, "%s: tensor '%s' is %s in the file, and %s in the model", f->path, t->name,
                         e->type_name, nn_dtype_name(t->dtype));
    int64_t count = element_count(t);
    for (int64_t i = 0; i < count; i++) {
        int64_t v = integer_at(e, f->payload + e->begin + (size_t)i * types[e->type].size);
        if (v < low || v > high)
            return nn_report(m, NN_EMISMATCH, "%s: tensor '%s', element %lld is %lld, which %s cannot hold", f->path,
                             t->name, (long long)i, (long long)v, nn_dtype_name(t->dtype));
    }
    return 0;
}

int nn_st_check(const struct nn_st_file *f, const nn_tensor *t, size_t count, int exact, const struct nn_message *m)
{
    for (size_t i = 0; i < count; i++) {
        const struct nn_st_entry *e = nn_st_find(f, t[i].name);
        char ours[128], theirs[128];
        nn_shape_text(ours, sizeof ours, t[i].rank, t[i].shape);
        if (!e)
            return nn_report(m, NN_EMISMATCH, "%s: has no tensor '%s' of shape %s", f->path, t[i].name, ours);
        nn_shape_text(theirs, sizeof theirs, e->rank, e->shape);
        if (!same_shape(e, &t[i]))
            return nn_report(m, NN_EMISMATCH, "%s: tensor '%s' has shape %s, and %s in the model", f->path, t[i].name,
                             theirs, ours);
        if (exact && e->type != own_type(t[i].dtype))
            return nn_report(m, NN_EMISMATCH, "%s: tensor '%s' is %s in the file, and %s in the model", f->path,
                             t[i].name, e->type_name, nn_dtype_name(t[i].dtype));
        int status = check_values(f, e, &t[i], m);
        if (status)
            return status;
    }
    return 0;
}

static void fill(const struct nn_st_entry *e, const unsigned char *p, const nn_tensor *t)
{
    int64_t count = element_count(t);
    size_t step = types[e->type].size;
    for (int64_t i = 0; i < count; i++, p += step) {
        switch (t->dtype) {
        case NN_F32: /* bits stay where the type does */
            if (e->type == ST_F32)
                ((float *)t->data)[i] = float_of((uint32_t)little(p, 4));
            else
                ((float *)t->data)[i] = (float)real_at(e, p);
            break;
        case NN_F64: ((double *)t->data)[i] = real_at(e, p); break;
        case NN_I32: ((int32_t *)t->data)[i] = (int32_t)integer_at(e, p); break;
        default: ((uint8_t *)t->data)[i] = (uint8_t)integer_at(e, p); break;
        }
    }
}

void nn_st_fill(const struct nn_st_file *f, const nn_tensor *t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct nn_st_entry *e = nn_st_find(f, t[i].name);
        if (e)
            fill(e, f->payload + e->begin, &t[i]);
    }
}

int nn_tensors_load(const char *path, const nn_tensor *t, size_t count, char *error, size_t error_size)
{
    struct nn_message m = { error, error_size };
    struct nn_st_file f;
    if (error && error_size)
        *error = 0;
    if (!path || (!t && count))
        return nn_report(&m, NN_ENULL, "a null pointer where a path or tensors are needed");
    int status = nn_st_open(&f, path, &m);
    if (status)
        return status;
    status = nn_st_check(&f, t, count, 0, &m);
    if (!status)
        nn_st_fill(&f, t, count);
    nn_st_close(&f);
    return status;
}

static int check_matrix(const struct nn_st_file *f, const nn_tensor *rows, const nn_tensor *columns, const nn_places *p,
                        const struct nn_message *m)
{
    const struct nn_st_entry *r = nn_st_find(f, rows->name), *c = nn_st_find(f, columns->name);
    int64_t count = element_count(rows), row_before = -1, column_before = -1;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = integer_at(r, f->payload + r->begin + (size_t)i * types[r->type].size);
        int64_t column = integer_at(c, f->payload + c->begin + (size_t)i * types[c->type].size);
        if (row < 0 || row >= p->out || column < 0 || column >= p->in)
            return nn_report(m, NN_EMISMATCH,
                             "%s: '%s' and '%s', element %lld: row %lld, column %lld, outside a matrix of %lld x %lld",
                             f->path, rows->name, columns->name, (long long)i, (long long)row, (long long)column,
                             (long long)p->out, (long long)p->in);
        if (row < row_before || (row == row_before && column <= column_before))
            return nn_report(m, NN_EMISMATCH,
                             "%s: '%s' and '%s', element %lld: places ascend by row and then by column, no two alike",
                             f->path, rows->name, columns->name, (long long)i);
        row_before = row;
        column_before = column;
    }
    return 0;
}

int nn_places_check(const char *path, const nn_tensor *t, const nn_places *of, size_t count, char *error,
                    size_t error_size)
{
    struct nn_message m = { error, error_size };
    struct nn_st_file f;
    if (error && error_size)
        *error = 0;
    if (!path || ((!t || !of) && count))
        return nn_report(&m, NN_ENULL, "a null pointer where a path or tensors are needed");
    int status = nn_st_open(&f, path, &m);
    if (status)
        return status;
    for (size_t i = 0; i < count && !status; i++) {
        const nn_tensor *rows = &t[of[i].rows], *columns = &t[of[i].columns];
        status = nn_st_check(&f, rows, 1, 0, &m);
        status = status ? status : nn_st_check(&f, columns, 1, 0, &m);
        status = status ? status : check_matrix(&f, rows, columns, &of[i], &m);
    }
    nn_st_close(&f);
    return status;
}
