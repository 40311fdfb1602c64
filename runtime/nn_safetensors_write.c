/* nn_safetensors_write.c: writing safetensors. One model gives one file, byte for byte: the order is the caller's, the
 * header has no spare spaces but those that align the data to 8 bytes.
 */
#include "nn_safetensors.h"

#include <stdlib.h>
#include <string.h>

/* A header being built. data is NULL after memory ran out. */
struct header {
    char *data;
    size_t size, room;
};

static void put(struct header *h, const char *text, size_t n)
{
    if (h->data && h->size + n > h->room) {
        size_t room = (h->size + n) * 2;
        char *p = realloc(h->data, room);
        if (!p)
            free(h->data);
        h->data = p;
        h->room = room;
    }
    if (!h->data)
        return;
    memcpy(h->data + h->size, text, n);
    h->size += n;
}

static void puts_(struct header *h, const char *text)
{
    put(h, text, strlen(text));
}

static void put_string(struct header *h, const char *text)
{
    puts_(h, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[8];
        if (c >= 0x20 && c != '"' && c != '\\') {
            put(h, text, 1);
        } else {
            snprintf(escape, sizeof escape, c >= 0x20 ? "\\%c" : "\\u%04x", c);
            puts_(h, escape);
        }
    }
    puts_(h, "\"");
}

static size_t bytes_of(const nn_tensor *t)
{
    size_t n = nn_dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->shape[i];
    return n;
}

static void put_tensor(struct header *h, const nn_tensor *t, size_t *at)
{
    static const char *const names[] = { "F32", "F64", "I32", "U8", "BOOL" };
    char text[64];
    size_t end = *at + bytes_of(t);
    puts_(h, h->size > 1 ? "," : "");
    put_string(h, t->name);
    puts_(h, ":{\"dtype\":\"");
    puts_(h, names[t->dtype]);
    puts_(h, "\",\"shape\":[");
    for (int i = 0; i < t->rank; i++) {
        snprintf(text, sizeof text, i ? ",%lld" : "%lld", (long long)t->shape[i]);
        puts_(h, text);
    }
    snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", *at, end);
    puts_(h, text);
    *at = end;
}

static void put_meta(struct header *h, const char *const *meta)
{
    puts_(h, "\"__metadata__\":{");
    for (int i = 0; meta[i]; i += 2) {
        puts_(h, i ? "," : "");
        put_string(h, meta[i]);
        puts_(h, ":");
        put_string(h, meta[i + 1]);
    }
    puts_(h, "}");
}

static void build(struct header *h, const nn_tensor *t, size_t count, const nn_tensor *extra, size_t extra_count,
                  const char *const *meta)
{
    size_t at = 0;
    puts_(h, "{");
    if (meta && meta[0])
        put_meta(h, meta);
    for (size_t i = 0; i < count; i++)
        put_tensor(h, &t[i], &at);
    for (size_t i = 0; i < extra_count; i++)
        put_tensor(h, &extra[i], &at);
    puts_(h, "}");
    while (h->data && h->size % 8)
        puts_(h, " ");
}

int nn_st_write(const char *path, const nn_tensor *t, size_t count, const nn_tensor *extra, size_t extra_count,
                const char *const *meta, const struct nn_message *message)
{
    struct header h = { malloc(4096), 0, 4096 };
    struct nn_writer w;
    build(&h, t, count, extra, extra_count, meta);
    if (!h.data)
        return nn_report(message, NN_EMEMORY, "%s: not enough memory to write the file", path);
    int status = nn_file_begin(&w, path, message);
    if (!status) {
        uint64_t size = h.size;
        nn_file_put(&w, &size, 1, sizeof size);
        nn_file_put(&w, h.data, h.size, 1);
        for (size_t i = 0; i < count; i++)
            nn_file_put(&w, t[i].data, bytes_of(&t[i]) / nn_dtype_size(t[i].dtype), nn_dtype_size(t[i].dtype));
        for (size_t i = 0; i < extra_count; i++)
            nn_file_put(&w, extra[i].data, bytes_of(&extra[i]) / nn_dtype_size(extra[i].dtype),
                        nn_dtype_size(extra[i].dtype));
        status = nn_file_commit(&w, message);
    }
    free(h.data);
    return status;
}

int nn_tensors_save(const char *path, const nn_tensor *t, size_t count, const char *const *meta, char *error,
                    size_t error_size)
{
    struct nn_message m = { error, error_size };
    if (error && error_size)
        *error = 0;
    if (!path || (!t && count))
        return nn_report(&m, NN_ENULL, "a null pointer where a path or tensors are needed");
    return nn_st_write(path, t, count, NULL, 0, meta, &m);
}
