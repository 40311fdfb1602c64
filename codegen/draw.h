/* codegen/draw.h: where things of a picture lie. NET.html's script draws what is computed here and places nothing itself.
 * Integers alone: the same numbers on every machine. */
#ifndef CODEGEN_DRAW_H
#define CODEGEN_DRAW_H

#include "codegen/c_emit.h"
#include "ir/base/names.h"

/* ---- draw_layers.c, draw_places.c: boxes and edges between them ---- */

struct draw_point {
    int x, y;
};

struct draw_box {
    int width, height; /* given; the width is even */
    int x, y;          /* found: its upper left corner */
};

/* From the lower side of a box to the upper side of a later one. The way goes down from point 0 to 1, in a curve on to 2,
 * down to 3, and so on: an even number of points. Curves lie between layers, so no edge crosses a box. */
struct draw_edge {
    int from, to;
    struct draw_point *point;
    int points;
};

/* Edges come in ascending order of `to`, each pair once, and from < to. */
struct drawing {
    struct draw_box *box;
    struct draw_edge *edge;
    int boxes, edges;
    int width, height; /* found: all lies within */
};

void draw_layers(struct arena *a, struct drawing *d);

/* What one connected part of a drawing is to the two files. */
struct draw_link {
    int up, down; /* spots of neighbouring layers */
};

/* For each of some things a list of others: those of thing i are item[first[i]] to item[first[i + 1] - 1]. */
struct draw_lists {
    int *first, *item;
};

/* A box in its layer, or a point (box < 0) where edges pass through a layer. x: its centre. */
struct draw_spot {
    int box, layer, at, x, half;
};

struct draw_part {
    struct arena *arena;
    struct drawing *d;
    int layers;
    struct draw_spot *spot; /* of boxes first, in their order */
    int spots;
    struct draw_link *link;
    int links;
    struct draw_lists up, down; /* of each spot, the links to neighbours in the layers above and below */
    struct draw_lists row;      /* of each layer its spots from left to right: spot[i].at counts them */
    int *passes;                /* of each box, the first of its points; one follows in each layer further down */
};

int draw_sweeps(const struct draw_part *p, int most); /* how many may be made of those that would be good */
void draw_places(struct draw_part *p);

/* ---- draw_graph.c, draw_plan.c: what they are made of, as JSON ---- */

/* Texts that stand in the page once each; who means one writes its number. */
struct draw_pool {
    struct names *names;
    struct text list; /* as elements of a JSON list */
};

/* Lines of dumps with what belongs to them, names of operations, lines of the model; drawings, by what they depend on. */
struct draw_pools {
    struct draw_pool lines, labels, places, drawings;
};

struct draw_pools draw_pools_new(struct arena *a);
int draw_number(const struct graph *g); /* node->id of every operation, in the order of the dump; how many they are */
int draw_inside(const struct node *n);  /* how many operations its bodies hold; their numbers follow its own */
void draw_graph(struct draw_pools *p, struct text *t, const struct graph *g, const char *dump);
void draw_plan(struct emit *e, struct text *t, const struct graph *g);

#endif
