/* ir/parse.h: what the files that read a dump share.
 *
 *     parse.c         modules and graphs, names, types
 *     parse_var.c     variables and optimizers
 *     parse_op.c      operations and their bodies
 *
 * A parse_ function that gives false has reported why; its caller goes on behind the line. */
#ifndef IR_PARSE_H
#define IR_PARSE_H

#include "ir/build.h"
#include "ir/ir.h"
#include "ir/reader.h"

/* The values known by name in one graph or body. Bodies are closed: each has a scope of its own. */
struct scope {
    struct graph *graph;
    const char **name; /* interned; open addressing */
    struct value **value;
    size_t size, count;
};

struct parser {
    struct reader r;
    struct arena *a;
    struct module *m;
    int depth; /* of bodies */
};

struct value *scope_find(const struct scope *s, const char *key);                    /* NULL: unknown */
bool scope_add(struct parser *p, struct scope *s, const char *key, struct value *v); /* false: taken */

/* A value's or variable's name as scopes know it, so that %w and @w are two. */
const char *key_of(struct parser *p, const struct token *t);

bool parse_shape(struct parser *p, struct dim *dims, int *count, int most);
bool parse_type(struct parser *p, struct type *t);
bool parse_offset(struct parser *p, int64_t *offset); /* " at 4096", where memory is planned; else -1 */

bool parse_var(struct parser *p, enum role role, struct scope *s);
bool parse_optimizer(struct parser *p);
bool parse_sparse(struct parser *p);
bool parse_operation(struct parser *p, struct scope *s);

/* Lines of a graph or body, up to something that is none of its own. False when errors are too many to go on. */
bool parse_lines(struct parser *p, struct scope *s);

#endif
