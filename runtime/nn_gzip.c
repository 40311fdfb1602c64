/* nn_gzip.c: .gz data. The one file that names zlib: the linker takes it from the library for a program that calls
 * nn_app_main, and for no other, so models in programs of their own link without -lz.
 */
#include "nn_app.h"

#if defined NN_NO_ZLIB

int nn_app_main(const nn_model *model, int argc, char **argv)
{
    return nn_app_main_plain(model, argc, argv);
}

#else

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* One gzip member after the other. */
static int inflate_members(z_stream *z, struct nn_buffer *out, size_t *room)
{
    for (;;) {
        if (nn_buffer_grow(out, room))
            return Z_MEM_ERROR;
        size_t space = *room - 1 - out->size;
        z->next_out = out->data + out->size;
        z->avail_out = space > 1u << 30 ? 1u << 30 : (uInt)space;
        uInt offered = z->avail_out;
        int status = inflate(z, Z_NO_FLUSH);
        out->size += offered - z->avail_out;
        if (status == Z_STREAM_END) {
            if (z->avail_in < 2 || z->next_in[0] != 0x1f || z->next_in[1] != 0x8b)
                return Z_OK;
            inflateReset(z);
        } else if (status != Z_OK) {
            return status;
        }
    }
}

int nn_gunzip(const char *path, struct nn_buffer *packed, const struct nn_message *message)
{
    z_stream z;
    struct nn_buffer out = { NULL, 0 };
    size_t room = 0;
    memset(&z, 0, sizeof z);
    if (packed->size > 0xFFFFFFFFu)
        return nn_report(message, NN_EUNSUPPORTED, "%s: compressed files beyond 4 GB are not read", path);
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return nn_report(message, NN_EMEMORY, "%s: not enough memory to unpack the file", path);
    z.next_in = packed->data;
    z.avail_in = (uInt)packed->size;
    int status = inflate_members(&z, &out, &room);
    inflateEnd(&z);
    if (status != Z_OK) {
        free(out.data);
        if (status == Z_MEM_ERROR)
            return nn_report(message, NN_EMEMORY, "%s: not enough memory to unpack the file", path);
        return nn_report(message, NN_EFORMAT, "%s: the gzip data is %s", path,
                         status == Z_BUF_ERROR ? "cut short" : "damaged");
    }
    out.data[out.size] = 0;
    free(packed->data);
    *packed = out;
    return 0;
}

int nn_app_main(const nn_model *model, int argc, char **argv)
{
    return nn_app_run(model, nn_gunzip, argc, argv);
}

#endif
