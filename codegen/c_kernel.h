/* codegen/c_kernel.h: what c_print.c (functions and statements) and c_expr.c (expressions) share. */
#ifndef CODEGEN_C_KERNEL_H
#define CODEGEN_C_KERNEL_H

#include "codegen/codegen.h"
#include "ir/base/names.h"
#include "ir/base/text.h"
#include "ir/loop.h"
#include "ir/loop_lanes.h"

struct c_kernel {
    struct text *t;
    struct lkernel *k;
    struct lanes *lanes;   /* of the vector loop being printed; NULL in scalar code */
    const struct ls *wide; /* that loop where it takes NN_WIDE vectors at a time, which `vec` counts; else NULL */
    bool busy;             /* in a sum whose body is some loops over tiles: all of them are unrolled */
    int depth;             /* of indentation */
    const struct ls *part; /* the loop some of whose iterations this function does; NULL: a kernel */
    struct text *before;   /* functions that the kernel calls */
    struct names *shared;  /* numbers what kernels of a file may have in common (c_shared.c); NULL: nothing */
    struct names *words;   /* the kernel's names, numbered as they were given, and what else stands in its C */
    bool in_runs;          /* several threads may call it, and share its loops out */
    bool uses_n;
    uint64_t uses_param; /* a bit each */
};

void c_indent(struct c_kernel *c);
void c_worth(struct c_kernel *c, const struct ls *threads);            /* a condition */
void c_loop(struct c_kernel *c, const struct ls *s);                   /* no iterations in lanes */
const char *c_tight(const struct lblock *b);                           /* an attribute of the function, or "" */
const char *c_argument(const struct lkernel *k, const struct lbuf *b); /* its parameter */
/* One more parameter, on a line of its own where it would stand behind column 120. *column: where the line ends. */
void c_parameter(struct text *t, size_t *column, const char *parameter);
void c_bound(struct text *t, const struct c_kernel *c,
             const struct lblock *b); /* what n is at most, where that is worth it */

/* c_part.c. What a function takes besides its iterations, as parameters and as they are given. */
struct passed {
    const struct c_words *words; /* of its body */
    struct text *parameters, *given;
    size_t column;
    bool fails; /* something cannot be passed */
};
bool c_pass(struct passed *p, struct c_kernel *c, const struct c_kernel *part, const struct ls *loop);
void c_in_threads(struct c_kernel *c, const struct ls *loop);

/* c_shared.c. The kernel's names that stand in a text: in which order they came, from 1 on, by their number; and the text with that for
 * them, which is the same of what does the same. */
struct c_words {
    int *as, count;
    struct text alike;
};
struct names *c_number_names(const struct lkernel *k);
struct c_words c_words(const struct c_kernel *c, const struct text *t);
bool c_has_word(const struct c_kernel *c, const struct c_words *w, const char *name);
bool c_may_share(const struct c_kernel *c, const struct lblock *b, const struct ls *loop);
void c_shared_loop(struct c_kernel *c, const struct ls *loop);

/* x as C where operators binding less than `precedence` need parentheses. In a vector loop what varies is a vector, all
 * else a scalar. */
enum c_precedence { C_CHOICE, C_OR, C_EQUAL, C_COMPARE, C_SUM, C_PRODUCT, C_UNARY, C_POSTFIX };
void c_expr(struct c_kernel *c, struct lx *x, enum c_precedence precedence);
void c_lanes(struct c_kernel *c, struct lx *x);                                    /* as a vector: a scalar is spread */
void c_element(struct c_kernel *c, const struct lbuf *b, struct lx *const *index); /* "x[i * 3 + j]", "acc" */

void c_real(struct text *t, double x, bool f64); /* a constant: the shortest digits that read back as this */

const char *c_value_type(const struct lkernel *k, enum dtype t, bool lanes); /* of a let or a scalar */
const char *c_element_type(const struct lkernel *k, enum dtype t);           /* of an array's element */

#endif
