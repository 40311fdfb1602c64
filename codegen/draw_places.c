/* codegen/draw_places.c: coordinates for a layered drawing: centres near those of neighbours, as close to them as the
 * order and the room of others allow; then the edges: straight down through layers, in curves between them. */
#include "codegen/draw.h"

#include <limits.h>
#include <stdlib.h>

enum { ROUNDS = 3 };                              /* of sweeps down and up, at most */
enum { BOX_GAP = 26, POINT_GAP = 12, PORT = 12 }; /* between boxes; beside an edge; between the ends of edges */
enum { LAYER_GAP = 24, STEEP = 14, LAYER_GAP_MOST = 72 };

/* ---- numbers as near as may be to what they should be ---- */

struct wish {
    int64_t x, weight;
    int room; /* to the one before, at least */
    int got;
};

struct block {
    int64_t sum, weight;
    int count;
};

/* To the nearest. */
static int64_t mean_of(const struct block *b)
{
    int64_t twice = 2 * b->sum + b->weight, q = twice / (2 * b->weight);
    return q - (twice % (2 * b->weight) < 0);
}

/* Least squares: minimises the sum of weight (got - x)^2 where each has its room. Neighbours that want to overlap become
 * a block, which lies where its members want it to on average (pool adjacent violators). */
static void grant(struct wish *w, int count, struct block *block)
{
    int blocks = 0;
    int64_t room = 0;
    for (int i = 0; i < count; i++) {
        room += i ? w[i].room : 0;
        block[blocks++] = (struct block){ (w[i].x - room) * w[i].weight, w[i].weight, 1 };
        for (; blocks > 1 && mean_of(&block[blocks - 2]) > mean_of(&block[blocks - 1]); blocks--) {
            block[blocks - 2].sum += block[blocks - 1].sum;
            block[blocks - 2].weight += block[blocks - 1].weight;
            block[blocks - 2].count += block[blocks - 1].count;
        }
    }
    room = 0;
    for (int b = 0, i = 0; b < blocks; b++)
        for (int end = i + block[b].count; i < end; i++) {
            room += i ? w[i].room : 0;
            w[i].got = (int)(mean_of(&block[b]) + room);
        }
}

/* ---- centres ---- */

struct placing {
    struct draw_part *p;
    int *above, *below; /* of each spot: the layers of the longest way that ends there, and that begins there */
    struct wish *wish;
    struct block *block;
};

static int row_size(const struct draw_part *p, int layer)
{
    return p->row.first[layer + 1] - p->row.first[layer];
}

static struct draw_spot *spot_at(const struct draw_part *p, int layer, int at)
{
    return &p->spot[p->row.item[p->row.first[layer] + at]];
}

static int room_between(const struct draw_spot *a, const struct draw_spot *b)
{
    return a->half + b->half + (a->box >= 0 && b->box >= 0 ? BOX_GAP : POINT_GAP);
}

static void longest_ways(struct placing *g)
{
    const struct draw_part *p = g->p;
    g->above = NEW_ARRAY(p->arena, p->spots, int);
    g->below = NEW_ARRAY(p->arena, p->spots, int);
    for (int i = 0; i < p->spots; i++) { /* rows from above, and from below */
        int x = p->row.item[i], y = p->row.item[p->spots - 1 - i];
        for (int k = p->down.first[x]; k < p->down.first[x + 1]; k++) {
            int *to = &g->above[p->link[p->down.item[k]].down];
            *to = *to > g->above[x] + 1 ? *to : g->above[x] + 1;
        }
        for (int k = p->up.first[y]; k < p->up.first[y + 1]; k++) {
            int *to = &g->below[p->link[p->up.item[k]].up];
            *to = *to > g->below[y] + 1 ? *to : g->below[y] + 1;
        }
    }
}

/* Bends in the midst of an edge are the worst, then those at its ends. */
static int stiffness(const struct draw_spot *a, const struct draw_spot *b)
{
    return a->box < 0 && b->box < 0 ? 8 : a->box < 0 || b->box < 0 ? 2 : 1;
}

/* Longer ways weigh more: what is long becomes straight, and what is short stands beside it. */
static int64_t weight_of(const struct placing *g, const struct draw_link *x)
{
    const struct draw_spot *spot = g->p->spot;
    return (int64_t)stiffness(&spot[x->up], &spot[x->down]) * (g->above[x->up] + 1) * (g->below[x->down] + 1);
}

enum { ABOVE = 1, BELOW = 2 };

/* The mean place of a spot's neighbours on these sides. The weight is 0 where there are none. */
static struct wish wish_for(const struct placing *g, int spot, int sides)
{
    const struct draw_part *p = g->p;
    int64_t sum = 0, all = 0;
    for (int side = ABOVE; side <= BELOW; side++) {
        const struct draw_lists *list = side == ABOVE ? &p->up : &p->down;
        for (int k = list->first[spot]; sides & side && k < list->first[spot + 1]; k++) {
            const struct draw_link *x = &p->link[list->item[k]];
            int64_t weight = weight_of(g, x);
            sum += weight * p->spot[side == ABOVE ? x->up : x->down].x;
            all += weight;
        }
    }
    return (struct wish){ all ? sum / all : p->spot[spot].x, all, 0, 0 };
}

/* Who has no neighbour on these sides goes where it has some, and out of the way of others. */
static struct wish wish_or_yield(const struct placing *g, int spot, int sides)
{
    struct wish w = wish_for(g, spot, sides);
    if (w.weight)
        return (struct wish){ w.x, w.weight * 16, 0, 0 };
    return (struct wish){ wish_for(g, spot, ABOVE | BELOW).x, 1, 0, 0 };
}

static void place_layer(struct placing *g, int layer, int sides)
{
    int count = row_size(g->p, layer);
    for (int i = 0; i < count; i++) {
        const struct draw_spot *s = spot_at(g->p, layer, i);
        g->wish[i] = wish_or_yield(g, (int)(s - g->p->spot), sides);
        g->wish[i].room = i ? room_between(spot_at(g->p, layer, i - 1), s) : 0;
    }
    grant(g->wish, count, g->block);
    for (int i = 0; i < count; i++)
        spot_at(g->p, layer, i)->x = g->wish[i].got;
}

/* Every layer side by side around 0. */
static void start(struct draw_part *p)
{
    for (int l = 0; l < p->layers; l++) {
        int x = 0, count = row_size(p, l);
        for (int i = 0; i < count; i++) {
            struct draw_spot *s = spot_at(p, l, i);
            x += i ? room_between(spot_at(p, l, i - 1), s) : 0;
            s->x = x;
        }
        for (int i = 0; i < count; i++)
            spot_at(p, l, i)->x -= x / 2;
    }
}

/* A point moves under what lies above it as far as its neighbours let it. */
static void straighten(struct draw_part *p)
{
    for (int l = 1; l < p->layers; l++)
        for (int i = 0, count = row_size(p, l); i < count; i++) {
            struct draw_spot *s = spot_at(p, l, i);
            if (s->box >= 0)
                continue;
            int x = p->spot[p->link[p->up.item[p->up.first[s - p->spot]]].up].x;
            if (i && x < spot_at(p, l, i - 1)->x + room_between(spot_at(p, l, i - 1), s))
                x = spot_at(p, l, i - 1)->x + room_between(spot_at(p, l, i - 1), s);
            if (i + 1 < count && x > spot_at(p, l, i + 1)->x - room_between(s, spot_at(p, l, i + 1)))
                x = spot_at(p, l, i + 1)->x - room_between(s, spot_at(p, l, i + 1));
            s->x = x;
        }
}

static void place_layers(struct placing *g, bool downwards, int sides)
{
    for (int l = 0; l < g->p->layers; l++)
        place_layer(g, downwards ? l : g->p->layers - 1 - l, sides);
}

/* Sweeps that look back alone carry places through the whole drawing; those that look both ways finish. */
static void find_centres(struct placing *g)
{
    int rounds = draw_sweeps(g->p, 2 * ROUNDS) / 2;
    longest_ways(g);
    start(g->p);
    for (int i = 0; i < rounds; i++) {
        place_layers(g, true, ABOVE);
        place_layers(g, false, BELOW);
    }
    place_layers(g, true, ABOVE);
    place_layers(g, false, ABOVE | BELOW);
    place_layers(g, true, ABOVE | BELOW);
    straighten(g->p);
}

/* All from x = 0 on; the drawing's width. */
static void align(struct draw_part *p)
{
    int low = INT_MAX, high = INT_MIN;
    for (int i = 0; i < p->spots; i++) {
        low = p->spot[i].x - p->spot[i].half < low ? p->spot[i].x - p->spot[i].half : low;
        high = p->spot[i].x + p->spot[i].half > high ? p->spot[i].x + p->spot[i].half : high;
    }
    for (int i = 0; i < p->spots; i++)
        p->spot[i].x -= low;
    p->d->width = high - low;
}

/* ---- where links begin and end ---- */

struct ends {
    int *up, *down; /* of each link: x at the upper spot and at the lower */
};

/* How far from its centre edges may meet a spot. */
static int reach(const struct draw_spot *s)
{
    return s->half > 10 ? s->half - 10 : 0;
}

static int clamp(int x, const struct draw_spot *s)
{
    int r = reach(s);
    return x < s->x - r ? s->x - r : x > s->x + r ? s->x + r : x;
}

/* Where a link should meet `s`: where it is straight, in the middle of what the two have in common; else the nearest. */
static int meeting(const struct draw_spot *s, const struct draw_spot *other)
{
    int left = clamp(other->x - reach(other), s), right = clamp(other->x + reach(other), s);
    return left + (right - left) / 2;
}

/* One end of a link: where its other end lies, and where this one should. */
struct arrival {
    int x, link, wanted;
};

static int by_place(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;
    return x->x != y->x ? (x->x > y->x) - (x->x < y->x) : x->link - y->link;
}

/* The ends of a box's links on one side: apart from each other, in the order of where they come from. */
static void spread(struct placing *g, int box, bool above, struct arrival *a, int *end)
{
    const struct draw_part *p = g->p;
    const struct draw_lists *list = above ? &p->up : &p->down;
    const struct draw_spot *s = &p->spot[box];
    int count = 0;
    for (int k = list->first[box]; k < list->first[box + 1]; k++) {
        const struct draw_link *x = &p->link[list->item[k]];
        const struct draw_spot *other = &p->spot[above ? x->up : x->down];
        a[count++] = (struct arrival){ other->x, list->item[k], meeting(s, other) };
    }
    qsort(a, (size_t)count, sizeof *a, by_place);
    int room = count > 1 && 2 * reach(s) / (count - 1) < PORT ? 2 * reach(s) / (count - 1) : PORT;
    for (int i = 0; i < count; i++)
        g->wish[i] = (struct wish){ a[i].wanted, 1, room, 0 };
    grant(g->wish, count, g->block);
    for (int i = 0; i < count; i++) {
        int low = s->x - reach(s) + i * room, high = s->x + reach(s) - (count - 1 - i) * room, x = g->wish[i].got;
        end[a[i].link] = x < low ? low : x > high ? high : x;
    }
}

static struct ends find_ends(struct placing *g)
{
    struct draw_part *p = g->p;
    struct ends e = { NEW_ARRAY(p->arena, p->links + 1, int), NEW_ARRAY(p->arena, p->links + 1, int) };
    struct arrival *a = NEW_ARRAY(p->arena, p->links + 1, struct arrival);
    for (int i = 0; i < p->links; i++) {
        e.up[i] = p->spot[p->link[i].up].x;
        e.down[i] = p->spot[p->link[i].down].x;
    }
    for (int b = 0; b < p->d->boxes; b++) {
        spread(g, b, true, a, e.down);
        spread(g, b, false, a, e.up);
    }
    return e;
}

/* ---- heights ---- */

struct band {
    int top, bottom; /* of a layer */
};

/* Layers one below the other, farther apart where edges go far to the side. */
static struct band *find_bands(struct draw_part *p, const struct ends *e)
{
    struct band *band = NEW_ARRAY(p->arena, p->layers + 1, struct band);
    int *aside = NEW_ARRAY(p->arena, p->layers + 1, int), y = 0;
    for (int i = 0; i < p->links; i++) {
        int dx = abs(e->up[i] - e->down[i]), *most = &aside[p->spot[p->link[i].up].layer];
        *most = dx > *most ? dx : *most;
    }
    for (int b = 0; b < p->d->boxes; b++) {
        struct band *own = &band[p->spot[b].layer];
        own->bottom = p->d->box[b].height > own->bottom ? p->d->box[b].height : own->bottom;
    }
    for (int l = 0; l < p->layers; l++) {
        int gap = LAYER_GAP + aside[l] / STEEP;
        band[l] = (struct band){ y, y + band[l].bottom };
        y = band[l].bottom + (gap < LAYER_GAP_MOST ? gap : LAYER_GAP_MOST);
    }
    p->d->height = band[p->layers - 1].bottom;
    return band;
}

/* ---- edges ---- */

/* A curve of the edge where a link does not go straight down. */
static void add_link(struct draw_edge *e, int from, int to, int layer, const struct band *band)
{
    if (from == to)
        return;
    e->point[e->points++] = (struct draw_point){ from, band[layer].bottom };
    e->point[e->points++] = (struct draw_point){ to, band[layer + 1].top };
}

static void route(struct draw_part *p, int which, const struct ends *ends, const struct band *band)
{
    struct draw_edge *e = &p->d->edge[which];
    const struct draw_box *from = &p->d->box[e->from], *to = &p->d->box[e->to];
    int layer = p->spot[e->from].layer, last = p->spot[e->to].layer - 1;
    int entry = p->links - p->d->edges + which, *link = NEW_ARRAY(p->arena, last - layer + 1, int);
    for (int l = layer; l < last; l++)
        link[l - layer] = p->up.item[p->up.first[p->passes[e->from] + l - layer]];
    link[last - layer] = entry;
    e->point = NEW_ARRAY(p->arena, 2 * (last - layer + 2), struct draw_point);
    e->point[e->points++] = (struct draw_point){ ends->up[link[0]], from->y + from->height };
    for (int l = layer; l <= last; l++)
        add_link(e, ends->up[link[l - layer]], ends->down[link[l - layer]], l, band);
    e->point[e->points++] = (struct draw_point){ ends->down[entry], to->y };
}

void draw_places(struct draw_part *p)
{
    struct placing g = { p, NULL, NULL, NEW_ARRAY(p->arena, p->spots + p->links + 1, struct wish),
                         NEW_ARRAY(p->arena, p->spots + p->links + 1, struct block) };
    find_centres(&g);
    align(p);
    struct ends ends = find_ends(&g);
    struct band *band = find_bands(p, &ends);
    for (int b = 0; b < p->d->boxes; b++) {
        p->d->box[b].x = p->spot[b].x - p->spot[b].half;
        p->d->box[b].y = band[p->spot[b].layer].top;
    }
    for (int i = 0; i < p->d->edges; i++)
        route(p, i, &ends, band);
}
