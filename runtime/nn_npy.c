/* nn_npy.c: NumPy's .npy: little-endian, C order, and of types f4 f8 i1 i2 i4 i8 u1 b1. */
#include "nn_data.h"

#include <stdlib.h>
#include <string.h>

static int bad(const char *name, const struct nn_message *m, const char *why)
{
    return nn_report(m, NN_EFORMAT, "%s: not a valid .npy file: %s", name, why);
}

/* The value behind 'key': in the header's dictionary, or NULL. */
static const char *value_of(const char *header, const char *key)
{
    char quoted[24];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static int read_kind(const char *name, const char *header, enum nn_kind *kind, const struct nn_message *m)
{
    static const struct {
        const char *name;
        enum nn_kind kind;
    } known[] = { { "'<f4'", NN_KIND_F32 }, { "'<f8'", NN_KIND_F64 },  { "'|i1'", NN_KIND_I8 },
                  { "'<i2'", NN_KIND_I16 }, { "'<i4'", NN_KIND_I32 },  { "'<i8'", NN_KIND_I64 },
                  { "'|u1'", NN_KIND_U8 },  { "'|b1'", NN_KIND_BOOL }, { "'<i1'", NN_KIND_I8 },
                  { "'<u1'", NN_KIND_U8 },  { "'<b1'", NN_KIND_BOOL } };
    const char *at = value_of(header, "descr");
    for (size_t i = 0; at && i < sizeof known / sizeof *known; i++)
        if (!strncmp(at, known[i].name, 5)) {
            *kind = known[i].kind;
            return 0;
        }
    int length = at && *at == '\'' ? (int)strcspn(at + 1, "'") : 0;
    if (at && !strncmp(at, "'>", 2))
        return nn_report(m, NN_EFORMAT, "%s: its values are big-endian; little-endian ones are read", name);
    return nn_report(m, NN_EFORMAT, "%s: its type '%.*s' is not read; f4 f8 i1 i2 i4 i8 u1 and b1 are", name,
                     length > 16 ? 16 : length, at ? at + 1 : "");
}

static int read_shape(const char *name, const char *header, int *rank, int64_t shape[NN_ARRAY_RANK],
                      const struct nn_message *m)
{
    const char *at = value_of(header, "shape");
    *rank = 0;
    if (!at || *at++ != '(')
        return bad(name, m, "its header has no shape");
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')')
            return 0;
        if (*at < '0' || *at > '9')
            return bad(name, m, "its shape is malformed");
        if (*rank == NN_ARRAY_RANK)
            return bad(name, m, "it has more than 8 dimensions");
        int64_t n = 0;
        for (; *at >= '0' && *at <= '9'; at++) {
            if (n > INT64_MAX / 16)
                return bad(name, m, "its shape is too large");
            n = n * 10 + (*at - '0');
        }
        shape[(*rank)++] = n;
    }
}

/* From little-endian to the machine's order. */
static void unpack_npy(const unsigned char *from, struct nn_array *a)
{
    size_t size = nn_kind_size(a->kind), bytes = (size_t)a->count * size;
    const uint16_t probe = 1;
    unsigned char *to = a->data;
    if (size == 1 || *(const unsigned char *)&probe == 1) {
        if (bytes)
            memcpy(to, from, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        to[i] = from[i - i % size + size - 1 - i % size];
}

static int parse_header(const char *name, const char *header, const unsigned char *data, size_t size,
                        struct nn_array *out, const struct nn_message *m)
{
    enum nn_kind kind = NN_KIND_F32;
    int rank;
    int64_t shape[NN_ARRAY_RANK];
    int status = read_kind(name, header, &kind, m);
    status = status ? status : read_shape(name, header, &rank, shape, m);
    if (status)
        return status;
    const char *order = value_of(header, "fortran_order");
    if (!order || (strncmp(order, "False", 5) && strncmp(order, "True", 4)))
        return bad(name, m, "its header has no fortran_order");
    if (*order == 'T' && rank > 1)
        return nn_report(m, NN_EFORMAT, "%s: its values are in Fortran's order; save numpy.ascontiguousarray(x)", name);
    status = nn_array_fits(name, kind, rank, shape, size, m);
    status = status ? status : nn_array_make(name, out, kind, rank, shape, m);
    if (!status)
        unpack_npy(data, out);
    return status;
}

int nn_npy_parse(const char *name, const struct nn_buffer *b, struct nn_array *out, const struct nn_message *m)
{
    const unsigned char *p = b->data;
    if (b->size < 10 || memcmp(p, "\x93NUMPY", 6))
        return bad(name, m, "it does not start like one");
    size_t start = p[6] == 1 ? 10 : 12, size = p[8] | (size_t)p[9] << 8;
    if (p[6] < 1 || p[6] > 3 || b->size < start)
        return bad(name, m, "its version is unknown");
    if (p[6] > 1)
        size |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (size > b->size - start)
        return bad(name, m, "it is cut short within its header");
    char *header = malloc(size + 1);
    if (!header)
        return nn_report(m, NN_EMEMORY, "%s: not enough memory", name);
    memcpy(header, p + start, size);
    header[size] = 0;
    int status = parse_header(name, header, p + start + size, b->size - start - size, out, m);
    free(header);
    return status;
}

int nn_npy_write(const char *path, nn_dtype type, int rank, const int64_t *shape, const void *data,
                 const struct nn_message *message)
{
    static const char *const names[] = { "<f4", "<f8", "<i4", "|u1", "|b1" };
    struct nn_writer w;
    char header[512];
    size_t count = 1, at;
    at = (size_t)snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (", names[type]);
    for (int i = 0; i < rank && at < 400; i++) {
        at += (size_t)snprintf(header + at, sizeof header - at,
                               rank == 1 ? "%lld,"
                               : i       ? ", %lld"
                                         : "%lld",
                               (long long)shape[i]);
        count *= (size_t)shape[i];
    }
    at += (size_t)snprintf(header + at, sizeof header - at, "), }");
    while ((10 + at + 1) % 64)
        header[at++] = ' ';
    header[at++] = '\n';
    const unsigned char start[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(at & 255), (unsigned char)(at >> 8)
    };
    int status = nn_file_begin(&w, path, message);
    if (status)
        return status;
    nn_file_put(&w, start, sizeof start, 1);
    nn_file_put(&w, header, at, 1);
    nn_file_put(&w, data, count, nn_dtype_size(type));
    return nn_file_commit(&w, message);
}
