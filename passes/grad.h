/* passes/grad.h: what the files of `differentiate` share: the tape (grad.c), the rules (grad_rules.c) and the rules of
 * operations with bodies (grad_scan.c). */
#ifndef PASSES_GRAD_H
#define PASSES_GRAD_H

#include "ir/term.h"
#include "passes/shared.h"

/* One operation whose results have gradients. A rule fills dx where `need` says so; NULL: no gradient flows. */
struct grad {
    struct build b; /* the end of the graph, with the operation's own place */
    struct node *node;
    struct value **x, **y; /* operands and results */
    struct value **dy;     /* gradients of the results; NULL: none */
    struct value **dx;
    bool *need; /* the operand is real and depends on what is differentiated for */
    struct tape *tape;
};

typedef void grad_fn(struct grad *g);

/* Rules written as text, parsed once. */
struct grad_texts {
    int count[OP_COUNT];
    struct term *term[OP_COUNT][MAX_OPERAND_NAMES];
};

/* Reverse accumulation over one graph. While it lasts, the data of the graph's values belongs to the tape. */
struct tape {
    struct graph *graph;
    struct node *last; /* the forward part ends with it; NULL: there is none */
    struct arena *scratch;
    struct grad_texts *texts;
};

/* In this order: start, want what gradients are asked for, forward (who depends on it), seed, backward, gradient. */
void tape_start(struct tape *t, struct graph *g, struct arena *scratch, struct grad_texts *texts);
void tape_want(struct value *v); /* only real values heed it */
void tape_forward(struct tape *t);
bool tape_active(const struct value *v);
void tape_seed(struct build *b, struct value *v, struct value *dy);
void tape_backward(struct tape *t);
struct value *tape_gradient(const struct value *v); /* NULL: none flows to v */

/* A term over the operands' names, y and dy. */
struct value *grad_term(struct grad *g, const char *text);

/* The rules of ops.def that are functions. */
#define OP(name, operands, attributes, type, gradient, lowering, element, flags) gradient
#define BY(text)
#define FN(f) grad_fn grad_##f;
#define ZERO
#define NONE
#include "ir/ops.def"
#undef OP
#undef BY
#undef FN
#undef ZERO
#undef NONE

#endif
