/* nn_bytes.c: .txt and .bin: the bytes as they lie. */
#include "nn_data.h"

#include <string.h>

int nn_bytes_parse(const char *name, const struct nn_buffer *b, struct nn_array *out, const struct nn_message *m)
{
    int64_t shape[1] = { (int64_t)b->size };
    int status = nn_array_make(name, out, NN_KIND_U8, 1, shape, m);
    if (!status && b->size)
        memcpy(out->data, b->data, b->size);
    out->stream = 1;
    return status;
}
