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
/* All passes behind the first of this name, without a word, for trying something out on a copy; false after an error. */
bool pipeline_behind(struct module *m, const struct pass_context *c, const char *pass);

/* cse.c: a table of operations. node_table_add gives the operation equal to n that was added before, or n itself after
 * adding it. Operations that have bodies or an effect (but for `bound`) equal no other; draws of one stream
 * are equal. */
struct node_table;
struct node_table *node_table_new(struct arena *a);
struct node *node_table_add(struct node_table *t, struct node *n);

/* Whether n changes coordinates only, or is a constant: free to compute again. hoist.c. */
bool node_is_free(const struct node *n);
/* Whether n draws random numbers, which each call, and each sample, has others of: hoist.c. */
bool node_draws(const struct node *n);

/* What a tensor takes in memory at the full batch, reals as f32: passes choose alike for both. keep.c. */
int64_t full_bytes(const struct module *m, struct type t);
int64_t value_bytes(const struct value *v);
bool value_is_small(const struct value *v, const struct value *beside); /* so that to load it costs nothing */

/* Whether a convolution that makes this image itself (ir/nest.h) has so much to do for it that making it once more is little.
 * The direct gradient of weights may have less: one pass for all readers is better then. keep.c. */
bool image_pays(const struct use *u);

/* Changing a bodied operation in place: results, with their yields, and parameters, with their operands, that nothing
 * uses; and the value of an int attribute. dce.c. */
void bodied_drop_result(struct node *n, int index);
void bodied_drop_param(struct node *n, int index);
void node_set_int(struct node *n, const char *attribute, int64_t value);
bool bodied_trim(struct node *n); /* all of them that nothing uses, and what that leaves unread in the bodies */

/* Changing a scan in place: scan.c. */
int scan_stacked(const struct node *scan);                               /* how many results hold all steps */
void scan_insert_results(struct node *scan, int stacked, int more);      /* behind those, without types */
struct value *scan_add_yield(struct node *scan, struct value *v);        /* the result that holds all steps of v */
struct value *scan_add_sequence(struct node *scan, struct value *whole); /* the parameter that is one step of it */
/* The shape in which all steps of a value of type t can lie side by side: it needs the axes before the scan's, and room
 * for one axis more. */
struct type scan_stackable(const struct node *scan, struct type t);

/* schedule.c */
bool group_has(const struct node *n, enum op op);   /* a group with such an operation */
bool node_checks(const struct node *n);             /* may end a call over data that is computed in it */
bool group_writes(const struct node *n, int index); /* a group that writes the variable which that operand reads */

/* winograd.c: the sums of gradients that groups of g keep apart (`parts` of winograd_dw) become as many as they are for so
 * many samples, one for one sample; true where that changed any. */
bool winograd_keep_apart(struct graph *g, int64_t samples);

/* recompute.c: the bytes that are left for an arena; all graphs' arenas lie in one place. */
int64_t arena_room(const struct budget *b, struct module *m);

/* plan.c: a value's place and the steps between which it lives; bytes are those it takes, spacing included. It may lie in
 * the place of another, which is in front of it, has its size and dies where it is born. */
struct buffer {
    struct value *value;
    int64_t bytes, offset;
    int born, dies;
    int in; /* whose place it takes; -1: it has its own */
};

int64_t plan_bytes(const struct module *m, struct type t, int64_t samples); /* what a value takes */
/* The buffers of a graph in its order, those within a scan behind the scan's own results, and how many steps it has. */
struct buffer *plan_lives(struct graph *g, struct arena *scratch, int *count, int *steps);
/* Of each result, given the pairs of in_place_pairs, which results are read and which operands die: the operand whose
 * place it takes, or -1. */
void plan_in_place(const bool *pairs, int results, int operands, const bool *read, const bool *dies, int *in);
/* The most that live at once. */
int64_t plan_bound(const struct buffer *buffer, int count, int steps, struct arena *scratch);
/* Gives offsets; the arena's size. More rounds never give a larger one; where many orders are compared, fewer will do. */
enum { PLAN_ROUNDS = 40, PLAN_ROUNDS_OF_MANY = 4 };
int64_t plan_places(struct buffer *buffer, int count, int steps, int rounds, struct arena *scratch);
void plan_graph(struct graph *g, int rounds, struct arena *scratch);

#endif
