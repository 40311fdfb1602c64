/* codegen/attention.c: attention and its gradient (ir/attention.h). Scores of some rows at a time stand in a strip, [rows, keys],
 * that stays in the cache; no tensor of all rows and keys is made.
 *
 *     for h in heads par
 *       kt[panel, c, lane] = k[32 panel + lane, c]                     keys side by side, for the register tiles
 *       for i in rows, ROWS at a time
 *         for panels of keys that a row sees
 *           s[r, j] = scale * sum over c of q[i + r, c] * kt[., c, .]
 *         s[r, :] = softmax(s[r, :])
 *         s[r, :] *= what is drawn for it                              where probabilities are dropped out
 *         y[i + r, :] = sum over j of s[r, j] * v[j, :]                through the epilogue
 *
 * The gradient makes the strip again, and beside it one of its own gradient, from transposed values; more rows at a time,
 * since each part adds to all rows of dk and dv that it sees. A strip reaches to the end of a panel: what no row sees has
 * a score of minus infinity. */
#include <math.h>
#include <string.h>

#include "codegen/lower.h"
#include "ir/attention.h"
#include "ir/build.h"

enum { DRAW = 4 /* attributes of uniform */ };
enum { PANEL = 32, SQUARE = 16, ROWS = 8, GRADIENT_ROWS = 32 };

struct strips {
    struct lower *l;
    struct attention a;
    struct value *q, *k, *v, *dy, *mask; /* dy NULL: not the gradient */
    struct lx *at[MAX_RANK];             /* of the head at work; the last two are set as needed */
    struct attr *draw;                   /* of the uniform numbers that drop probabilities out; NULL: none */
    int64_t width;                       /* of a strip: keys, to whole panels */
    struct lbuf *kt, *vt;                /* keys and values in panels */
    struct lbuf *score, *slope;          /* strips: s, then p; dp, then ds */
    struct lbuf *wide[6];    /* of q, k, v, dy, dk, dv: copies of whole lanes, NULL where theirs fill some */
    struct lx *from, *limit; /* the first row at work; how many keys the last one sees */
    int rows;                /* at work */
};

static struct lx *plus(struct strips *s, struct lx *x, struct lx *y)
{
    return index_op(s->l, LX_IADD, x, y);
}

/* x[head, row, column] */
static struct lx *matrix_at(struct strips *s, struct value *x, struct lx *row, struct lx *column)
{
    s->at[s->a.lead] = row;
    s->at[s->a.lead + 1] = column;
    return body_at(s->l, x, s->at);
}

/* The mask has fewer axes, or some of length 1. */
static struct lx *mask_at(struct strips *s, struct lx *row, struct lx *key)
{
    struct type m = s->mask->type;
    int extra = s->a.lead + 2 - m.rank;
    struct lx *at[MAX_RANK];

    s->at[s->a.lead] = row;
    s->at[s->a.lead + 1] = key;
    for (int i = 0; i < m.rank; i++)
        at[i] = dim_is_one(m.dim[i]) ? lx_int(s->l->k, 0) : s->at[i + extra];
    return body_at(s->l, s->mask, at);
}

/* By what the probability is multiplied. */
static struct lx *weight_at(struct strips *s, struct lx *row, struct lx *key)
{
    struct lower *l = s->l;

    s->at[s->a.lead] = row;
    s->at[s->a.lead + 1] = key;
    struct lx *drawn = lx_random(l->k, OP_uniform, s->draw, DRAW, flat_index(l, s->a.scores, s->at));
    struct lx *three[] = { element(l, OP_lt, DT_BOOL, drawn, lx_real(l->k, s->a.drop)), lx_real(l->k, 0),
                           lx_real(l->k, s->a.kept) };
    return lx_elem(l->k, OP_select, DT_REAL, three, 3);
}

static struct lblock *open(struct strips *s, struct lblock *b, const char *name, struct lx *end, int64_t step,
                           enum licence licence, struct lx **at)
{
    struct ls *loop = ls_loop(s->l->k, b, name, lx_int(s->l->k, 0), end, step, licence);

    *at = lx_var(s->l->k, loop->var);
    return &loop->body;
}

static struct lblock *open_count(struct strips *s, struct lblock *b, const char *name, int64_t count, struct lx **at)
{
    return open(s, b, name, lx_int(s->l->k, count), 1, LICENCE_PAR, at);
}

/* ---- panels: keys, or values, side by side ---- */

static struct lx *panel_of(struct strips *s, struct lx *key)
{
    return index_op(s->l, LX_IDIV, key, lx_int(s->l->k, PANEL));
}

static struct lx *lane_of(struct strips *s, struct lx *key)
{
    return index_op(s->l, LX_IMOD, key, lx_int(s->l->k, PANEL));
}

/* Whole squares of keys and elements, which are turned in registers. */
static void turn_squares(struct strips *s, struct lblock *b, struct value *x, struct lbuf *to, int64_t keys,
                         int64_t depth)
{
    struct lx *key, *element, *c, *lane;

    b = open(s, b, "j_0", lx_int(s->l->k, keys), SQUARE, LICENCE_PAR, &key);
    b = open(s, b, "c_0", lx_int(s->l->k, depth), SQUARE, LICENCE_PAR, &element);
    b = open_count(s, open_count(s, b, "c", SQUARE, &c), "j", SQUARE, &lane);
    struct lx *index[] = { panel_of(s, key), plus(s, element, c), plus(s, lane_of(s, key), lane) };
    ls_store(s->l->k, b, to, index, matrix_at(s, x, plus(s, key, lane), plus(s, element, c)));
}

/* Keys from..to and elements c_from..c_to, one by one; beyond the last key there are zeros. */
static void turn_rest(struct strips *s, struct lblock *b, struct value *x, struct lbuf *to, const int64_t *keys,
                      const int64_t *elements)
{
    struct lkernel *k = s->l->k;

    if (keys[0] == keys[1] || elements[0] == elements[1])
        return;
    struct ls *loop = ls_loop(k, b, "j", lx_int(k, keys[0]), lx_int(k, keys[1]), 1, LICENCE_PAR);
    struct ls *inner = ls_loop(k, &loop->body, "c", lx_int(k, elements[0]), lx_int(k, elements[1]), 1, LICENCE_PAR);
    struct lx *key = lx_var(k, loop->var), *c = lx_var(k, inner->var), *v = matrix_at(s, x, key, c);
    if (keys[1] > s->a.keys)
        v = lx_guard(k, index_op(s->l, LX_ILT, key, lx_int(k, s->a.keys)), v, lx_real(k, 0));
    ls_store(k, &inner->body, to, (struct lx *[]){ panel_of(s, key), c, lane_of(s, key) }, v);
}

static struct lbuf *in_panels(struct strips *s, struct lblock *b, const char *name, struct value *x, int64_t depth)
{
    struct dim shape[] = { dim_of(s->width / PANEL), dim_of(depth), dim_of(PANEL) };
    struct lbuf *to = lbuf_local(s->l->k, b, name, SPACE_ARRAY, DT_REAL, 3, shape);
    int64_t keys = s->a.keys / SQUARE * SQUARE, elements = depth / SQUARE * SQUARE;

    if (keys && elements)
        turn_squares(s, b, x, to, keys, elements);
    turn_rest(s, b, x, to, (int64_t[]){ 0, keys }, (int64_t[]){ elements, depth });
    turn_rest(s, b, x, to, (int64_t[]){ keys, s->width }, (int64_t[]){ 0, depth });
    return to;
}

/* ---- strips ---- */

static struct lbuf *strip(struct strips *s, struct lblock *b, const char *name, int64_t rows)
{
    struct dim shape[] = { dim_of(rows), dim_of(s->width) };

    return lbuf_local(s->l->k, b, name, SPACE_ARRAY, DT_REAL, 2, shape);
}

/* The end of the last panel that a row at work sees. */
static struct lx *end_of_panels(struct strips *s)
{
    struct lx *up = plus(s, s->limit, lx_int(s->l->k, PANEL - 1)), *size = lx_int(s->l->k, PANEL);

    return index_op(s->l, LX_IMUL, index_op(s->l, LX_IDIV, up, size), size);
}

/* A row of a strip, panel by panel. */
static struct lblock *open_row(struct strips *s, struct lblock *b, struct lx **key)
{
    struct lx *panel, *lane;

    b = open(s, b, "j_0", end_of_panels(s), PANEL, LICENCE_PAR, &panel);
    b = open_count(s, b, "j", PANEL, &lane);
    *key = plus(s, panel, lane);
    return b;
}

struct product {
    struct strips *s;
    struct value *x;
    struct lbuf *panels, *to;
    int64_t depth;
    bool scores; /* scaled, and minus infinity where a row does not see the key */
    struct lx *panel;
};

static struct lx *seen_score(struct strips *s, struct lx *v, struct lx *row, struct lx *key)
{
    struct lower *l = s->l;
    struct lx *last = plus(s, row, lx_int(l->k, s->a.keys - s->a.rows)), *sees = NULL;

    v = element(l, OP_mul, DT_REAL, v, lx_real(l->k, s->a.scale));
    if (s->a.causal)
        sees = index_op(l, LX_ILE, key, last);
    else if (s->width > s->a.keys)
        sees = index_op(l, LX_ILT, key, lx_int(l->k, s->a.keys));
    if (!sees)
        return v;
    return lx_elem(l->k, OP_select, DT_REAL, (struct lx *[]){ sees, v, lx_real(l->k, -INFINITY) }, 3);
}

/* Rows from..from + rows of those at work, all keys of a panel. */
static void product_tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct product *p = context;
    struct strips *s = p->s;
    struct lx *lane, *c, *r, *row;
    struct lblock *in = open_count(s, b, "j", PANEL, &lane);
    struct lbuf *acc = open_tile(l, in, rows);
    struct lblock *sum = open(s, in, "c", lx_int(l->k, p->depth), 1, LICENCE_RED, &c);
    struct lx *index[] = { panel_of(s, p->panel), c, lane },
              *right = ls_let(l->k, sum, "right", lx_load(l->k, p->panels, index));
    struct ls *add = tile_loop(l, sum, rows), *out = tile_loop(l, in, rows);

    r = lx_var(l->k, add->var);
    struct lx *left = matrix_at(s, p->x, plus(s, s->from, plus(s, from, r)), c);
    ls_store(l->k, &add->body, acc, &r, add_product(l, left, right, lx_load(l->k, acc, &r)));
    r = lx_var(l->k, out->var);
    row = plus(s, from, r);
    struct lx *key = plus(s, p->panel, lane), *v = lx_load(l->k, acc, &r);
    ls_store(l->k, &out->body, p->to, (struct lx *[]){ row, key },
             p->scores ? seen_score(s, v, plus(s, s->from, row), key) : v);
}

static void product(struct strips *s, struct lblock *b, struct product p)
{
    p.s = s;
    b = open(s, b, "j_0", end_of_panels(s), PANEL, LICENCE_PAR, &p.panel);
    in_tiles(s->l, b, s->rows, ROWS < s->rows ? ROWS : s->rows, product_tile, &p);
}

/* Keys that row r of those at work sees. */
static struct lblock *open_seen(struct strips *s, struct lblock *b, struct lx *r, struct lx **key)
{
    struct lx *end = s->limit;

    if (s->a.causal)
        end = plus(s, plus(s, s->from, r), lx_int(s->l->k, s->a.keys - s->a.rows + 1));
    return open(s, b, "j", end, 1, LICENCE_PAR, key);
}

/* Keys that a mask hides, or the scores with the mask added. */
static void apply_mask(struct strips *s, struct lblock *b, struct lx *r)
{
    struct lower *l = s->l;
    struct lx *key;
    struct lblock *in = open_seen(s, b, r, &key);
    struct lx *at[] = { r, key }, *v = lx_load(l->k, s->score, at), *m = mask_at(s, plus(s, s->from, r), key);

    if (m->dtype == DT_BOOL)
        v = lx_elem(l->k, OP_select, DT_REAL, (struct lx *[]){ m, v, lx_real(l->k, s->a.masked) }, 3);
    else
        v = element(l, OP_add, DT_REAL, v, m);
    ls_store(l->k, in, s->score, at, v);
}

struct along_row {
    struct strips *s;
    struct lx *row;
    bool slopes; /* of p dp in place of the score */
};

static struct lx *row_term(struct lower *l, struct lx *const *at, void *context)
{
    const struct along_row *a = context;
    struct lx *index[] = { a->row, at[0] }, *v = lx_load(l->k, a->s->score, index);

    return a->slopes ? element(l, OP_mul, DT_REAL, v, lx_load(l->k, a->s->slope, index)) : v;
}

/* Over the panels that are seen. A strip's width, which the order of the sum depends on, is that of all keys. */
static struct lx *along(struct strips *s, struct lblock *b, enum op op, struct lx *row, bool slopes)
{
    struct along_row a = { s, row, slopes };
    struct sum sum = { .op = op,
                       .dtype = DT_REAL,
                       .axes = 1,
                       .extent = { end_of_panels(s) },
                       .last = s->width,
                       .contiguous = true,
                       .term = row_term,
                       .context = &a };

    return emit_sum(s->l, b, &sum);
}

/* p of all rows at work. */
static void probabilities(struct strips *s, struct lblock *b)
{
    struct lower *l = s->l;
    struct lx *r, *key;

    product(s, b, (struct product){ .x = s->q, .panels = s->kt, .to = s->score, .depth = s->a.depth, .scores = true });
    b = open_count(s, b, "r", s->rows, &r);
    if (s->mask)
        apply_mask(s, b, r);
    struct lx *largest = along(s, b, OP_max, r, false);
    struct lblock *in = open_row(s, b, &key);
    struct lx *at[] = { r, key }, *from_top = element(l, OP_sub, DT_REAL, lx_load(l->k, s->score, at), largest);
    ls_store(l->k, in, s->score, at, element(l, OP_exp, DT_REAL, from_top, NULL));
    struct lx *total = along(s, b, OP_add, r, false),
              *factor = ls_let(l->k, b, "factor", element(l, OP_div, DT_REAL, lx_real(l->k, 1), total));
    in = open_row(s, b, &key);
    at[1] = key;
    ls_store(l->k, in, s->score, at, element(l, OP_mul, DT_REAL, lx_load(l->k, s->score, at), factor));
}

/* w of a row into `kept`, or into the probabilities themselves. */
static void drop_out(struct strips *s, struct lblock *b, struct lx *r, struct lbuf *kept)
{
    struct lower *l = s->l;
    struct lx *key;
    struct lblock *in = open_seen(s, b, r, &key);
    struct lx *at[] = { r, key }, *w = weight_at(s, plus(s, s->from, r), key);

    if (kept)
        ls_store(l->k, in, kept, &key, w);
    else
        ls_store(l->k, in, s->score, at, element(l, OP_mul, DT_REAL, lx_load(l->k, s->score, at), w));
}

/* Multiplies what is seen of a row of a strip by w. */
static void times_kept(struct strips *s, struct lblock *b, struct lbuf *strip, struct lx *r, struct lbuf *kept)
{
    struct lkernel *k = s->l->k;
    struct lx *key;
    struct lblock *in = open_seen(s, b, r, &key);
    struct lx *at[] = { r, key };

    ls_store(k, in, strip, at, element(s->l, OP_mul, DT_REAL, lx_load(k, strip, at), lx_load(k, kept, &key)));
}

/* ---- heads, and rows of a head ---- */

/* One loop over all heads: more of them for threads. */
static struct lblock *open_heads(struct strips *s)
{
    struct lower *l = s->l;
    struct type lead = s->q->type, all = type_scalar(DT_REAL);

    lead.rank = s->a.lead;
    if (shape_batches(lead) > 1 || !lead.rank)
        return open_loops(l, &l->k->body, lead, 0, lead.rank, s->at);
    all.rank = 1;
    all.dim[0] = dim_of(1);
    for (int i = 0; i < lead.rank; i++)
        all.dim[0] = (struct dim){ all.dim[0].k * lead.dim[i].k, all.dim[0].n || lead.dim[i].n };
    struct lx *h;
    struct lblock *b = open(s, &l->k->body, "h", lx_dim(l->k, all.dim[0]), 1, LICENCE_PAR, &h);
    reshape_at(l, all, lead, &h, s->at);
    for (int i = 0; i < lead.rank; i++)
        s->at[i] = ls_let(l->k, b, "at", s->at[i]);
    return b;
}

static void set_rows(struct strips *s, struct lblock *b, struct lx *from, int rows)
{
    struct lower *l = s->l;

    s->from = from;
    s->rows = rows;
    s->limit = lx_int(l->k, s->a.keys);
    if (s->a.causal)
        s->limit = ls_let(l->k, b, "limit", plus(s, from, lx_int(l->k, s->a.keys - s->a.rows + rows)));
}

/* So many rows at a time, and what is left. */
static void in_blocks(struct strips *s, struct lblock *b, int64_t size, enum licence licence,
                      void (*block)(struct strips *s, struct lblock *b))
{
    int64_t whole = s->a.rows / size * size;
    struct lx *from;

    if (whole) {
        struct lblock *in = open(s, b, "i", lx_int(s->l->k, whole), size, licence, &from);
        set_rows(s, in, from, (int)size);
        block(s, in);
    }
    if (s->a.rows > whole) {
        set_rows(s, b, lx_int(s->l->k, whole), (int)(s->a.rows - whole));
        block(s, b);
    }
}

static struct strips new_strips(struct lower *l)
{
    struct node *n = l->anchor;
    struct strips s = { .l = l, .a = attention_of(n), .q = operand(n, 0), .k = operand(n, 1), .v = operand(n, 2) };

    s.dy = n->op == OP_attention_dx ? operand(n, 3) : NULL;
    s.mask = s.a.mask >= 0 ? operand(n, s.a.mask) : NULL;
    s.width = (s.a.keys + PANEL - 1) / PANEL * PANEL;
    if (s.a.drop > 0) {
        s.draw = NEW_ARRAY(l->k->arena, DRAW, struct attr);
        struct dim *shape = NEW_ARRAY(l->k->arena, s.a.scores.rank, struct dim);
        memcpy(shape, s.a.scores.dim, (size_t)s.a.scores.rank * sizeof *shape);
        s.draw[0] = at_dims("shape", shape, s.a.scores.rank);
        s.draw[1] = at_real("low", 0);
        s.draw[2] = at_real("high", 1);
        s.draw[3] = at_int("stream", s.a.stream);
    }
    return s;
}

/* Products of scores that a row sees; `each` multiply-adds a score. */
static void count_scores(struct strips *s, double each)
{
    double rows = (double)s->a.rows, keys = (double)s->a.keys, seen = s->a.causal ? keys - (rows - 1) / 2 : keys;

    count_macs(s->l, s->q->type, seen * each / (double)s->a.depth);
}

/* ---- a strip times a matrix ---- */

/* out[row, o] = sum over t of strip[...] * right[t, o], for some rows; the columns PANEL at a time where they are many. */
struct times {
    struct lbuf *strip;
    bool turned; /* strip[t, row] in place of strip[row, t] */
    struct value *right;
    struct lbuf *wide;        /* a copy of it, or NULL */
    bool staged;              /* the result has no room for whole lanes */
    struct lx *first, *count; /* row t of right is first + t; how many */
    int64_t columns;
    void (*finish)(struct strips *s, struct tile *t, void *context);
    void *context;
};

enum { Q, K, V, DY, DK, DV };

/* Room for x[., columns] and what else fills lanes: a row of few columns fills none, and each would be a sum of its own. */
static struct lbuf *open_wide(struct strips *s, struct lblock *b, int which, struct type x)
{
    static const char *const name[] = { "wide_q", "wide_k", "wide_v", "wide_dy", "wide_dk", "wide_dv" };
    struct dim shape[] = { x.dim[s->a.lead], dim_of(SQUARE) };

    if (x.dim[s->a.lead + 1].k < SQUARE && s->l->level)
        s->wide[which] = lbuf_local(s->l->k, b, name[which], SPACE_ARRAY, DT_REAL, 2, shape);
    return s->wide[which];
}

static void clear_wide(struct strips *s, struct lblock *b, struct lbuf *to)
{
    struct lx *at[2];
    struct lblock *in = open_count(s, open_count(s, b, "j", to->shape[0].k, &at[0]), "c", SQUARE, &at[1]);

    ls_store(s->l->k, in, to, at, lx_real(s->l->k, 0));
}

/* x, and zeros behind each row. */
static void widen(struct strips *s, struct lblock *b, int which, struct value *x)
{
    struct lbuf *to = open_wide(s, b, which, x->type);
    struct lx *at[2];

    if (!to)
        return;
    clear_wide(s, b, to);
    b = open_count(s, open_count(s, b, "j", to->shape[0].k, &at[0]), "c", x->type.dim[s->a.lead + 1].k, &at[1]);
    ls_store(s->l->k, b, to, at, matrix_at(s, x, at[0], at[1]));
}

/* Of few columns there are results in lanes that are none: all go by way of memory. */
static struct lbuf *open_wide_stage(struct strips *s, struct lblock *b, int rows)
{
    struct dim shape[] = { dim_of(rows), dim_of(SQUARE) };

    return lbuf_local(s->l->k, b, "stage", SPACE_ARRAY, DT_REAL, 2, shape);
}

/* Columns of a panel, from `first` of it on. */
static void times_panel(struct strips *s, struct lblock *b, const struct times *m, struct lx *from, int rows,
                        struct panel panel)
{
    struct lower *l = s->l;
    struct lx *lane, *term, *r;
    struct lbuf *stage = m->staged ? open_wide_stage(s, b, rows) : s->dy ? NULL : open_stage(l, b, rows, &panel);
    struct lblock *in = open_count(s, b, "o", m->wide ? SQUARE : panel.columns, &lane);
    struct lx *column = plus(s, panel.first, lane);
    struct lbuf *acc = open_tile(l, in, rows);
    struct lblock *sum = open(s, in, "t", m->count, 1, LICENCE_RED, &term);
    struct lx *place[] = { plus(s, m->first, term), column },
              *right = ls_let(l->k, sum, "right",
                              m->wide ? lx_load(l->k, m->wide, place) : matrix_at(s, m->right, place[0], column));
    struct ls *add = tile_loop(l, sum, rows);

    r = lx_var(l->k, add->var);
    struct lx *row = plus(s, from, r), *index[] = { m->turned ? term : row, m->turned ? row : term };
    ls_store(l->k, &add->body, acc, &r, add_product(l, lx_load(l->k, m->strip, index), right, lx_load(l->k, acc, &r)));
    s->at[s->a.lead + 1] = column;
    struct tile t = {
        .panel = panel, .column = lane, .outside = b, .in = in, .acc = acc, .stage = stage, .rows = rows, .at = s->at
    };
    m->finish(s, &t, m->context);
}

static void times(struct strips *s, struct lblock *b, const struct times *m, struct lx *from, int rows)
{
    struct lkernel *k = s->l->k;
    int64_t whole = m->columns / PANEL * PANEL;
    struct lx *first;

    /* fewer columns than fill lanes are part of the last panel */
    if (whole && m->columns % PANEL && m->columns % PANEL < SQUARE)
        whole -= PANEL;
    if (whole) {
        struct lblock *in = open(s, b, "o_0", lx_int(k, whole), PANEL, LICENCE_PAR, &first);
        times_panel(s, in, m, from, rows, (struct panel){ first, PANEL });
    }
    if (m->columns > whole)
        times_panel(s, b, m, from, rows, (struct panel){ lx_int(k, whole), m->columns - whole });
}

/* ---- forward ---- */

struct placing {
    struct strips *s;
    struct lx *from;
};

static void place_row(struct lower *l, struct lx *r, void *context)
{
    struct placing *p = context;

    (void)l;
    p->s->at[p->s->a.lead] = plus(p->s, p->from, r);
}

static void finish_rows(struct strips *s, struct tile *t, void *context)
{
    t->place = place_row;
    t->context = context;
    finish_tile(s->l, t);
}

static void forward_block(struct strips *s, struct lblock *b)
{
    struct placing p = { s, s->from };
    struct times m = { .strip = s->score,
                       .right = s->v,
                       .wide = s->wide[V],
                       .staged = s->wide[V] != NULL,
                       .first = lx_int(s->l->k, 0),
                       .count = s->limit,
                       .columns = s->a.columns,
                       .finish = finish_rows,
                       .context = &p };

    probabilities(s, b);
    if (s->draw) {
        struct lx *r;
        struct lblock *in = open_count(s, b, "r", s->rows, &r);
        drop_out(s, in, r, NULL);
    }
    times(s, b, &m, lx_int(s->l->k, 0), s->rows);
}

void lower_attention(struct lower *l)
{
    struct strips s = new_strips(l);
    struct lblock *b = open_heads(&s);

    widen(&s, b, V, s.v);
    s.kt = in_panels(&s, b, "kt", s.k, s.a.depth);
    s.score = strip(&s, b, "p", s.a.rows < ROWS ? s.a.rows : ROWS);
    in_blocks(&s, b, ROWS, LICENCE_SEQ, forward_block);
    count_scores(&s, (double)(s.a.depth + s.a.columns));
}

/* ---- gradient ---- */

/* One of the results on its way. */
struct gradient {
    struct lbuf *to;
    struct lx *from;
    bool sums; /* what a block of rows gives is added */
    bool wide; /* to a copy of whole lanes */
};

static void finish_gradient(struct strips *s, struct tile *t, void *context)
{
    struct gradient *g = context;
    struct lower *l = s->l;
    struct ls *out = tile_loop(l, t->in, t->rows);
    struct lblock *b = &out->body;
    struct lx *at[] = { lx_var(l->k, out->var), t->column }, *v = lx_load(l->k, t->acc, at);

    if (t->stage) {
        ls_store(l->k, b, t->stage, at, v);
        out = tile_loop(l, t->outside, t->rows);
        at[0] = lx_var(l->k, out->var);
        b = open_count(s, &out->body, "o", t->panel.columns, &at[1]);
        v = lx_load(l->k, t->stage, at);
        s->at[s->a.lead + 1] = plus(s, t->panel.first, at[1]);
    }
    s->at[s->a.lead] = plus(s, g->from, at[0]);
    struct lx **place = g->wide ? s->at + s->a.lead : s->at;
    if (g->sums)
        v = element(l, OP_add, DT_REAL, lx_load(l->k, g->to, place), v);
    ls_store(l->k, b, g->to, place, v);
}

static struct lbuf *result(struct strips *s, int which)
{
    return result_buffer(s->l, s->l->anchor->result[which]);
}

/* ds into the strip that held dp. */
static void slopes(struct strips *s, struct lblock *b)
{
    struct lower *l = s->l;
    struct lx *r, *key;

    product(s, b, (struct product){ .x = s->dy, .panels = s->vt, .to = s->slope, .depth = s->a.columns });
    b = open_count(s, b, "r", s->rows, &r);
    struct dim width = dim_of(s->width);
    struct lbuf *kept = s->draw ? lbuf_local(l->k, b, "kept", SPACE_ARRAY, DT_REAL, 1, &width) : NULL;
    if (kept) {
        drop_out(s, b, r, kept);
        times_kept(s, b, s->slope, r, kept);
    }
    struct lx *mean = along(s, b, OP_add, r, true);
    struct lblock *in = open_row(s, b, &key);
    struct lx *at[] = { r, key }, *v = element(l, OP_sub, DT_REAL, lx_load(l->k, s->slope, at), mean);
    v = element(l, OP_mul, DT_REAL, lx_load(l->k, s->score, at), v);
    ls_store(l->k, in, s->slope, at, element(l, OP_mul, DT_REAL, v, lx_real(l->k, s->a.scale)));
    if (kept)
        times_kept(s, b, s->score, r, kept);
    if (!s->mask || s->mask->type.dtype != DT_BOOL)
        return;
    in = open_seen(s, b, r, &key);
    at[1] = key;
    struct lx *m = mask_at(s, plus(s, s->from, r), key),
              *three[] = { m, lx_load(l->k, s->slope, at), lx_real(l->k, 0) };
    ls_store(l->k, in, s->slope, at, lx_elem(l->k, OP_select, DT_REAL, three, 3));
}

/* dq = ds k, of some rows at work. */
static void query_tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct strips *s = context;
    struct gradient g = { .to = result(s, 0), .from = plus(s, s->from, from) };
    struct times m = { .strip = s->slope,
                       .right = s->k,
                       .wide = s->wide[K],
                       .staged = s->wide[K] != NULL,
                       .first = lx_int(l->k, 0),
                       .count = s->limit,
                       .columns = s->a.depth,
                       .finish = finish_gradient,
                       .context = &g };

    times(s, b, &m, from, rows);
}

/* dk += ds' q and dv += p' dy, of keys from..from + rows. */
static void key_tile(struct strips *s, struct lblock *b, struct lx *from, int rows)
{
    for (int which = 1; which < 3; which++) {
        struct lbuf *wide = s->wide[which == 1 ? DK : DV];
        struct gradient g = { wide ? wide : result(s, which), from, .sums = true, .wide = wide };
        struct times m = { .strip = which == 1 ? s->slope : s->score,
                           .turned = true,
                           .right = which == 1 ? s->q : s->dy,
                           .wide = s->wide[which == 1 ? Q : DY],
                           .first = s->from,
                           .count = lx_int(s->l->k, s->rows),
                           .columns = which == 1 ? s->a.depth : s->a.columns,
                           .finish = finish_gradient,
                           .context = &g };
        if (g.to)
            times(s, b, &m, from, rows);
    }
}

/* The keys that some row at work sees, to the end of a tile; those that fill none come last. */
static void key_tiles(struct strips *s, struct lblock *b)
{
    struct lower *l = s->l;
    int64_t whole = s->a.keys / ROWS * ROWS;
    struct lx *from;

    if (whole) {
        struct lx *end = index_op(l, LX_IMIN, s->limit, lx_int(l->k, whole));
        struct lblock *in = open(s, b, "j", end, ROWS, LICENCE_SEQ, &from);
        key_tile(s, in, from, ROWS);
    }
    if (s->a.keys > whole) {
        struct ls *reached = ls_if(l->k, b, index_op(l, LX_ILT, lx_int(l->k, whole), s->limit));
        key_tile(s, &reached->body, lx_int(l->k, whole), (int)(s->a.keys - whole));
    }
}

static void gradient_block(struct strips *s, struct lblock *b)
{
    probabilities(s, b);
    slopes(s, b);
    if (result(s, 0))
        in_tiles(s->l, b, s->rows, ROWS < s->rows ? ROWS : s->rows, query_tile, s);
    key_tiles(s, b);
}

/* dk or dv, before anything is added. */
static void open_sum(struct strips *s, struct lblock *b, int which)
{
    struct type t = s->l->anchor->result[which]->type;
    struct lbuf *to = result(s, which), *wide = to ? open_wide(s, b, which == 1 ? DK : DV, t) : NULL;

    if (wide)
        clear_wide(s, b, wide);
    else if (to)
        ls_store(s->l->k, open_loops(s->l, b, t, s->a.lead, t.rank, s->at), to, s->at, lx_real(s->l->k, 0));
}

static void close_sum(struct strips *s, struct lblock *b, int which)
{
    struct type t = s->l->anchor->result[which]->type;
    struct lbuf *wide = s->wide[which == 1 ? DK : DV];

    if (!wide)
        return;
    b = open_loops(s->l, b, t, s->a.lead, t.rank, s->at);
    ls_store(s->l->k, b, result(s, which), s->at, lx_load(s->l->k, wide, s->at + s->a.lead));
}

void lower_attention_dx(struct lower *l)
{
    struct strips s = new_strips(l);
    struct lblock *b = open_heads(&s);
    int64_t rows = s.a.rows < GRADIENT_ROWS ? s.a.rows : GRADIENT_ROWS;

    widen(&s, b, Q, s.q);
    widen(&s, b, K, s.k);
    widen(&s, b, DY, s.dy);
    s.kt = in_panels(&s, b, "kt", s.k, s.a.depth);
    s.vt = in_panels(&s, b, "vt", s.v, s.a.columns);
    s.score = strip(&s, b, "p", rows);
    s.slope = strip(&s, b, "ds", rows);
    open_sum(&s, b, 1);
    open_sum(&s, b, 2);
    in_blocks(&s, b, GRADIENT_ROWS, LICENCE_SEQ, gradient_block);
    close_sum(&s, b, 1);
    close_sum(&s, b, 2);
    count_scores(&s, (double)(3 * s.a.depth + 2 * s.a.columns));
}
