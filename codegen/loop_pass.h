/* codegen/loop_pass.h: what the loop passes share. */
#ifndef CODEGEN_LOOP_PASS_H
#define CODEGEN_LOOP_PASS_H

#include "codegen/codegen.h"

#define LOOP_PASS(name, level, what) loop_pass_fn loop_##name;
#include "codegen/loops.def"
#undef LOOP_PASS

enum { STREAMED_BYTES = 1 << 24 }; /* as nn_vec.h's NN_STREAMED_BYTES */

/* Replaces expressions: `rule` gives what stands for x, whose operands are replaced already; x itself where it
 * stays. */
struct rewrite {
    struct lkernel *k;
    struct lx *(*rule)(struct rewrite *r, struct lx *x);
    void *context;
    struct lx **known; /* by expression, what it became; may be filled beforehand */
    size_t capacity;
};

struct lx *rewrite_value(struct rewrite *r, struct lx *x);
void rewrite_block(struct rewrite *r, struct lblock *b); /* every statement, also those inside others */
void rewrite_set(struct rewrite *r, const struct lx *x, struct lx *with);

#endif
