/* nn_idx.c: IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, the dimensions, the values; all
 * big-endian.
 */
#include "nn_data.h"

#include <string.h>

static const struct {
    unsigned char code;
    enum nn_kind kind;
} known[] = { { 0x08, NN_KIND_U8 },  { 0x09, NN_KIND_I8 },  { 0x0B, NN_KIND_I16 },
              { 0x0C, NN_KIND_I32 }, { 0x0D, NN_KIND_F32 }, { 0x0E, NN_KIND_F64 } };

static void unpack_idx(const unsigned char *from, struct nn_array *a)
{
    size_t size = nn_kind_size(a->kind), bytes = (size_t)a->count * size;
    const uint16_t probe = 1;
    int swap = *(const unsigned char *)&probe == 1;
    unsigned char *to = a->data;
    for (size_t i = 0; i < bytes; i++)
        to[i] = swap ? from[i - i % size + size - 1 - i % size] : from[i];
}

int nn_idx_parse(const char *name, const struct nn_buffer *b, struct nn_array *out, const struct nn_message *m)
{
    const unsigned char *p = b->data;
    int64_t shape[NN_ARRAY_RANK];
    size_t which = 0, count = sizeof known / sizeof *known;
    if (b->size < 4 || p[0] || p[1])
        return nn_report(m, NN_EFORMAT, "%s: not a valid IDX file: it does not start with two zero bytes", name);
    while (which < count && known[which].code != p[2])
        which++;
    if (which == count)
        return nn_report(m, NN_EFORMAT, "%s: not a valid IDX file: its type 0x%02x is unknown", name, p[2]);
    int rank = p[3];
    if (rank < 1 || rank > NN_ARRAY_RANK || b->size < 4 + 4 * (size_t)rank)
        return nn_report(m, NN_EFORMAT, "%s: not a valid IDX file: %d dimensions in %zu bytes", name, rank, b->size);
    size_t left = b->size - 4 - 4 * (size_t)rank;
    for (int i = 0; i < rank; i++) {
        const unsigned char *d = p + 4 + 4 * i;
        shape[i] = (int64_t)((uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3]);
    }
    int status = nn_array_fits(name, known[which].kind, rank, shape, left, m);
    status = status ? status : nn_array_make(name, out, known[which].kind, rank, shape, m);
    if (!status)
        unpack_idx(p + 4 + 4 * rank, out);
    return status;
}
