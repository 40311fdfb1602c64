/* ir/infer.h: what the rules of infer*.c share, and inference that changes nothing, for verify.c. */
#ifndef IR_INFER_H
#define IR_INFER_H

#include "ir/build.h"

/* One operation being typed. A rule fills type[0..results) or reports and returns false. */
struct inference {
    const struct node *n;
    struct arena *arena;
    struct type x[MAX_OPERAND_NAMES]; /* of the first operands */
    struct type *type;                /* of the results: `few`, or an array where there are more */
    struct type few[2];
    int results;
};

/* Fills f with the types that n's results have by its operands, attributes and bodies, or reports what is wrong. */
bool infer_types(const struct node *n, struct inference *f);

typedef bool infer_rule(struct inference *f);

/* Reports what is wrong at the operation's place, led by its name; returns false. */
bool wrong(const struct inference *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *shown(const struct inference *f, struct type t);    /* "f32[N,3]" */
const char *shape_of(const struct inference *f, struct type t); /* "[N,3]" */
bool want_dtype(const struct inference *f, int operand, enum dtype d);
bool want_rank(const struct inference *f, int operand, int least, int most);
bool want_axis(const struct inference *f, int64_t axis, int rank);
bool want_fixed(const struct inference *f, struct type t, int64_t axis); /* that axis is no multiple of N */

infer_rule infer_matmul, infer_conv, infer_conv_dx, infer_conv_dw, infer_maxpool, infer_maxpool_dx, infer_avgpool,
    infer_avgpool_dx, infer_gather, infer_scatter_add, infer_take_along, infer_put_along, infer_one_hot,
    infer_sparse_matmul, infer_dots, infer_attention, infer_attention_dx, infer_winograd_weight, infer_winograd,
    infer_winograd_dw, infer_winograd_dw_weight, infer_scan, infer_bodied;

#endif
