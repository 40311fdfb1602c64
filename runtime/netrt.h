/* netrt.h: the public face of the runtime. What generated models and the programs that use them share: element types,
 * the tensor record, error codes, and nn_model, the table through which generic code drives any generated model.
 *
 * Nothing here keeps state of its own, prints, or ends the process. C11 and C++.
 */
#ifndef NETRT_H
#define NETRT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a generated file compiled against an older runtime would no longer fit. */
#define NN_RUNTIME_VERSION 2

typedef enum nn_dtype { NN_F32, NN_F64, NN_I32, NN_U8, NN_BOOL } nn_dtype;

typedef enum nn_role { NN_PARAM, NN_FROZEN, NN_STATE } nn_role;

/* One parameter or state of a model. The data stays where it is for the life of the instance. */
typedef struct nn_tensor {
    const char *name;
    nn_dtype dtype;
    nn_role role;
    int rank;
    const int64_t *shape;
    void *data;
    void *grad; /* of the same shape and type; NULL where there is none */
} nn_tensor;

/* What a call returns: 0, or one of these. */
enum {
    NN_OK = 0,
    NN_ENULL = -1,        /* a null pointer where data is needed */
    NN_EBATCH = -2,       /* n outside 1..N */
    NN_EINDEX = -3,       /* an index or label out of range */
    NN_EFILE = -4,        /* a file cannot be opened, read or written */
    NN_EFORMAT = -5,      /* a file is not what its format says */
    NN_EMISMATCH = -6,    /* a well-formed file of something else: tensor missing, other shape, other model */
    NN_EMEMORY = -7,      /* no memory, or the place given is too small or not aligned */
    NN_ESTATE = -8,       /* not now: nothing accumulated, gradients pending, or it only infers */
    NN_EUNSUPPORTED = -9, /* the model or this build cannot do that */
    NN_EVALUE = -10       /* a value the element type cannot hold */
};

/* A sentence for a code; never NULL. */
const char *nn_strerror(int code);

/* How the library was compiled: version, lanes, fused or not. */
const char *nn_build_info(void);

const char *nn_dtype_name(nn_dtype t); /* "f32", ... */
size_t nn_dtype_size(nn_dtype t);      /* bytes an element; 0 for what is no type */

/* Bytes an instance of alignment 64 needs; lenet_new allocates with these. NULL when there is no memory. */
void *nn_alloc(size_t bytes);
void nn_free(void *p);

/* --- files of tensors --------------------------------------------------------------------------------------------- */

/* Messages go to error[0..error_size), always ended by a zero byte, empty when all went well. error may be NULL. */

/* Writes count tensors as safetensors, in the order given. meta: NULL or pairs of strings, key then value, ended by a
 * NULL key. The file is written aside, synced and renamed: it is whole or as it was before. */
int nn_tensors_save(const char *path, const nn_tensor *t, size_t count, const char *const *meta, char *error,
                    size_t error_size);

/* Fills count tensors by name and shape; F64, F32, F16, BF16, integers and BOOL are converted where no value is lost in
 * kind. What else the file holds is passed over. Everything is checked before the first element is written: after an
 * error the tensors are as they were. */
int nn_tensors_load(const char *path, const nn_tensor *t, size_t count, char *error, size_t error_size);

/* Two tensors, by their numbers, that hold the rows and the columns of a sparse matrix of out x in. */
typedef struct nn_places {
    int rows, columns;
    int64_t out, in;
} nn_places;

/* Whether the places in a file are those of matrices: within them, ascending by row and then by column, no two alike. */
int nn_places_check(const char *path, const nn_tensor *t, const nn_places *of, size_t count, char *error,
                    size_t error_size);

/* Part of a tensor, by its number: elements that start as 0 and that the model keeps out of its gradient. */
typedef struct nn_blank {
    int tensor;
    int64_t first, count;
} nn_blank;

/* What a checkpoint holds beside tensors: training goes on bit for bit from these. */
typedef struct nn_progress {
    uint64_t seed;   /* of the random stream */
    uint64_t step;   /* steps applied */
    uint64_t draws;  /* position of the streams that advance with calls other than steps; 0 if there are none */
    double lr;       /* rate set by set_lr; negative: the model's own */
    uint64_t app[4]; /* the caller's: the generated program keeps the seed of the data order here */
    /* The caller's, too: NULL or pairs of strings, as nn_tensors_save takes them, to be written into the file. They are
     * not read back, and stay as they are. */
    const char *const *meta;
} nn_progress;

/* Writes t (parameters and states), then extra (optimizer state; names must differ from those of t) and progress.
 * fingerprint names the model and its training setup: a checkpoint of another is refused by nn_checkpoint_load. Weights
 * can be taken from a checkpoint by nn_tensors_load. */
int nn_checkpoint_save(const char *path, const char *fingerprint, const nn_tensor *t, size_t count,
                       const nn_tensor *extra, size_t extra_count, const nn_progress *progress, char *error,
                       size_t error_size);
int nn_checkpoint_load(const char *path, const char *fingerprint, const nn_tensor *t, size_t count,
                       const nn_tensor *extra, size_t extra_count, nn_progress *progress, char *error,
                       size_t error_size);

/* --- the table of a model ----------------------------------------------------------------------------------------- */

/* An input, target or output. A dimension below zero, -k, stands for k * n. The first dimension is the sample where it
 * is negative. */
typedef struct nn_port {
    const char *name;
    nn_dtype dtype;
    int rank;
    const int64_t *shape;
    const char *labels; /* of an output: the target whose classes its numbers are, or NULL */
} nn_port;

/* One kernel of a graph, for a call with the full batch. In train_graph those of the optimizer's step stand behind. */
typedef struct nn_kernel_info {
    const char *name;   /* k3_linear_relu */
    const char *origin; /* lenet.net:10 */
    double macs;        /* multiply-adds */
    double bytes;       /* read and written */
} nn_kernel_info;

/* Time per kernel, filled when the model was compiled with -DNN_PROFILE. */
typedef struct nn_kernel_time {
    uint64_t calls;
    uint64_t nanoseconds;
} nn_kernel_time;

/* What train_step, eval and infer run on. */
typedef struct nn_graph_info {
    int64_t macs; /* multiply-adds of a call with the full batch */
    size_t bytes; /* memory of an instance that can do this, all in one block */
    size_t arena; /* of these, the part for intermediate values */
    int kernels;
    const nn_kernel_info *kernel;
} nn_graph_info;

/* in: the inputs, then (not for infer) the targets, in order of declaration. Pointers to functions are NULL where the
 * net has no such thing. Reals at loss and metrics are of type `real`. All int functions return 0 or NN_E..., and
 * error() says the last failure of that instance in words. */
typedef struct nn_model {
    const char *name;
    int batch;     /* N: the capacity */
    nn_dtype real; /* NN_F32 or NN_F64 */
    int inputs, targets, outputs, metrics;
    const nn_port *input;
    const nn_port *target;
    const nn_port *output;
    const char *const *metric;
    int64_t parameters; /* elements of NN_PARAM and NN_FROZEN tensors */
    nn_graph_info infer_graph;
    nn_graph_info train_graph; /* zeros for a net without loss or emitted without training */

    void *(*create)(uint64_t seed); /* trains and infers; NULL: no memory */
    void (*destroy)(void *m);
    int (*infer)(void *m, int n, const void *const *in, void *const *out);
    int (*train_step)(void *m, int n, const void *const *in, void *loss);
    int (*accumulate)(void *m, int n, const void *const *in, void *loss);
    int (*apply)(void *m);
    int (*eval)(void *m, int n, const void *const *in, void *loss, void *metrics);
    int (*save)(const void *m, const char *path);
    int (*load)(void *m, const char *path);
    int (*checkpoint)(const void *m, const char *path);
    int (*resume)(void *m, const char *path);
    const char *(*error)(const void *m);
    void (*set_lr)(void *m, double lr);
    const nn_tensor *(*tensors)(void *m, size_t *count);
    void (*changed)(void *m);
    void *(*gradients)(void *m, size_t *count);
    nn_progress *(*progress)(void *m); /* the instance's own; what was read may be written back: the same draws again */
    int (*evolve)(void *m);            /* sparse layers: rewire */
    nn_kernel_time *(*profile)(void *m, int train); /* one a kernel of that graph; NULL unless built with NN_PROFILE */
    const nn_blank *blank;                          /* parts of tensors that no gradient is for */
    int blanks;
    const char *build_info; /* what its C was compiled to compute with: lanes, fused or not */
} nn_model;

/* The body of a generated program: `return nn_app_main(&lenet_model, argc, argv);`. It reads .gz data by zlib, and what
 * calls it links with -lz; nn_app_main_plain needs no zlib, and refuses such files in words. Nothing else here needs it. */
int nn_app_main(const nn_model *model, int argc, char **argv);
int nn_app_main_plain(const nn_model *model, int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
