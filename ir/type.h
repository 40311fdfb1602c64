/* ir/type.h: the type of a tensor: what its elements are and how long each axis is.
 *
 * A dimension is an integer or an integer multiple of the batch size, which is known only when the generated code runs
 * (any n with 1 <= n <= N). "real" is f32, or f64 for a whole module (--dtype f64); no type mixes them. */
#ifndef IR_TYPE_H
#define IR_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/text.h"

enum { MAX_RANK = 8 };
#define MAX_ELEMENTS  ((int64_t)1 << 40)
#define MAX_DIMENSION INT32_MAX /* of what a model says; indices are i32 */

enum dtype { DT_POISON, DT_REAL, DT_I32, DT_U8, DT_BOOL };

struct dim {
    int64_t k; /* the length, or its multiple of the batch size */
    bool n;
};

struct type {
    enum dtype dtype;
    int rank;
    struct dim dim[MAX_RANK];
};

struct dim dim_of(int64_t k);
struct dim dim_batch(int64_t k); /* k * N */
bool dim_equal(struct dim a, struct dim b);
int64_t dim_size(struct dim d, int64_t n); /* its length where the batch holds n samples */
bool dim_is_one(struct dim d);             /* 1 and not a multiple of N: the length that broadcasts */

struct type type_make(enum dtype dtype, int rank, const struct dim *dim);
struct type type_scalar(enum dtype dtype);
struct type type_with(struct type t, enum dtype dtype); /* the same shape of other elements */
struct type type_poison(void);
bool type_is_poison(struct type t);
bool type_equal(struct type a, struct type b);
bool shape_equal(struct type a, struct type b);
bool shape_same_size(struct type a, struct type b); /* equal products, in powers of N too */
int shape_batches(struct type t);                   /* how many dimensions are multiples of N */
int64_t shape_rows_of_samples(struct type t); /* elements in front of the one dimension that is; 1: samples lie apart */

/* Elements where the batch holds n samples. type_count_checked: false where the product is above MAX_ELEMENTS. */
int64_t type_count(struct type t, int64_t n);
bool type_count_checked(struct type t, int64_t n, int64_t *count);

/* NumPy's broadcasting; false where the shapes disagree. N broadcasts only against 1 and equals only k*N alike. */
bool shape_broadcast(struct type a, struct type b, struct type *out);

/* Spelling: "f32[N,3,2*N]", "[N,3]". Real is written f32, or f64 where `f64`. */
void text_dim(struct text *t, struct dim d);
void text_type(struct text *t, struct type type, bool f64);
void text_shape(struct text *t, struct type type);
const char *dtype_name(enum dtype d, bool f64);
const char *type_text(struct arena *a, struct type t, bool f64);
const char *shape_text(struct arena *a, struct type t);

#endif
