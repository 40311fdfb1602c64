/* codegen/draw_layers.c: a layered drawing of boxes and edges, from top to bottom. Parts that no edge connects are drawn
 * each for itself. In a part a box lies below all it reads (the longest way from the start gives its layer); an edge over
 * several layers passes through points of those between, one chain of points for all edges of a box; sweeps by the mean
 * place of neighbours, down and up, give the order within layers: the one with the fewest crossings stays. draw_places.c
 * makes coordinates of it. Method: Sugiyama, Tagawa and Toda, 1981. */
#include "codegen/draw.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 16, PATIENCE = 3 }; /* at most; without a better order */
enum { EFFORT = 300000 };           /* spots looked at in sweeps */

/* ---- lists ---- */

/* For each of n things the links that lead from it: by their upper end, or by their lower. */
static struct draw_lists lists_of(struct arena *a, int n, const struct draw_link *link, int links, bool by_up)
{
    struct draw_lists l = { NEW_ARRAY(a, n + 2, int), NEW_ARRAY(a, links + 1, int) };
    for (int i = 0; i < links; i++)
        l.first[(by_up ? link[i].up : link[i].down) + 2]++;
    for (int i = 1; i <= n; i++)
        l.first[i + 1] += l.first[i];
    for (int i = 0; i < links; i++)
        l.item[l.first[(by_up ? link[i].up : link[i].down) + 1]++] = i;
    return l;
}

/* ---- layers ---- */

static struct draw_link *edge_links(struct arena *a, const struct drawing *d)
{
    struct draw_link *link = NEW_ARRAY(a, d->edges + 1, struct draw_link);
    for (int i = 0; i < d->edges; i++)
        link[i] = (struct draw_link){ d->edge[i].from, d->edge[i].to };
    return link;
}

/* Moving boxes down. moves: of each box whether it goes along, or is to be looked at still. */
struct sinking {
    struct draw_part *p;
    struct draw_lists in, out;
    char *moves;
};

enum { STAYS, PENDING, MOVES };

/* The least layer of the readers of a box, or INT_MAX. */
static int first_reader(const struct sinking *s, int b)
{
    int low = INT_MAX;
    for (int i = s->out.first[b]; i < s->out.first[b + 1]; i++) {
        int layer = s->p->spot[s->p->d->edge[s->out.item[i]].to].layer;
        low = layer < low ? layer : low;
    }
    return low;
}

/* Whether box b goes along when those of its readers that are marked go down `by` layers: all are. Else, if it has a
 * reader that is as far down, it may stay, and if it has not, its chain becomes longer: *longer counts that. */
static bool goes_along(const struct sinking *s, int b, int by, int *longer)
{
    int far = -1, moved = -1;
    bool all = true;
    for (int i = s->out.first[b]; i < s->out.first[b + 1]; i++) {
        int r = s->p->d->edge[s->out.item[i]].to, layer = s->p->spot[r].layer;
        if (s->moves[r] == MOVES) {
            moved = layer + by > moved ? layer + by : moved;
        } else {
            all = false;
            far = layer > far ? layer : far;
        }
    }
    *longer += !all && moved > far;
    return all;
}

/* A box goes down to its first reader, and with it what it alone reads. Its own chain of points becomes shorter by that;
 * one other may become longer. */
static void sink(struct sinking *s, int box)
{
    struct draw_spot *spot = s->p->spot;
    int low = first_reader(s, box), by = low - 1 - spot[box].layer, pending = 1, longer = 0, b = box;
    if (low == INT_MAX || by <= 0)
        return;
    s->moves[box] = PENDING;
    for (; pending && longer < 2; b--) {
        if (s->moves[b] != PENDING)
            continue;
        pending--;
        s->moves[b] = b == box || goes_along(s, b, by, &longer) ? MOVES : STAYS;
        for (int i = s->in.first[b]; s->moves[b] == MOVES && i < s->in.first[b + 1]; i++) {
            char *from = &s->moves[s->p->d->edge[s->in.item[i]].from];
            pending += *from == STAYS;
            *from = PENDING;
        }
    }
    for (int i = longer < 2 ? b + 1 : box + 1; i <= box; i++)
        spot[i].layer += s->moves[i] == MOVES ? by : 0;
    memset(s->moves, STAYS, (size_t)box + 1);
}

static void give_layers(struct draw_part *p)
{
    const struct drawing *d = p->d;
    struct draw_link *link = edge_links(p->arena, d);
    struct sinking s = { p, lists_of(p->arena, d->boxes, link, d->edges, false),
                         lists_of(p->arena, d->boxes, link, d->edges, true), NEW_ARRAY(p->arena, d->boxes + 1, char) };
    for (int i = 0; i < d->edges; i++) {
        int below = p->spot[link[i].up].layer + 1;
        if (below > p->spot[link[i].down].layer)
            p->spot[link[i].down].layer = below;
    }
    for (int b = d->boxes - 1; b >= 0; b--)
        sink(&s, b);
    for (int b = 0; b < d->boxes; b++)
        if (p->spot[b].layer >= p->layers)
            p->layers = p->spot[b].layer + 1;
}

/* ---- points that edges pass through ---- */

/* How many layers lie between a box and the last that reads it. */
static int *chain_lengths(struct draw_part *p, int *sum)
{
    int *length = NEW_ARRAY(p->arena, p->d->boxes + 1, int);
    for (int i = 0; i < p->d->edges; i++) {
        const struct draw_edge *e = &p->d->edge[i];
        int between = p->spot[e->to].layer - p->spot[e->from].layer - 1;
        if (between > length[e->from]) {
            *sum += between - length[e->from];
            length[e->from] = between;
        }
    }
    return length;
}

static void make_spots(struct draw_part *p)
{
    const struct drawing *d = p->d;
    struct draw_spot *boxes = p->spot;
    int points = 0, *length = chain_lengths(p, &points);
    p->spot = NEW_ARRAY(p->arena, d->boxes + points + 1, struct draw_spot);
    memcpy(p->spot, boxes, (size_t)d->boxes * sizeof *boxes);
    p->spots = d->boxes;
    p->link = NEW_ARRAY(p->arena, d->edges + points + 1, struct draw_link);
    p->passes = NEW_ARRAY(p->arena, d->boxes + 1, int);
    for (int b = 0; b < d->boxes; b++) {
        p->passes[b] = p->spots;
        for (int i = 0; i < length[b]; i++) {
            p->link[p->links++] = (struct draw_link){ i ? p->spots - 1 : b, p->spots };
            p->spot[p->spots++] = (struct draw_spot){ .box = -1, .layer = p->spot[b].layer + 1 + i };
        }
    }
    for (int i = 0; i < d->edges; i++) {
        const struct draw_edge *e = &d->edge[i];
        int between = p->spot[e->to].layer - p->spot[e->from].layer - 1;
        p->link[p->links++] = (struct draw_link){ between ? p->passes[e->from] + between - 1 : e->from, e->to };
    }
    p->up = lists_of(p->arena, p->spots, p->link, p->links, false);
    p->down = lists_of(p->arena, p->spots, p->link, p->links, true);
}

/* ---- the order in layers ---- */

/* The first order: boxes as they come, with their points behind them. */
static void first_order(struct draw_part *p)
{
    struct draw_link *in = NEW_ARRAY(p->arena, p->spots + 1, struct draw_link);
    for (int i = 0; i < p->spots; i++)
        in[i].up = p->spot[i].layer;
    p->row = lists_of(p->arena, p->layers, in, p->spots, true);
    for (int l = 0; l < p->layers; l++)
        for (int i = p->row.first[l]; i < p->row.first[l + 1]; i++)
            p->spot[p->row.item[i]].at = i - p->row.first[l];
}

struct ranked {
    int64_t mean;
    int at, spot;
};

static int by_mean(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->mean != y->mean ? (x->mean > y->mean) - (x->mean < y->mean) : x->at - y->at;
}

/* Orders a layer by the mean place of neighbours above (or below); who has none there stays where it is. */
static void order_layer(struct draw_part *p, int layer, bool above, struct ranked *r)
{
    int *row = p->row.item + p->row.first[layer], count = p->row.first[layer + 1] - p->row.first[layer];
    const struct draw_lists *list = above ? &p->up : &p->down;
    bool sorted = true;
    for (int i = 0; i < count; i++) {
        int s = row[i], first = list->first[s], n = list->first[s + 1] - first;
        int64_t sum = n ? 0 : i;
        for (int k = first; k < first + n; k++) {
            const struct draw_link *x = &p->link[list->item[k]];
            sum += p->spot[above ? x->up : x->down].at;
        }
        r[i] = (struct ranked){ sum * 1024 / (n ? n : 1), i, s };
        sorted = sorted && (!i || r[i - 1].mean <= r[i].mean);
    }
    if (sorted)
        return;
    qsort(r, (size_t)count, sizeof *r, by_mean);
    for (int i = 0; i < count; i++) {
        row[i] = r[i].spot;
        p->spot[row[i]].at = i;
    }
}

/* The links between a layer and the next that cross: `seen` counts in a Fenwick tree where links ended so far. */
static int64_t layer_crossings(const struct draw_part *p, int layer, int *seen)
{
    int first = p->row.first[layer], end = p->row.first[layer + 1], below = p->row.first[layer + 2] - end, so_far = 0;
    int64_t crossings = 0;
    memset(seen, 0, (size_t)(below + 1) * sizeof *seen);
    for (int i = first; i < end; i++) {
        const int s = p->row.item[i], *item = p->down.item;
        for (int k = p->down.first[s]; k < p->down.first[s + 1]; k++) {
            crossings += so_far;
            for (int at = p->spot[p->link[item[k]].down].at + 1; at > 0; at -= at & -at)
                crossings -= seen[at];
        }
        for (int k = p->down.first[s]; k < p->down.first[s + 1]; k++, so_far++)
            for (int at = p->spot[p->link[item[k]].down].at + 1; at <= below; at += at & -at)
                seen[at]++;
    }
    return crossings;
}

static int64_t count_crossings(const struct draw_part *p, int *seen)
{
    int64_t sum = 0;
    for (int l = 0; l + 1 < p->layers; l++)
        sum += layer_crossings(p, l, seen);
    return sum;
}

/* Where long edges pass through very many layers there are fewer sweeps, but two at least. */
int draw_sweeps(const struct draw_part *p, int most)
{
    int sweeps = EFFORT / p->spots;
    return sweeps < 2 ? 2 : sweeps < most ? sweeps : most;
}

static void find_order(struct draw_part *p)
{
    size_t bytes = (size_t)p->spots * sizeof(int);
    struct ranked *r = NEW_ARRAY(p->arena, p->spots, struct ranked);
    int *best = NEW_ARRAY(p->arena, p->spots, int), *seen = NEW_ARRAY(p->arena, p->spots + 1, int);
    int64_t fewest = INT64_MAX;
    int most = draw_sweeps(p, SWEEPS);
    for (int sweep = 0, patience = PATIENCE; sweep < most && patience && fewest; sweep++, patience--) {
        bool downwards = sweep % 2 == 0;
        for (int l = 1; l < p->layers; l++)
            order_layer(p, downwards ? l : p->layers - 1 - l, downwards, r);
        int64_t crossings = count_crossings(p, seen);
        if (crossings >= fewest)
            continue;
        fewest = crossings;
        memcpy(best, p->row.item, bytes);
        patience = PATIENCE + 1;
    }
    memcpy(p->row.item, best, bytes);
    for (int l = 0; l < p->layers; l++)
        for (int i = p->row.first[l]; i < p->row.first[l + 1]; i++)
            p->spot[p->row.item[i]].at = i - p->row.first[l];
}

static void draw_part(struct arena *a, struct drawing *d)
{
    struct draw_part p = { .arena = a, .d = d, .spot = NEW_ARRAY(a, d->boxes, struct draw_spot), .spots = d->boxes };
    for (int b = 0; b < d->boxes; b++)
        p.spot[b] = (struct draw_spot){ .box = b, .half = d->box[b].width / 2 };
    give_layers(&p);
    make_spots(&p);
    first_order(&p);
    find_order(&p);
    draw_places(&p);
}

/* ---- parts ---- */

enum { MARGIN = 14, BETWEEN = 40, SHELF = 1000 };

struct part {
    struct drawing d;
    int *box, *edge; /* of the whole drawing */
    int number;
};

static int root_of(int *root, int b)
{
    while (root[b] != b)
        b = root[b] = root[root[b]];
    return b;
}

/* Each box's part; parts are numbered by their first box. */
static int *find_parts(struct arena *a, const struct drawing *d, int *parts)
{
    int *root = NEW_ARRAY(a, d->boxes + 1, int), *of = NEW_ARRAY(a, d->boxes + 1, int);
    for (int b = 0; b < d->boxes; b++)
        root[b] = b;
    for (int i = 0; i < d->edges; i++) {
        int x = root_of(root, d->edge[i].from), y = root_of(root, d->edge[i].to);
        root[x > y ? x : y] = x > y ? y : x;
    }
    for (int b = 0; b < d->boxes; b++)
        of[b] = root_of(root, b) == b ? (*parts)++ : of[root_of(root, b)];
    return of;
}

static struct part *split(struct arena *a, const struct drawing *d, int *parts)
{
    int *of = find_parts(a, d, parts), *within = NEW_ARRAY(a, d->boxes + 1, int);
    struct part *part = NEW_ARRAY(a, *parts + 1, struct part);
    for (int b = 0; b < d->boxes; b++)
        part[of[b]].d.boxes++;
    for (int i = 0; i < d->edges; i++)
        part[of[d->edge[i].to]].d.edges++;
    for (int k = 0; k < *parts; k++) {
        struct drawing *x = &part[k].d;
        part[k] = (struct part){ { NEW_ARRAY(a, x->boxes, struct draw_box),
                                   NEW_ARRAY(a, x->edges + 1, struct draw_edge), 0, 0, 0, 0 },
                                 NEW_ARRAY(a, x->boxes, int),
                                 NEW_ARRAY(a, x->edges + 1, int),
                                 k };
    }
    for (int b = 0; b < d->boxes; b++) {
        struct part *p = &part[of[b]];
        p->d.box[p->d.boxes] = d->box[b];
        p->box[within[b] = p->d.boxes++] = b;
    }
    for (int i = 0; i < d->edges; i++) {
        struct part *p = &part[of[d->edge[i].to]];
        p->d.edge[p->d.edges] = (struct draw_edge){ .from = within[d->edge[i].from], .to = within[d->edge[i].to] };
        p->edge[p->d.edges++] = i;
    }
    return part;
}

static int by_height(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return x->d.height != y->d.height ? x->d.height - y->d.height : x->number - y->number;
}

/* Moves a part to its place in the whole drawing. */
static void settle(struct drawing *d, struct part *p, int x, int y)
{
    for (int i = 0; i < p->d.boxes; i++) {
        struct draw_box *box = &d->box[p->box[i]];
        *box = p->d.box[i];
        box->x += x;
        box->y += y;
    }
    for (int i = 0; i < p->d.edges; i++) {
        struct draw_edge *e = &d->edge[p->edge[i]];
        e->point = p->d.edge[i].point;
        e->points = p->d.edge[i].points;
        for (int k = 0; k < e->points; k++)
            e->point[k] = (struct draw_point){ e->point[k].x + x, e->point[k].y + y };
    }
}

/* Where a shelf of this width begins: its middle above the first box of the last part, as far as there is room. */
static int shelf_start(const struct part *last, int width, int widest)
{
    const struct draw_box *first = &last->d.box[0];
    int x = (widest - last->d.width) / 2 + first->x + first->width / 2 - width / 2;
    return MARGIN + (x < 0 ? 0 : x > widest - width ? widest - width : x);
}

/* Parts side by side on shelves, the low ones first. */
static void pack(struct drawing *d, struct part *part, int parts)
{
    int widest = 0, sum = -BETWEEN;
    for (int k = 0; k < parts; k++) {
        widest = part[k].d.width > widest ? part[k].d.width : widest;
        sum += part[k].d.width + BETWEEN;
    }
    if (widest < SHELF)
        widest = sum < SHELF ? sum : SHELF;
    d->height = MARGIN;
    d->width = widest + 2 * MARGIN;
    for (int k = 0, end; k < parts; k = end) {
        int width = part[k].d.width, tall = part[k].d.height;
        for (end = k + 1; end < parts && width + BETWEEN + part[end].d.width <= widest; end++) {
            width += BETWEEN + part[end].d.width;
            tall = part[end].d.height;
        }
        int x = end == parts ? MARGIN + (widest - width) / 2 : shelf_start(&part[parts - 1], width, widest);
        for (; k < end; k++) {
            settle(d, &part[k], x, d->height);
            x += part[k].d.width + BETWEEN;
        }
        d->height += tall + (end < parts ? BETWEEN : MARGIN);
    }
}

void draw_layers(struct arena *a, struct drawing *d)
{
    int parts = 0;
    struct part *part = split(a, d, &parts);
    for (int k = 0; k < parts; k++)
        draw_part(a, &part[k].d);
    qsort(part, (size_t)parts, sizeof *part, by_height);
    pack(d, part, parts);
}
