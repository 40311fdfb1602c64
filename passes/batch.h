/* passes/batch.h: what the files of batch_scan share: what moves before a scan (batch_scan.c), what moves behind it
 * (batch_after.c), and one operation of a body done for all steps at once (batch_rules.c).
 *
 * A value of a body has a step's shape. All steps of it are one value outside with one axis more, the steps', which lies
 * where the scan walks, or last where the value has too few axes: `batch_place`. What does not vary from step to step
 * stands outside as it is. */
#ifndef PASSES_BATCH_H
#define PASSES_BATCH_H

#include "ir/build.h"
#include "passes/shared.h"

struct batch {
    struct build b; /* where outside operations go */
    int64_t axis;   /* along which the scan walks */
    struct dim steps;
};

int batch_place(const struct batch *a, int rank);
bool batch_fits(const struct batch *a, struct type t); /* all steps of a value of that type can be one value */

/* Whether n can be done for all steps at once where these operands vary; one that none of them do is as it was. */
bool batch_can(const struct batch *a, const struct node *n, const bool *varies);
void batch_node(struct batch *a, const struct node *n, struct value *const *x, const bool *varies, struct value **y);

/* A value that does not vary, for all steps. */
struct value *batch_widen(struct batch *a, struct value *v);

/* Operations that sum products, all steps' operands given: their results, added up over the steps. */
bool batch_can_add_up(const struct batch *a, const struct node *n, const bool *varies);
struct value *batch_add_up(struct batch *a, const struct node *n, struct value *const *x);

/* All steps of a value of so many axes, added up, along some of its own axes as well. */
struct value *batch_sum(struct batch *a, struct value *v, const int64_t *axes, int count, bool keepdims);

/* n again, of other operands and none of its attributes changed. */
struct value *batch_copy(struct batch *a, const struct node *n, struct value *const *x);

/* ---- a scan at work: batch_scan.c ---- */

struct batch_scan {
    struct node *scan;
    struct graph *body;
    struct arena *scratch;
    int sequences, carries, stacked;
    int64_t most; /* bytes a step that may be stored for what is done outside */
    struct batch a;
};

/* What is known of a value of the body, in its data. */
struct seen {
    bool early;            /* made of slices and captured values alone, by operations that can leave the scan */
    bool varies;           /* from step to step */
    bool captures, costly; /* made of captured values; by more than cheap operations */
    bool at_hand;          /* all steps of it can be had behind the scan for next to nothing */
    bool adds_up;          /* so can their sum, or by one product */
    bool stored;           /* the body has to yield it */
    bool outside, added;   /* all steps of it, or their sum, are wanted outside */
    struct value *whole, *sum;
};

struct seen *batch_seen(const struct value *v);
void batch_look(struct batch_scan *s); /* the scan as it stands: counts, and `early` of all values */
bool batch_is_contraction(const struct node *n);
bool batch_node_can(const struct batch_scan *s, const struct node *n);
void batch_build(struct batch_scan *s,
                 struct node *n); /* n outside: `whole` of its results from that of its operands */

/* batch_after.c: true where something went behind the scan. */
bool batch_after(struct batch_scan *s);

#endif
