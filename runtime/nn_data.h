/* nn_data.h: data files, within the runtime. Every format is read into an nn_array, whose first dimension is the
 * sample; nn_array_column turns that into what an input takes.
 */
#ifndef NN_DATA_H
#define NN_DATA_H

#include "nn_file.h"

enum { NN_ARRAY_RANK = 8 };

enum nn_kind { NN_KIND_F32, NN_KIND_F64, NN_KIND_I8, NN_KIND_I16, NN_KIND_I32, NN_KIND_I64, NN_KIND_U8, NN_KIND_BOOL };

/* Elements in this machine's byte order. stream: bytes without samples of their own; shape is then their number. */
struct nn_array {
    enum nn_kind kind;
    int rank;
    int64_t shape[NN_ARRAY_RANK];
    int64_t count; /* the shape's product */
    void *data;
    int stream;
    int64_t *line; /* of each sample, from 1, where the file has lines; else NULL */
    int *column;   /* likewise of each value of a sample, from 0 */
};

/* Words of a label column in order of appearance. One list serves all files of an input. */
struct nn_words {
    char **word;
    size_t count;
};

enum { NN_WORDS_MOST = 1 << 16, NN_WORD_LONGEST = 255 };

/* The number of the word that is these n bytes: count where it is not known. */
size_t nn_words_find(const struct nn_words *w, const char *text, size_t n);

/* The same, and a new word becomes the last. NN_EFORMAT: it is empty, too long or one too many; NN_EMEMORY. */
int nn_words_number(struct nn_words *w, const char *text, size_t n);

/* What a file of samples is read for. */
struct nn_data_request {
    const char *spec;       /* a path; for CSV, or .tsv, with ":columns" */
    int skip_lines;         /* CSV */
    int integers;           /* one integer a sample: words may stand for them */
    struct nn_words *words; /* CSV; may be NULL */
    nn_unpack *unpack;      /* NULL: .gz is refused */
};

/* The path within a spec, malloc'ed; NULL: no memory. Columns stand behind a name that ends in .csv or .tsv, and behind any
 * other where they are numbers and the whole is no file. */
char *nn_data_path(const char *spec);

/* Reads a file of any format. */
int nn_data_read(const struct nn_data_request *r, struct nn_array *out, const struct nn_message *message);
void nn_array_free(struct nn_array *a);
void nn_words_free(struct nn_words *w);

/* Formats, from bytes in memory. name stands in messages. */
int nn_npy_parse(const char *name, const struct nn_buffer *b, struct nn_array *out, const struct nn_message *message);
int nn_idx_parse(const char *name, const struct nn_buffer *b, struct nn_array *out, const struct nn_message *message);
int nn_csv_parse(const char *name, const struct nn_buffer *b, const char *columns, char separator,
                 const struct nn_data_request *r, struct nn_array *out, const struct nn_message *message);
int nn_bytes_parse(const char *name, const struct nn_buffer *b, struct nn_array *out, const struct nn_message *message);

/* Makes an array of this shape with room for its elements; checks products. */
int nn_array_make(const char *name, struct nn_array *a, enum nn_kind kind, int rank, const int64_t *shape,
                  const struct nn_message *message);
size_t nn_kind_size(enum nn_kind k);

/* Whether a file has as many bytes of values as this shape needs; for before memory is asked for. */
int nn_array_fits(const char *name, enum nn_kind kind, int rank, const int64_t *shape, size_t bytes,
                  const struct nn_message *message);

/* ", line 18, column 4: sample 17" or ": sample 17", for behind a file's name. value: which of the sample's. */
enum { NN_PLACE_TEXT = 96 };
const char *nn_place_text(char to[NN_PLACE_TEXT], const int64_t *line, const int *column, int64_t sample,
                          int64_t value);

/* Samples for an input that takes `each` elements of type a sample, in the array's order whatever its shape. *samples
 * is how many there are; *out is malloc'ed. A value the type cannot hold is an error that names the file and the
 * sample. */
int nn_array_column(const char *name, const struct nn_array *a, nn_dtype type, int64_t each, void **out,
                    int64_t *samples, const struct nn_message *message);

/* .npy, version 1.0. */
int nn_npy_write(const char *path, nn_dtype type, int rank, const int64_t *shape, const void *data,
                 const struct nn_message *message);

/* A line a row; read back, the numbers are the same. Integers that have words (which may be NULL) are written as these. */
int nn_csv_write(const char *path, char separator, nn_dtype type, int64_t rows, int64_t columns, const void *data,
                 const struct nn_words *words, const struct nn_message *message);

/* Whether a file of that name is written: 0, or NN_EUNSUPPORTED after a message. */
int nn_array_name(const char *path, const struct nn_message *message);

/* As CSV, of so many rows, where the name ends in .csv (or .tsv: tabs), else as .npy. */
int nn_array_write(const char *path, nn_dtype type, int rank, const int64_t *shape, int64_t rows, const void *data,
                   const struct nn_words *words, const struct nn_message *message);

#endif
