/* ir/build.h: making operations. Every call infers the types of the results and checks the operands; an error is
 * reported at the builder's place, and the result is poison. A poison operand gives poison in silence. */
#ifndef IR_BUILD_H
#define IR_BUILD_H

#include "ir/graph.h"

struct build {
    struct graph *graph;
    struct node *before; /* new operations go before it; NULL: at the end */
    struct place at;
    const char *layer; /* interned, "" at the top */
};

struct build build_at(struct graph *g, struct node *before); /* place and layer are taken from `before` */
struct build build_end(struct graph *g, struct place at, const char *layer);

/* The general form. attrs by name, in any order; those with a default may be left out. Returns NULL after an error.
 * scan, custom and fused come without results: give them their bodies (node_add_body), then call infer; or build_bodied
 * does both. */
struct node *build_node(struct build *b, enum op op, struct value *const *operands, int count, const struct attr *attrs,
                        int attr_count);
struct node *build_bodied(struct build *b, enum op op, struct value *const *operands, int count,
                          const struct attr *attrs, int attr_count, struct graph *const *bodies, int body_count);
struct attr at_int(const char *name, int64_t i);
struct attr at_real(const char *name, double x);
struct attr at_bool(const char *name, bool flag);
struct attr at_word(const char *name, const char *word);
struct attr at_ints(const char *name, const int64_t *ints, int count);
struct attr at_dims(const char *name, const struct dim *dims, int count);
bool attr_is_default(const struct attr *a, const struct attr_decl *d); /* what leaving it out gives; -0 is not 0 */

struct value *poison(struct build *b);
bool is_poison(const struct value *v);

/* One result each. Elementwise operations broadcast their operands first (operation `broadcast`, which adds leading axes
 * too), so that the operands of the operation itself have one shape. What changes nothing gives its operand back. */
struct value *build_unary(struct build *b, enum op op, struct value *x);
struct value *build_binary(struct build *b, enum op op, struct value *x, struct value *y);
struct value *build_select(struct build *b, struct value *c, struct value *x, struct value *y);
struct value *build_constant(struct build *b, double v, enum dtype dtype); /* rank 0 */
struct value *build_full(struct build *b, double v, struct type t);        /* constant, broadcast */
struct value *build_cast(struct build *b, struct value *x, enum dtype to); /* x itself where it is so already */
struct value *build_reduce(struct build *b, enum op op, struct value *x, const int64_t *axes, int count, bool keepdims);
struct value *build_reshape(struct build *b, struct value *x, const struct dim *shape, int rank);
struct value *build_broadcast(struct build *b, struct value *x, const struct dim *shape, int rank); /* NumPy's rule */
struct value *build_transpose(struct build *b, struct value *x, const int64_t *perm);
struct value *build_swap(struct build *b, struct value *x); /* the last two axes */
struct value *build_slice(struct build *b, struct value *x, int axis, int64_t begin, int64_t end, int64_t step);
struct value *build_concat(struct build *b, struct value *const *x, int count, int axis);
struct value *build_pad(struct build *b, struct value *x, const int64_t *pairs, double value);
struct value *build_matmul(struct build *b, struct value *x, struct value *y, bool ta, bool tb);
struct value *build_unbroadcast(struct build *b, struct value *dy,
                                struct type to); /* sums dy back to the shape it was broadcast from */
void build_effect(struct build *b, enum op op, struct value *x, const char *name); /* output, loss, metric */
void build_write(struct build *b, enum op op, struct var *v, struct value *x);     /* assign, accumulate */

/* ir/infer.c: gives the types of n's results from operands, attributes and bodies, or reports what is wrong at n->at and
 * returns false. Results that are not there yet are made; of those that are there already the types are set. */
bool infer(struct node *n);
const char *op_said(const struct module *m, enum op op); /* how messages name it, after module.speaker */

#endif
