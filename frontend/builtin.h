/* frontend/builtin.h: arguments of built-in functions, bound by their signatures in builtin.def. */
#ifndef FRONTEND_BUILTIN_H
#define FRONTEND_BUILTIN_H

#include "frontend/elab.h"

enum { MAX_BUILTIN_ARGS = 10, MAX_VARIADIC = 4096 };

struct builtin_args {
    const struct builtin *f;
    struct place at;
    const struct ast *call, *item;    /* as it is written, or NULL; at work: one of its arguments */
    bool piped;                       /* its tensor does not stand in it */
    struct val arg[MAX_BUILTIN_ARGS]; /* in the order of the signature; constants' defaults filled in */
    const char *name[MAX_BUILTIN_ARGS];
    struct place where[MAX_BUILTIN_ARGS];
    bool given[MAX_BUILTIN_ARGS];
    int tensors, count;            /* the first are tensors */
    bool variadic, constants_only; /* no number stands for a tensor */
    struct val *more;              /* of a variadic tensor: all of them */
    int mores;
    size_t more_capacity;
};

/* Each reports what is wrong and then gives false or NULL. i: the argument's position in the signature. */
struct value *arg_tensor(struct elab *e, struct builtin_args *g, int i, enum dtype like);
bool arg_int(struct elab *e, struct builtin_args *g, int i, int64_t *out);
bool arg_real(struct elab *e, struct builtin_args *g, int i, double *out);
bool arg_bool(struct elab *e, struct builtin_args *g, int i, bool *out);
bool arg_ints(struct elab *e, struct builtin_args *g, int i, int64_t **out, int *count); /* a list, or one integer */
bool arg_shape(struct elab *e, struct builtin_args *g, int i, struct type *out);         /* with element type real */
bool arg_axis(struct elab *e, struct builtin_args *g, int i, int rank, int *axis);       /* negative: from the end */
bool arg_axes(struct elab *e, struct builtin_args *g, int i, int rank, int64_t *axes,
              int *count); /* none: all; ascending */
const char *arg_word(struct elab *e, struct builtin_args *g, int i);

/* Why these dimensions, -1 one of them or not, are not those of x's samples, and what are; NULL where they may be. */
const char *samples_hint(struct elab *e, const struct value *x, const struct val *dims, int count);
/* Of two axes of the tensor x, as it is written (NULL: a chain passes it); NULL where one is not there. */
const char *swap_hint(struct elab *e, int rank, int64_t a, int64_t b, const struct ast *x);
const struct ast *first_written(const struct builtin_args *g); /* its first argument, by place; NULL: there is none */

/* builtin_ops.c: what the rows of builtin.def run. */
#define BUILTIN(name, signature, run) struct val builtin_##run(struct elab *e, struct builtin_args *g);
#include "frontend/builtin.def"
#undef BUILTIN

#endif
