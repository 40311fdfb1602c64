/* nn_safetensors.h: the safetensors format, within the runtime. A file is a header's length (8 bytes), a JSON header
 * that names tensors with type, shape and place, and their bytes. Everything is little-endian.
 */
#ifndef NN_SAFETENSORS_H
#define NN_SAFETENSORS_H

#include "nn_file.h"

enum { NN_ST_RANK = 16 };

/* Types that are stored; ST_OTHER is a type we know by no name. */
enum nn_st_type {
    ST_F64,
    ST_F32,
    ST_F16,
    ST_BF16,
    ST_I64,
    ST_I32,
    ST_I16,
    ST_I8,
    ST_U64,
    ST_U32,
    ST_U16,
    ST_U8,
    ST_BOOL,
    ST_OTHER
};

/* One tensor of a file. begin <= end <= the payload's size; for known types end - begin is the shape's product times
 * the element's size. */
struct nn_st_entry {
    char *name;
    enum nn_st_type type;
    char type_name[16];
    int rank;
    int64_t shape[NN_ST_RANK];
    size_t begin, end;
};

struct nn_st_pair {
    char *key, *value;
};

/* A parsed file. It owns the buffer and all strings. */
struct nn_st_file {
    const char *path;
    struct nn_buffer bytes;
    const unsigned char *payload;
    size_t payload_size;
    struct nn_st_entry *entry; /* sorted by name, no two alike */
    size_t entries;
    struct nn_st_pair *pair; /* __metadata__ */
    size_t pairs;
};

/* Reads and checks a file as a whole. After an error nothing is to be freed. */
int nn_st_open(struct nn_st_file *f, const char *path, const struct nn_message *message);

/* The same from bytes already in memory, which are taken over whatever happens. */
int nn_st_parse(struct nn_st_file *f, const char *path, struct nn_buffer bytes, const struct nn_message *message);

void nn_st_close(struct nn_st_file *f);

const struct nn_st_entry *nn_st_find(const struct nn_st_file *f, const char *name);
const char *nn_st_meta(const struct nn_st_file *f, const char *key); /* NULL where there is none */

/* Whether every tensor can be filled from the file; and filling them, which cannot fail afterwards. exact: only the
 * same element type will do. */
int nn_st_check(const struct nn_st_file *f, const nn_tensor *t, size_t count, int exact,
                const struct nn_message *message);
void nn_st_fill(const struct nn_st_file *f, const nn_tensor *t, size_t count);

/* Writes a file of two lists of tensors. meta as in nn_tensors_save. */
int nn_st_write(const char *path, const nn_tensor *t, size_t count, const nn_tensor *extra, size_t extra_count,
                const char *const *meta, const struct nn_message *message);

/* "[3, 4]" into a buffer. */
void nn_shape_text(char *text, size_t size, int rank, const int64_t *shape);

#endif
