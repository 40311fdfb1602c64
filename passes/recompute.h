/* passes/recompute.h: what the files of `recompute` share: a graph as an order of steps, which is cheap to change and to
 * measure (recompute_order.c), changes to it (recompute_change.c), and the choice among them (recompute.c). */
#ifndef PASSES_RECOMPUTE_H
#define PASSES_RECOMPUTE_H

#include "passes/shared.h"

enum { SMALL = 16 }; /* a value so many times smaller than what is made of it may as well stay */

/* A value of the order. Copies of one value have one root, the item that the graph's own operation gives. */
struct item {
    int64_t bytes;  /* 0: it lies outside the arena */
    int step, last; /* where it is made, the last step that reads it; -1: it is not made */
    int root;
    int copy,
        readers; /* in an order that order_whole_copy gave: the next of the same root, or -1; where in `reader` its
                        * readers begin */
};

/* An operation at its place, or again at another. Orders share their steps: what differs in one is another step. */
struct step {
    struct node *of;
    double work;
    bool stays;          /* it has an effect */
    bool once;           /* it cannot run again */
    bool stands;         /* it checks data, or is no kernel: it does not move either */
    bool checks, writes; /* data; variables */
    bool again;
    const int64_t *inner, *aside; /* sizes of the values within a scan; of what goes aside where it runs again */
    int inners, asides;
    const int *read, *give; /* items; variables are none */
    int reads, gives;
    const bool *in_place; /* of what is given and what is read: the one may lie in the other's place; NULL: none may */
};

struct order {
    struct arena *arena;
    const struct step **step;
    struct item *item;
    size_t item_capacity;
    int steps, items;
    /* In an order that order_whole_copy gave: all items' readers, and the steps that check or write; -1 behind an item's
     * last, and behind the last of those. */
    const int *reader, *wary;
    double work;
};

/* ---- recompute_order.c ---- */

struct order *order_of(struct graph *g, struct arena *a);
struct order *order_copy(const struct order *from, int more_steps, struct arena *a); /* its steps are the same */
struct order *order_whole_copy(const struct order *from,
                               struct arena *a); /* shares nothing, and has no items that are not made */
struct step *order_again(struct order *o, const struct step *s); /* the step once more, reading and giving the same */
int order_add_item(struct order *o, int64_t bytes, int root);    /* root -1: itself */
void order_finish(struct order *o, struct arena *scratch); /* after a change: steps nobody needs go, lives are found */
/* The same where the steps from one to another have changed places, and nothing else. */
void order_finish_between(struct order *o, int from, int to);
int64_t *order_live_bytes(const struct order *o, struct arena *a); /* at each step */
/* At those steps alone, the first of them first; `across`: what lives from before them on into them. */
int64_t *order_live_between(const struct order *o, int from, int to, int64_t across, struct arena *a);
int order_peak(const struct order *o, const int64_t *live); /* the first step where most live */
int64_t order_planned_bytes(const struct order *o, struct arena *scratch);
void order_to_graph(const struct order *o, struct graph *g, struct arena *scratch);

/* ---- recompute_change.c: each gives another order, or NULL where there is none ---- */

/* `item` is not kept beyond what reads it before step `at`: it is made again there. sharing: what was made again for
 * readers still later is made here instead, and lives on; NULL where there is none. NULL too where that takes more work than
 * most_work. */
struct order *made_later(const struct order *from, int item, int at, bool sharing, double most_work, struct arena *a);
/* All that reads `item` from step `at` on runs before that step; *to: behind that one all steps stay where they are. */
struct order *read_earlier(const struct order *from, int item, int at, int *to, struct arena *a);
/* Of a graph's own order: what is read behind the step `turn` is kept where the order is cut, and all else made again from
 * cut to cut, in segments that keep `segment` bytes, or a little more. */
struct order *cut_order(const struct order *from, int turn, int64_t segment, struct arena *a);

#endif
