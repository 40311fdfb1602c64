/* passes/shared.h: what one pass uses of another. */
#ifndef PASSES_SHARED_H
#define PASSES_SHARED_H

#include "passes/passes.h"

/* dce.c: removes what nothing reads from one graph and its bodies. True where something went. */
bool dce_graph(struct graph *g);
bool node_has_effect(const struct node *n); /* it, or something in its bodies */

/* pipeline.c: lists of names, separated by commas. next_name: the next one of *list, which moves behind it; NULL at the
 * end. */
const char *next_name(const char **list, size_t *length);
bool list_has(const char *list, const char *name);

/* cse.c: a table of operations. node_table_add gives the operation equal to n that was added before, or n itself after
 * adding it. Operations that have bodies or an effect (but for `bound`) equal no other; draws of one stream
 * are equal. */
struct node_table;
struct node_table *node_table_new(struct arena *a);
struct node *node_table_add(struct node_table *t, struct node *n);

/* Whether n changes coordinates only, or is a constant: free to compute again. hoist.c. */
bool node_is_free(const struct node *n);

/* Changing a bodied operation in place: results, with their yields, and parameters, with their operands, that nothing
 * uses; and the value of an int attribute. dce.c. */
void bodied_drop_result(struct node *n, int index);
void bodied_drop_param(struct node *n, int index);
void node_set_int(struct node *n, const char *attribute, int64_t value);

#endif
