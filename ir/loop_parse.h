/* ir/loop_parse.h: what loop_parse.c (kernels and statements) and loop_read.c (expressions) share. */
#ifndef IR_LOOP_PARSE_H
#define IR_LOOP_PARSE_H

#include "ir/loop.h"
#include "ir/reader.h"

/* A name in scope: one of buf, var and let. */
struct loop_binding {
    const char *name;
    struct lbuf *buf;
    struct lvar *var;
    struct lx *let;
    const struct loop_binding *next;
};

struct loop_parser {
    struct reader r;
    struct lkernel *k;
    const struct loop_binding *scope; /* innermost first */
    int nesting;                      /* of blocks and of expressions */
    int operators;                    /* in the statement at hand */
};

const struct loop_binding *loop_find(struct loop_parser *p, const char *name);
bool loop_parse_dim(struct loop_parser *p, struct dim *d);

/* Expressions; NULL or false after a report. */
struct lx *loop_parse_value(struct loop_parser *p);
struct lx *loop_parse_index(struct loop_parser *p); /* a sum of type i32 */
/* "[i,j]", of buf's rank */
bool loop_parse_indices(struct loop_parser *p, const struct lbuf *buf, struct lx **index);

#endif
