/* passes/parts.h: what the files of `parts` share. parts_classes.c finds out what of a graph goes in parts, parts.c makes
 * it so. */
#ifndef PASSES_PARTS_H
#define PASSES_PARTS_H

#include "passes/shared.h"

/* An operand that is the same in every part, where sums over parts add up: it counts once. */
struct once {
    struct node *reader;
    int index;
};

struct parting {
    struct graph *g;
    struct arena *scratch;
    struct value **total; /* what has to be known of all samples beforehand */
    struct once *once;
    struct node **moved; /* effects that take place beforehand */
    int totals, onces, moves;
    size_t total_capacity, once_capacity, moved_capacity;
    const struct node *against; /* what stands against parts; NULL: nothing */
    const char *why;
    bool again; /* a total was found: what was said of its readers does not hold */
    int trying; /* within a body whose carries are being found out: nothing is noted */
};

/* Whether a batch can go through s->g in parts, and what of it has to be changed for that. */
bool parts_classify(struct parting *s);
bool parts_is_total(const struct parting *s, const struct value *v);

#endif
