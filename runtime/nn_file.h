/* nn_file.h: files, within the runtime: read whole, written whole or not at all. Not for generated code.
 *
 * Messages are sentences without a full stop, for "lenet: " to stand before them. Whoever fails writes one.
 */
#ifndef NN_FILE_H
#define NN_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "netrt.h"

/* Where a message goes. text may be NULL. */
struct nn_message {
    char *text;
    size_t size;
};

#if defined __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
int nn_report(const struct nn_message *message, int code, const char *format, ...); /* gives code */

/* A file's bytes, with a zero byte behind them that is not counted. Freed with free(). */
struct nn_buffer {
    unsigned char *data;
    size_t size;
};

/* Makes room for at least one more byte beside the closing zero; *room is what there is. 0 or NN_EMEMORY. */
int nn_buffer_grow(struct nn_buffer *b, size_t *room);

/* Unpacks a file's bytes in place. Who reads packed files says by what: zlib is linked where nn_gunzip is named. */
typedef int nn_unpack(const char *path, struct nn_buffer *b, const struct nn_message *message);
int nn_gunzip(const char *path, struct nn_buffer *packed, const struct nn_message *message);

/* Reads a file to its end; what starts as gzip does is unpacked, or refused where unpack is NULL. */
int nn_file_read(const char *path, nn_unpack *unpack, struct nn_buffer *out, const struct nn_message *message);

/* The same for what is not data but weights: never unpacked. */
int nn_file_read_plain(const char *path, struct nn_buffer *out, const struct nn_message *message);

/* A file being written: beside its place, under a name of its own, until nn_file_commit. Devices are written directly.
 */
struct nn_writer {
    FILE *stream;
    char *target;
    char *temporary; /* NULL for a device */
    const char *path;
};

int nn_file_begin(struct nn_writer *w, const char *path, const struct nn_message *message);
int nn_file_commit(struct nn_writer *w, const struct nn_message *message);
void nn_file_abandon(struct nn_writer *w);

/* Puts bytes of a number into little-endian order on any machine. */
void nn_file_put(struct nn_writer *w, const void *data, size_t count, size_t element_size);

#endif
