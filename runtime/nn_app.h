/* nn_app.h: the body of a generated program, within the runtime: its options, its data, and one function a command. All
 * commands drive the model through nn_model. They return the program's exit status: 0, 1 (something failed), 2 (wrong
 * usage), and have then said why on standard error.
 */
#ifndef NN_APP_H
#define NN_APP_H

#include "nn_data.h"

enum { NN_APP_FILES = 64 };

/* --in NAME=FILE and the like. */
struct nn_binding {
    const char *name; /* name_size bytes of it */
    int name_size;
    const char *file;
};

struct nn_bindings {
    struct nn_binding of[NN_APP_FILES];
    int count;
};

struct nn_options {
    struct nn_bindings in, val_in, out;
    const char *windows, *val_windows;
    const char *weights, *save, *checkpoint, *resume, *log;
    uint64_t seed;
    int64_t epochs, steps, every, iterations, samples; /* -1: not given */
    int batch, n, skip_lines;                          /* -1: not given */
    double lr;
    int has_seed, has_lr, no_shuffle, quiet, train, json, kernels, help;
    nn_unpack *unpack; /* not an option: what .gz data are unpacked by, or NULL */
};

/* Reads the options of a command. 0, or 2 after a message; help is set where it was asked for. */
int nn_options_read(const nn_model *model, const char *command, int argc, char **argv, struct nn_options *o);

/* The whole program; unpack: by what .gz data are read, or NULL. */
int nn_app_run(const nn_model *model, nn_unpack *unpack, int argc, char **argv);

/* Whether nothing that is read would be overwritten, nor two outputs be one file: 0, or 1 or 2 after a message. */
int nn_app_paths_check(const nn_model *model, const char *command, const struct nn_options *o);

/* The text of `PROGRAM COMMAND --help`, or of the program's with command NULL. */
void nn_options_help(const nn_model *model, const char *command, FILE *out);

int nn_app_info(const nn_model *model, const struct nn_options *o);
int nn_app_train(const nn_model *model, const struct nn_options *o);
int nn_app_eval(const nn_model *model, const struct nn_options *o);
int nn_app_infer(const nn_model *model, const struct nn_options *o);
int nn_app_bench(const nn_model *model, const struct nn_options *o);
int nn_app_check(const nn_model *model, const struct nn_options *o);

/* "lenet: ..." on standard error; gives status. */
#if defined __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
int nn_app_fail(const nn_model *model, int status, const char *format, ...);

/* --- data --------------------------------------------------------------------------------------------------------- */

/* The samples of one input or target. */
struct nn_column {
    const nn_port *port;
    const char *file; /* without columns */
    char *path;       /* the same, where it is the column's own */
    unsigned char *data;
    int64_t each;                 /* values a sample */
    size_t sample_size;           /* bytes of them */
    int shift;                    /* windows: bytes behind the window's start; else -1 */
    int64_t *line;                /* of each sample in the file; NULL where it has none */
    int *column;                  /* of each value of a sample; likewise */
    const struct nn_words *words; /* of its numbers; NULL or empty: none */
};

/* Inputs, then targets. Where windows are taken, `samples` are as many as lie side by side in the stream. */
struct nn_set {
    const nn_model *model;
    struct nn_column *column;
    int columns;
    int64_t samples;
    unsigned char *stream; /* windows: the bytes, how long a window is, and how far behind it a shifted one ends */
    int64_t stream_size, window, reach;
    const char *stream_file;
};

/* Where the samples of a command are. option: what names them, for messages. */
struct nn_source {
    const struct nn_bindings *in;
    const char *windows;
    const char *option; /* "in" or "val-in" */
    int targets;        /* whether targets are needed too */
    int skip_lines;
    nn_unpack *unpack;
    struct nn_words *words; /* of each port; new ones are added */
    const char *loaded;     /* weights or a checkpoint that the numbers of words have to be those of; NULL: none */
    int quiet;              /* new words are not said */
};

/* Reads them. 0, 1 or 2; nn_set_free is due in any case. */
int nn_set_read(struct nn_set *s, const nn_model *model, const struct nn_source *from);
void nn_set_free(struct nn_set *s);

/* The words of each port that a weight file names: none for NULL. NULL after a message: the file is none, say. */
struct nn_words *nn_app_words_new(const nn_model *model, const char *weights);
void nn_app_words_free(const nn_model *model, struct nn_words *words);

/* The same as pairs for a file's metadata, up to a NULL. NULL after a message. */
char **nn_app_words_pack(const nn_model *model, const struct nn_words *words);
void nn_app_words_drop(char **pairs);

/* The ports in order: inputs, then targets; and the outputs. */
const nn_port *nn_app_port(const nn_model *model, int i);
const nn_port *nn_app_output(const nn_model *model, int i);

/* The names of so many of them, for a message about one that is not there. */
enum { NN_APP_NAMES = 512 };
const char *nn_app_names(char to[NN_APP_NAMES], const nn_model *model, const nn_port *port(const nn_model *, int),
                         int count);
int64_t nn_port_each(const nn_port *p); /* values a sample; 0 where the samples cannot be told apart */

/* Room for a batch of each port: as many pointers as there are inputs and targets. NULL: no memory. */
void **nn_batch_new(const nn_model *model);
void nn_batch_free(const nn_model *model, void **batch);

/* Room for a batch of each output, likewise. */
void **nn_outputs_new(const nn_model *model);
void nn_outputs_free(const nn_model *model, void **out);
size_t nn_port_bytes(const nn_port *p, int n); /* of n samples */

/* A number that tells these samples, in whatever order, from others. */
uint64_t nn_set_sum(const struct nn_set *s);

/* Copies samples; index holds places as nn_order_at gives them. */
void nn_set_gather(const struct nn_set *s, const int64_t *index, int n, void *const *batch);

/* The place of sample i when all are taken one after the other. */
int64_t nn_set_place(const struct nn_set *s, int64_t i);

/* Which sample stands where: a pure function of seed, epoch and place, so a run that is resumed needs no more than
 * them. */
struct nn_order {
    const struct nn_set *set;
    uint64_t seed;
    int shuffle;
    int64_t epoch; /* of the permutation at hand; -1: none */
    int64_t *permutation;
};

int nn_order_make(struct nn_order *o, const struct nn_set *set, uint64_t seed,
                  int shuffle); /* 0, or 1 after a message */
void nn_order_free(struct nn_order *o);
int64_t nn_order_at(struct nn_order *o, int64_t epoch, int64_t place);

/* Says why a call on a batch failed: file, sample, what was expected. Gives 1. */
int nn_app_call_failed(const struct nn_set *s, void *m, int code, const int64_t *index, int n, void *const *batch);

/* Inputs and targets at random, within the ranges the model takes. 0, or 1 after a message. */
int nn_batch_random(const nn_model *model, void *m, int n, void **batch);

/* --- shared by commands ------------------------------------------------------------------------------------------- */

void *nn_app_create(const nn_model *model, uint64_t seed);            /* NULL after a message */
int nn_app_load(const nn_model *model, void *m, const char *weights); /* 0 or 1 */

/* 0, or 1 or 2 after a message: weights are missing, and the model has what they would hold. */
int nn_app_needs_weights(const nn_model *model, const char *command, const struct nn_options *o);

/* Writes the weights, and beside them packed words. 0 or 1. */
int nn_app_save(const nn_model *model, void *m, char *const *words, const char *path);
double nn_app_real(const nn_model *model, const void *reals, int i);
double nn_app_now(void); /* seconds */

/* Loss and metrics over all samples; metrics may be NULL. */
int nn_app_evaluate(const struct nn_set *s, void *m, double *loss, double *metrics);

#endif
