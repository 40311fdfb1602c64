/* codegen/winograd.c: convolution by Winograd's method (ir/winograd.h). Tiles of all images stand in one list; a block of
 * some of them at a time is transformed into scratch that stays in the cache, where a small product for each point, by
 * register tiles as those of contract.c, takes it.
 *
 *     for b in tiles, BLOCK at a time
 *       v[point, t, c]  = in d in'                                   t: a tile of the block, d: what it sees of x
 *       for some of the output's channels o
 *         m[point, t, o] = sum over c of v[point, t, c] * u[point, c, o]
 *         y of the tile  = out m out', through the epilogue
 *
 * The gradient of weights sums v[point, t, c] * (out' dy out)[point, t, o] over the tiles instead.
 *
 * Where a block is not full, products run over whole register tiles all the same: the last tile of the list fills them
 * up. Each element adds up in one order, whatever block it falls into. */
#include "codegen/lower.h"
#include "ir/layout.h"
#include "ir/winograd.h"

/* SCRATCH: bytes, on the stack, in the second cache; twice that where large weights are read or summed again for each block. */
enum {
    BLOCK_TILES = 32, /* at most */
    SCRATCH = 512 << 10,
    APART = 16,    /* elements between the points' planes: else all of them fall into one set of the cache */
    WIDE_ROWS = 8, /* register tiles: by two vectors, */
    ROWS = 14,     /* by one */
    WIDE = CONV_PANEL,
    NARROW = 16 /* channels of the output at a time */
};

/* ---- transforms ---- */

static struct lx *plus(struct lower *l, struct lx *acc, double factor, struct lx *x)
{
    if (!acc)
        return factor == 1 ? x : element(l, OP_mul, DT_REAL, lx_real(l->k, factor), x);
    if (factor == 1 || factor == -1)
        return element(l, factor == 1 ? OP_add : OP_sub, DT_REAL, acc, x);
    return element(l, OP_add, DT_REAL, acc, element(l, OP_mul, DT_REAL, lx_real(l->k, factor), x));
}

/* What needs no product goes first. */
static struct lx *combination(struct lower *l, int count, const double *factor, struct lx *const *x)
{
    struct lx *acc = NULL;
    int first = -1;

    for (int i = 0; i < count && first < 0; i++)
        first = factor[i] == 1 ? i : -1;
    if (first >= 0)
        acc = x[first];
    for (int i = 0; i < count; i++) {
        if (i != first && factor[i] != 0)
            acc = plus(l, acc, factor[i], x[i]);
    }
    return acc ? acc : lx_real(l->k, 0);
}

static bool starts_pair(const struct winograd_matrix *m, int i)
{
    return m->pairs >> i & 1;
}

/* y = m x where rows of m come in pairs: what they share, and what differs in its sign, is computed once. */
static void transform_rows(struct lower *l, struct lblock *b, const struct winograd_matrix *m, struct lx *const *x,
                           struct lx **y)
{
    for (int i = 0; i < m->rows; i++) {
        double same[MAX_POINTS], other[MAX_POINTS];
        if (!starts_pair(m, i)) {
            y[i] = combination(l, m->columns, m->at[i], x);
            continue;
        }
        for (int k = 0; k < m->columns; k++) {
            bool equal = m->at[i][k] == m->at[i + 1][k];
            same[k] = equal ? m->at[i][k] : 0;
            other[k] = equal ? 0 : m->at[i][k];
        }
        struct lx *even = ls_let(l->k, b, "even", combination(l, m->columns, same, x)),
                  *odd = ls_let(l->k, b, "odd", combination(l, m->columns, other, x));
        y[i] = element(l, OP_add, DT_REAL, even, odd);
        y[i + 1] = element(l, OP_sub, DT_REAL, even, odd);
        i++;
    }
}

/* Columns in pairs: their elements' sum and difference stand for the two. */
static void transform_columns(struct lower *l, struct lblock *b, const struct winograd_matrix *m, struct lx *const *x,
                              struct lx **y)
{
    struct lx *paired[MAX_POINTS];

    for (int i = 0; i < m->columns; i++) {
        paired[i] = x[i];
        if (!starts_pair(m, i))
            continue;
        paired[i] = ls_let(l->k, b, "sum", element(l, OP_add, DT_REAL, x[i], x[i + 1]));
        paired[i + 1] = ls_let(l->k, b, "difference", element(l, OP_sub, DT_REAL, x[i], x[i + 1]));
        i++;
    }
    for (int r = 0; r < m->rows; r++) {
        double factor[MAX_POINTS];
        for (int i = 0; i < m->columns; i++)
            factor[i] = m->at[r][i];
        for (int i = 0; i < m->columns; i++) {
            if (!starts_pair(m, i))
                continue;
            factor[m->at[r][i] == m->at[r][i + 1] ? i + 1 : i] = 0;
            if (factor[i + 1] != 0)
                factor[i + 1] = m->at[r][i];
        }
        y[r] = combination(l, m->columns, factor, paired);
    }
}

/* Where a transform takes element (i, k) from, and puts it. */
typedef struct lx *read_fn(struct lower *l, struct lx *i, struct lx *k, void *context);
typedef void write_fn(struct lower *l, struct lblock *b, struct lx *i, struct lx *k, struct lx *v, void *context);

struct ends {
    read_fn *read;
    write_fn *write;
    void *from, *to;
};

static struct lblock *open_points(struct lower *l, struct lblock *b, const char *name, int count, struct lx **at)
{
    struct ls *loop = ls_loop(l->k, b, name, lx_int(l->k, 0), lx_int(l->k, count), 1, LICENCE_PAR);

    *at = lx_var(l->k, loop->var);
    return &loop->body;
}

/* One axis: what `read` gives, or the columns of `half`. */
static void transform(struct lower *l, struct lblock *b, const struct winograd_matrix *m, struct lx *const *x,
                      struct lx **y)
{
    (m->down ? transform_rows : transform_columns)(l, b, m, x, y);
}

/* Along the last axis. */
static void transform_row(struct lower *l, struct lblock *b, const struct winograd_matrix *m, struct lx *i,
                          const struct ends *e, struct lx **y)
{
    struct lx *x[MAX_POINTS];

    for (int k = 0; k < m->columns; k++)
        x[k] = ls_let(l->k, b, "d", e->read(l, i, lx_int(l->k, k), e->from));
    transform(l, b, m, x, y);
}

/* m[0] x m[1]', in a loop over channels: x's rows first. One row is one row. */
static void transform_both(struct lower *l, struct lblock *b, const struct winograd_matrix *const *m,
                           const struct ends *e)
{
    const struct winograd_matrix *down = m[0], *across = m[1];
    struct dim size[] = { dim_of(down->columns), dim_of(across->rows) };
    struct lx *i, *x[MAX_POINTS], *y[MAX_POINTS], *zero = lx_int(l->k, 0);

    if (down->rows == 1 && down->columns == 1) {
        transform_row(l, b, across, zero, e, y);
        for (int k = 0; k < across->rows; k++)
            e->write(l, b, zero, lx_int(l->k, k), y[k], e->to);
        return;
    }
    struct lbuf *half = lbuf_local(l->k, b, "half", SPACE_ARRAY, DT_REAL, 2, size);
    struct lblock *in = open_points(l, b, "i", down->columns, &i);
    transform_row(l, in, across, i, e, y);
    for (int k = 0; k < across->rows; k++)
        ls_store(l->k, in, half, (struct lx *[]){ i, lx_int(l->k, k) }, y[k]);
    in = open_points(l, b, "k", across->rows, &i);
    for (int k = 0; k < down->columns; k++)
        x[k] = ls_let(l->k, in, "d", lx_load(l->k, half, (struct lx *[]){ lx_int(l->k, k), i }));
    transform(l, in, down, x, y);
    for (int k = 0; k < down->rows; k++)
        e->write(l, in, lx_int(l->k, k), i, y[k], e->to);
}

/* ---- weights ---- */

struct channels {
    struct lx *in, *out;
    int64_t parts, rows; /* of a gradient: so many, one behind the other, each of so many rows */
};

static struct lx *read_weight(struct lower *l, struct lx *i, struct lx *k, void *context)
{
    struct channels *c = context;
    struct lx *sum = NULL;

    for (int64_t p = 0; p < c->parts; p++) {
        struct lx *row = index_op(l, LX_IADD, i, lx_int(l->k, p * c->rows));
        struct lx *v = body_at(l, operand(l->anchor, 0), (struct lx *[MAX_RANK]){ row, k, c->in, c->out });
        sum = sum ? element(l, OP_add, DT_REAL, sum, v) : v;
    }
    return sum;
}

static void write_weight(struct lower *l, struct lblock *b, struct lx *i, struct lx *k, struct lx *v, void *context)
{
    struct channels *c = context;

    l->result = v;
    finish(l, b, (struct lx *[MAX_RANK]){ i, k, c->in, c->out });
}

static void form_of(const struct node *n, struct winograd *w)
{
    struct type x[] = { operand(n, 0)->type, operand(n, n->operands - 1)->type };

    if (!winograd_of(n, x, w))
        bug("'%s' has no form", op_info(n->op)->name);
}

/* The weights' transform and, of winograd_dw_weight, the way back for their gradient. */
void lower_winograd_weight(struct lower *l)
{
    struct node *n = l->anchor;
    struct winograd w[2];
    struct winograd_matrix back[2];
    const struct winograd_matrix *m[2];
    struct lx *at[MAX_RANK];
    struct lblock *b = open_loops(l, &l->k->body, n->result[0]->type, 2, 4, at);

    form_of(n, w);
    for (int i = 0; i < 2; i++) {
        back[i] = winograd_transposed(&w[i].weight);
        m[i] = n->op == OP_winograd_weight ? &w[i].weight : &back[i];
    }
    int64_t rows = m[0]->columns;
    struct channels c = { at[2], at[3], operand(n, 0)->type.dim[0].k / rows, rows };
    transform_both(l, b, m, &(struct ends){ read_weight, write_weight, &c, &c });
}

/* ---- tiles ---- */

/* All tiles of all images, some of which are at work. */
struct tiles {
    struct winograd w[2];
    int points;           /* products */
    int64_t across, each; /* tiles of a row, of an image */
    struct dim all;
    int64_t block, rows;     /* how many at a time, and how many a register tile takes */
    int64_t least;           /* or so many, where that is all that an image leaves over */
    int64_t images;          /* made at a time; 0: none is */
    struct lx *end;          /* of the tiles that can be seen */
    struct lx *first, *used; /* of the block */
    struct lx *whole;        /* as many as go through tiles of all rows; behind them is one of the least */
    struct lx *at[3];        /* the tile at work: sample, row and column of tiles */
    struct lblock *body;
};

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

/* How many images are made at a time: their tiles fill a block, and leave little over of register tiles. */
static void choose_images(struct lower *l, struct tiles *t)
{
    int64_t most = images_that_fit(l), best = 0, left = 0;

    t->images = 0;
    if (!most)
        return;
    most = l->parts > 1 && l->part_size < most ? l->part_size : most;
    for (int64_t k = 1; k <= most; k++) {
        int64_t tiles = k * t->each, over = round_up(tiles, t->rows) - tiles;
        if (best >= t->block && over * best >= left * tiles)
            continue;
        best = tiles;
        left = over;
    }
    t->images = best / t->each;
    t->block = t->block < round_up(best, t->rows) ? t->block : round_up(best, t->rows);
}

/* Transformed weights, or sums of their gradient, that are gone from a core's own caches when the next block wants them. */
static bool has_large_weights(const struct lower *l)
{
    const struct value *u = l->anchor->op == OP_winograd ? operand(l->anchor, 1) : l->anchor->result[0];

    return type_count(u->type, 1) >= LARGE_WEIGHTS;
}

/* Rows of a smaller register tile for what an image's tiles leave over. */
static int64_t least_rows(int64_t over, int64_t rows)
{
    return !over ? rows : over <= rows / 2 ? rows / 2 : over <= WIDE_ROWS && WIDE_ROWS < rows ? WIDE_ROWS : rows;
}

/* Of a result or, of its gradient, dy. Channels: of a tile's planes in scratch. */
static struct tiles tiles_of(struct lower *l, struct type y, int64_t channels, int64_t rows)
{
    struct tiles t = { .images = 0 };

    form_of(l->anchor, t.w);
    t.points = t.w[0].points * t.w[1].points;
    t.across = winograd_tiles(&t.w[1], y.dim[2].k);
    t.each = winograd_tiles(&t.w[0], y.dim[1].k) * t.across;
    t.all = (struct dim){ y.dim[0].k * t.each, y.dim[0].n };
    int64_t bytes = t.points * channels * (l->k->f64 ? 8 : 4), most = dim_size(t.all, l->k->batch);
    int64_t fit = (has_large_weights(l) ? 2 * SCRATCH : SCRATCH) / bytes;
    t.rows = most < rows ? most : rows;
    t.least = t.rows == rows ? least_rows(t.each % rows, rows) : t.rows;
    t.block = BLOCK_TILES < fit ? BLOCK_TILES : fit;
    t.block = t.block / t.rows * t.rows;
    t.block = t.block < t.rows ? t.rows : t.block;
    t.block = t.block < round_up(most, t.rows) ? t.block : round_up(most, t.rows);
    choose_images(l, &t);
    return t;
}

/* Some images at a time where sums go along that are kept apart (columns.c). */
static struct lblock *open_part(struct lower *l, int64_t each, struct range *s)
{
    struct dim n = operand(l->anchor, 0)->type.dim[0];
    struct lx *all = lx_dim(l->k, (struct dim){ n.k * each, n.n }), *size = lx_int(l->k, l->part_size * each);

    *s = (struct range){ lx_int(l->k, 0), all };
    if (l->parts <= 1)
        return &l->k->body;
    struct ls *loop = ls_loop(l->k, &l->k->body, "part", s->begin, lx_int(l->k, l->parts), 1, LICENCE_PAR);
    l->part = lx_var(l->k, loop->var);
    s->begin = index_op(l, LX_IMUL, l->part, size);
    s->end = index_op(l, LX_IMIN, index_op(l, LX_IADD, s->begin, size), all);
    return &loop->body;
}

/* The next multiple of `to`. */
static struct lx *filled(struct lower *l, struct lx *count, int64_t to)
{
    struct lx *up = index_op(l, LX_IADD, count, lx_int(l->k, to - 1)), *size = lx_int(l->k, to);

    return index_op(l, LX_IMUL, index_op(l, LX_IDIV, up, size), size);
}

static struct lblock *open_block(struct lower *l, struct tiles *t, enum licence licence)
{
    struct range s;
    struct lx *left;
    struct lblock *b = open_part(l, t->images ? 1 : t->each, &s);

    t->end = lx_dim(l->k, t->all);
    if (t->images) {
        struct lx *each = lx_int(l->k, t->each);
        b = open_images(l, b, t->images, &s, licence);
        s = (struct range){ index_op(l, LX_IMUL, s.begin, each), index_op(l, LX_IMUL, s.end, each) };
        t->end = s.end;
    }
    bool cut = licence == LICENCE_PAR && s.end->kind != LX_INT && l->parts <= 1 && !t->images && t->block > t->rows;
    if (cut)
        t->end = s.end = ls_let(l->k, b, "tiles", s.end);
    struct ls *loop = ls_loop(l->k, b, "b", s.begin, s.end, t->block, licence);
    loop->by = cut ? t->rows : 0;
    t->first = lx_var(l->k, loop->var);
    left = index_op(l, LX_ISUB, s.end, t->first);
    t->used = ls_let(l->k, &loop->body, "used", index_op(l, LX_IMIN, left, lx_int(l->k, t->block)));
    t->whole = filled(l, t->used, t->rows);
    if (t->least < t->rows) {
        left = index_op(l, LX_ISUB, t->used, lx_int(l->k, t->least));
        t->whole = ls_let(l->k, &loop->body, "whole", filled(l, left, t->rows));
    }
    t->body = &loop->body;
    return t->body;
}

/* points x points planes of the block's tiles, each with so many channels. */
static struct lbuf *planes(struct lower *l, struct lblock *b, const struct tiles *t, const char *name, int64_t channels)
{
    struct dim size[] = { dim_of(t->points), dim_of(t->block * channels + APART) };

    return lbuf_local(l->k, b, name, SPACE_ARRAY, DT_REAL, 2, size);
}

/* One row, or one column, of tiles needs no name. */
static struct lx *named(struct lower *l, struct lblock *b, const char *name, struct lx *x)
{
    return x->kind == LX_INT ? x : ls_let(l->k, b, name, x);
}

/* All rows of the register tiles that the block's go through. */
static struct lx *register_tiles(struct lower *l, const struct tiles *t)
{
    struct lx *over = index_op(l, LX_ISUB, t->used, t->whole);

    return t->least == t->rows ? t->whole : index_op(l, LX_IADD, t->whole, filled(l, over, t->least));
}

/* A loop over the block's tiles: those that are used, or as many as register tiles take. */
static struct lblock *open_tiles(struct lower *l, struct lblock *b, struct tiles *t, bool whole, struct lx **which)
{
    struct lx *end = whole ? register_tiles(l, t) : t->used, *each = lx_int(l->k, t->each);

    struct ls *loop = ls_loop(l->k, b, "t", lx_int(l->k, 0), end, 1, LICENCE_PAR);
    *which = lx_var(l->k, loop->var);
    struct lx *tile = index_op(l, LX_IADD, t->first, *which), *across = lx_int(l->k, t->across);
    if (whole)
        tile = index_op(l, LX_IMIN, tile, index_op(l, LX_ISUB, t->end, lx_int(l->k, 1)));
    tile = ls_let(l->k, &loop->body, "tile", tile);
    struct lx *within = ls_let(l->k, &loop->body, "within", index_op(l, LX_IMOD, tile, each));
    t->at[0] = ls_let(l->k, &loop->body, "sample", index_op(l, LX_IDIV, tile, each));
    t->at[1] = named(l, &loop->body, "tile_row", index_op(l, LX_IDIV, within, across));
    t->at[2] = named(l, &loop->body, "tile_column", index_op(l, LX_IMOD, within, across));
    return &loop->body;
}

/* The first row (axis 0) or column (1) of the tile at work: winograd_begin. */
static struct lx *tile_begin(struct lower *l, const struct tiles *t, int axis, int step)
{
    struct lx *tile = t->at[1 + axis], *dilation = lx_int(l->k, t->w[axis].dilation);
    struct lx *place = index_op(l, LX_IMUL, index_op(l, LX_IDIV, tile, dilation), dilation);

    return index_op(l, LX_IADD, index_op(l, LX_IMUL, place, lx_int(l->k, step)), index_op(l, LX_IMOD, tile, dilation));
}

/* Element i of a tile, or of what it sees. */
static struct lx *tile_element(struct lower *l, const struct tiles *t, int axis, struct lx *begin, struct lx *i)
{
    return index_op(l, LX_IADD, begin, index_op(l, LX_IMUL, i, lx_int(l->k, t->w[axis].dilation)));
}

/* Element (point, which * channels + channel) of planes; the point is (i, k). */
struct plane {
    struct lbuf *buf;
    int points; /* of a row */
    int64_t channels;
    struct lx *which, *channel;
};

static void plane_index(struct lower *l, const struct plane *p, struct lx *i, struct lx *k, struct lx **to)
{
    to[0] = index_op(l, LX_IADD, index_op(l, LX_IMUL, i, lx_int(l->k, p->points)), k);
    to[1] = index_op(l, LX_IADD, index_op(l, LX_IMUL, p->which, lx_int(l->k, p->channels)), p->channel);
}

static struct lx *plane_at(struct lower *l, const struct plane *p, struct lx *i, struct lx *k)
{
    struct lx *at[2];

    plane_index(l, p, i, k, at);
    return lx_load(l->k, p->buf, at);
}

static struct lx *read_plane(struct lower *l, struct lx *i, struct lx *k, void *context)
{
    return plane_at(l, context, i, k);
}

static void write_plane(struct lower *l, struct lblock *b, struct lx *i, struct lx *k, struct lx *v, void *context)
{
    struct plane *p = context;
    struct lx *at[2];

    plane_index(l, p, i, k, at);
    ls_store(l->k, b, p->buf, at, v);
}

/* What a tile sees of an image: `side` elements along each axis from a row and a column on. */
struct sight {
    const struct tiles *tiles;
    struct value *image;
    struct lx *begin[2], *channel;
    int side[2];
    bool guarded; /* some of it may lie outside, where there are zeros */
};

static struct lx *read_image(struct lower *l, struct lx *i, struct lx *k, void *context)
{
    struct sight *s = context;
    struct lx *which[] = { i, k }, *at[MAX_RANK] = { s->tiles->at[0], NULL, NULL, s->channel };

    for (int a = 0; a < 2; a++)
        at[1 + a] = tile_element(l, s->tiles, a, s->begin[a], which[a]);
    struct lx *v = body_at(l, s->image, at), *zero = lx_real(l->k, 0);
    for (int a = 1; s->guarded && a >= 0; a--) {
        v = lx_guard(l->k, index_op(l, LX_ILT, at[1 + a], lx_dim(l->k, s->image->type.dim[1 + a])), v, zero);
        v = lx_guard(l->k, index_op(l, LX_ILE, lx_int(l->k, 0), at[1 + a]), v, zero);
    }
    return v;
}

/* Whether all of it lies inside. */
static struct lx *sees_all(struct lower *l, const struct sight *s)
{
    struct lx *all = lx_flag(l->k, true);

    for (int a = 0; a < 2; a++) {
        int64_t last = s->image->type.dim[1 + a].k - 1 - (int64_t)(s->side[a] - 1) * s->tiles->w[a].dilation;
        struct lx *begins = index_op(l, LX_ILE, lx_int(l->k, 0), s->begin[a]),
                  *ends = index_op(l, LX_ILE, s->begin[a], lx_int(l->k, last));
        struct lx *both = element(l, OP_and, DT_BOOL, begins, ends);
        all = a ? element(l, OP_and, DT_BOOL, all, both) : both;
    }
    return all;
}

static void transform_sight(struct lower *l, struct lblock *b, const struct winograd_matrix *const *m, struct sight *s,
                            struct plane *to)
{
    struct ls *loop = ls_loop(l->k, b, "c", lx_int(l->k, 0), lx_int(l->k, to->channels), 1, LICENCE_PAR);

    s->channel = to->channel = lx_var(l->k, loop->var);
    transform_both(l, &loop->body, m, &(struct ends){ read_image, write_plane, s, to });
}

/* The tile at work, of which s says the image and where it begins: most see no edge, and ask nothing. */
static void transform_image(struct lower *l, struct lblock *b, const struct winograd_matrix *const *m, struct sight s,
                            struct plane to)
{
    for (int a = 0; a < 2; a++)
        s.side[a] = m[a]->columns;
    struct ls *inside = ls_if(l->k, b, sees_all(l, &s));
    transform_sight(l, &inside->body, m, &s, &to);
    s.guarded = true;
    transform_sight(l, &inside->other, m, &s, &to);
}

/* What tiles of a result, or of dy, are made from. */
static void transform_windows(struct lower *l, struct lblock *b, const struct tiles *t, struct value *x,
                              struct plane to)
{
    struct sight s = { .tiles = t, .image = x };
    const struct winograd_matrix *m[] = { &t->w[0].in, &t->w[1].in };

    for (int a = 0; a < 2; a++)
        s.begin[a] = index_op(l, LX_ISUB, tile_begin(l, t, a, t->w[a].step), lx_int(l->k, t->w[a].before));
    transform_image(l, b, m, s, to);
}

/* ---- forward ---- */

struct forward {
    struct tiles t;
    struct value *u;
    struct plane v, m;
    int64_t inputs;    /* channels that are summed: of x there may be more */
    int64_t outputs;   /* at a time */
    struct lx *output; /* the first of them */
    struct lbuf *seen; /* a tile's results, where a pool takes them; else NULL */
};

/* m = v u for one point (i, k): a register tile of so many tiles, in a loop over the outputs. */
static void tile_product(struct lower *l, struct lblock *b, struct forward *f, struct lx *const *point, struct lx *from,
                         int rows)
{
    struct lx *c, *at[2], *i = point[0], *k = point[1];
    struct ls *lanes = ls_loop(l->k, b, "o", lx_int(l->k, 0), lx_int(l->k, f->outputs), 1, LICENCE_PAR);
    struct lx *o = lx_var(l->k, lanes->var);
    struct lbuf *acc = open_tile(l, &lanes->body, rows);
    struct lblock *sum = open_red(l, &lanes->body, "c", f->inputs, &c);
    struct lx *u = body_at(l, f->u, (struct lx *[MAX_RANK]){ i, k, c, index_op(l, LX_IADD, f->output, o) });
    struct lx *right = ls_let(l->k, sum, "right", u);
    struct ls *add = tile_loop(l, sum, rows);
    struct lx *r = lx_var(l->k, add->var);

    f->v.channel = c;
    f->v.which = index_op(l, LX_IADD, from, r);
    struct lx *left = plane_at(l, &f->v, i, k);
    ls_store(l->k, &add->body, acc, &r, add_product(l, left, right, lx_load(l->k, acc, &r)));
    struct ls *out = tile_loop(l, &lanes->body, rows);
    r = lx_var(l->k, out->var);
    f->m.channel = o;
    f->m.which = index_op(l, LX_IADD, from, r);
    plane_index(l, &f->m, i, k, at);
    ls_store(l->k, &out->body, f->m.buf, at, lx_load(l->k, acc, &r));
}

/* Whole register tiles, and what is left over. */
static void point_product(struct lower *l, struct lblock *b, struct forward *f, struct lx *const *point)
{
    const struct tiles *t = &f->t;
    struct lx *begin = lx_int(l->k, 0), *end = t->least < t->rows ? t->whole : t->used;
    struct ls *loop = ls_loop(l->k, b, "t", begin, end, t->rows, LICENCE_PAR);
    tile_product(l, &loop->body, f, point, lx_var(l->k, loop->var), (int)t->rows);
    if (t->least == t->rows)
        return;
    loop = ls_loop(l->k, b, "t", end, t->used, t->least, LICENCE_PAR);
    tile_product(l, &loop->body, f, point, lx_var(l->k, loop->var), (int)t->least);
}

/* Element (i, k) of the tile at work, where there is one. */
static void write_result(struct lower *l, struct lblock *b, struct lx *i, struct lx *k, struct lx *v, void *context)
{
    struct forward *f = context;
    struct type y = l->anchor->result[0]->type;
    struct lx *which[] = { i, k }, *at[MAX_RANK] = { f->t.at[0] };

    for (int a = 0; a < 2; a++) {
        const struct winograd *w = &f->t.w[a];
        at[1 + a] = tile_element(l, &f->t, a, tile_begin(l, &f->t, a, w->tile), which[a]);
        if (y.dim[1 + a].k % ((int64_t)w->tile * w->dilation))
            b = &ls_if(l->k, b, index_op(l, LX_ILT, at[1 + a], lx_dim(l->k, y.dim[1 + a])))->body;
    }
    at[3] = index_op(l, LX_IADD, f->output, f->m.channel);
    l->result = v;
    finish(l, b, at);
}

static void write_seen(struct lower *l, struct lblock *b, struct lx *i, struct lx *k, struct lx *v, void *context)
{
    struct forward *f = context;

    ls_store(l->k, b, f->seen, (struct lx *[]){ i, k }, v);
}

/* One window within the tile: its first result is (begin[0], begin[1]). */
static struct lx *pool_window_of(struct lower *l, struct lblock *b, struct forward *f, const struct window *pool,
                                 struct lx *const *begin)
{
    static const char *const names[] = { "u", "v" };
    struct lbuf *most = lbuf_scalar(l->k, b, "most", DT_REAL, pool_start(l));
    struct lx *at[MAX_RANK] = { f->t.at[0] }, *in[2];

    for (int a = 0; a < 2; a++) {
        struct lx *k;
        b = open_red(l, b, names[a], pool->kernel[a], &k);
        in[a] = index_op(l, LX_IADD, begin[a], k);
        at[1 + a] = tile_element(l, &f->t, a, tile_begin(l, &f->t, a, f->t.w[a].tile), in[a]);
    }
    at[3] = index_op(l, LX_IADD, f->output, f->m.channel);
    l->result = lx_load(l->k, f->seen, in);
    ls_store(l->k, b, most, NULL, pool_more(l, lx_load(l->k, most, NULL), at));
    return lx_load(l->k, most, NULL);
}

/* The tile's windows, where there are such. */
static void pool_tile(struct lower *l, struct lblock *b, struct forward *f)
{
    static const char *const names[] = { "j", "k" };
    struct window pool = pool_window(l);
    struct type t = l->nest.anchor->result[0]->type;
    struct lx *at[MAX_RANK] = { f->t.at[0] }, *begin[2];

    for (int a = 0; a < 2; a++) {
        struct lx *size = lx_int(l->k, pool.kernel[a]);
        int64_t windows = f->t.w[a].tile / pool.kernel[a], all = windows * (a ? f->t.across : f->t.each / f->t.across);
        struct ls *loop = ls_loop(l->k, b, names[a], lx_int(l->k, 0), lx_int(l->k, windows), 1, LICENCE_PAR);
        struct lx *which = lx_var(l->k, loop->var);
        b = &loop->body;
        begin[a] = index_op(l, LX_IMUL, which, size);
        at[1 + a] = index_op(l, LX_IADD, index_op(l, LX_IMUL, f->t.at[1 + a], lx_int(l->k, windows)), which);
        if (t.dim[1 + a].k < all)
            b = &ls_if(l->k, b, index_op(l, LX_ILT, at[1 + a], lx_dim(l->k, t.dim[1 + a])))->body;
    }
    at[3] = index_op(l, LX_IADD, f->output, f->m.channel);
    pool_finish(l, b, pool_window_of(l, b, f, &pool, begin), at);
}

static void some_outputs(struct lower *l, struct lblock *b, struct forward *f)
{
    const struct winograd_matrix *m[] = { &f->t.w[0].out, &f->t.w[1].out };
    struct lx *point[2];

    f->m.buf = planes(l, b, &f->t, "m", f->outputs);
    struct lblock *in = open_points(l, b, "i", f->t.w[0].points, &point[0]);
    point_product(l, open_points(l, in, "k", f->t.w[1].points, &point[1]), f, point);
    in = open_tiles(l, b, &f->t, false, &f->m.which);
    struct ls *lanes = ls_loop(l->k, in, "o", lx_int(l->k, 0), lx_int(l->k, f->outputs), 1, LICENCE_PAR);
    f->m.channel = lx_var(l->k, lanes->var);
    if (!is_pooled(l)) {
        transform_both(l, &lanes->body, m, &(struct ends){ read_plane, write_result, &f->m, f });
        return;
    }
    struct dim size[] = { dim_of(f->t.w[0].tile), dim_of(f->t.w[1].tile) };
    f->seen = lbuf_local(l->k, &lanes->body, "seen", SPACE_ARRAY, DT_REAL, 2, size);
    transform_both(l, &lanes->body, m, &(struct ends){ read_plane, write_seen, &f->m, f });
    pool_tile(l, &lanes->body, f);
}

void lower_winograd(struct lower *l)
{
    struct value *x = operand(l->anchor, 0), *u = operand(l->anchor, 1);
    struct type y = l->anchor->result[0]->type;
    int64_t inputs = x->type.dim[3].k, outputs = y.dim[3].k;
    bool wide = outputs % WIDE == 0;
    struct forward f = { .u = u,
                         .inputs = u->type.dim[2].k,
                         .outputs = wide               ? WIDE
                                    : outputs % NARROW ? outputs
                                                       : NARROW };

    f.t = tiles_of(l, y, inputs + f.outputs, wide ? WIDE_ROWS : ROWS);
    f.v = (struct plane){ .points = f.t.w[1].points, .channels = inputs };
    f.m = (struct plane){ .points = f.t.w[1].points, .channels = f.outputs };
    struct lblock *b = open_block(l, &f.t, LICENCE_PAR);
    f.v.buf = planes(l, b, &f.t, "v", inputs);
    struct lblock *in = open_tiles(l, b, &f.t, true, &f.v.which);
    transform_windows(l, in, &f.t, x, f.v);
    struct ls *panels = ls_loop(l->k, b, "panel", lx_int(l->k, 0), lx_int(l->k, outputs / f.outputs), 1, LICENCE_PAR);
    f.output = index_op(l, LX_IMUL, lx_var(l->k, panels->var), lx_int(l->k, f.outputs));
    some_outputs(l, &panels->body, &f);
    count_macs(l, type_make(DT_REAL, 1, &f.t.all), (double)(f.t.points * f.inputs * outputs));
}

/* ---- the gradient of the weights ---- */

struct backward {
    struct tiles t;
    struct plane v, d;
    struct lbuf *du;
    struct lx *i, *k; /* the point */
};

/* Element (point, c, channel) of the result, or of the part at work. */
static void place_sum(struct lower *l, const struct backward *g, struct lx *c, struct lx **at)
{
    struct lx *first = l->part ? index_op(l, LX_IMUL, l->part, lx_int(l->k, g->t.w[0].points)) : lx_int(l->k, 0);

    at[0] = index_op(l, LX_IADD, first, g->i);
    at[1] = g->k;
    at[2] = c;
    at[3] = g->d.channel;
}

/* Sums over the block's tiles, added to what the result holds so far: a chain of all tiles would lose digits. */
static void gradient_tile(struct lower *l, struct lblock *b, struct lx *from, int rows, void *context)
{
    struct backward *g = context;
    struct ls *lanes = ls_loop(l->k, b, "o", lx_int(l->k, 0), lx_int(l->k, g->d.channels), 1, LICENCE_PAR);
    struct lblock *in = &lanes->body;
    struct lbuf *acc = open_tile(l, in, rows);
    struct lx *at[MAX_RANK];

    g->d.channel = lx_var(l->k, lanes->var);
    struct ls *sum = ls_loop(l->k, in, "p", lx_int(l->k, 0), g->t.used, 1, LICENCE_RED);
    g->v.which = g->d.which = lx_var(l->k, sum->var);
    struct lx *right = ls_let(l->k, &sum->body, "right", plane_at(l, &g->d, g->i, g->k));
    struct ls *loop = tile_loop(l, &sum->body, rows);
    struct lx *r = lx_var(l->k, loop->var);
    g->v.channel = index_op(l, LX_IADD, from, r);
    ls_store(l->k, &loop->body, acc, &r, add_product(l, plane_at(l, &g->v, g->i, g->k), right, lx_load(l->k, acc, &r)));
    loop = tile_loop(l, in, rows);
    r = lx_var(l->k, loop->var);
    place_sum(l, g, index_op(l, LX_IADD, from, r), at);
    ls_store(l->k, &loop->body, g->du, at,
             element(l, OP_add, DT_REAL, lx_load(l->k, g->du, at), lx_load(l->k, acc, &r)));
}

/* The gradient at the tile's results. */
static void transform_gradient(struct lower *l, struct lblock *b, const struct tiles *t, struct value *dy,
                               struct plane to)
{
    struct winograd_matrix down = winograd_transposed(&t->w[0].out), across = winograd_transposed(&t->w[1].out);
    struct sight s = { .tiles = t, .image = dy };

    for (int a = 0; a < 2; a++)
        s.begin[a] = tile_begin(l, t, a, t->w[a].tile);
    transform_image(l, b, (const struct winograd_matrix *[]){ &down, &across }, s, to);
}

/* Where no parts run in threads the points do, all of them in one loop: a few rows would be shared out unevenly. */
static struct lblock *open_shared_points(struct lower *l, struct lblock *b, struct backward *g)
{
    struct lx *point, *across = lx_int(l->k, g->t.w[1].points);

    if (l->parts > 1)
        return open_points(l, open_points(l, b, "i", g->t.w[0].points, &g->i), "k", g->t.w[1].points, &g->k);
    b = open_points(l, b, "point", g->t.points, &point);
    g->i = ls_let(l->k, b, "i", index_op(l, LX_IDIV, point, across));
    g->k = ls_let(l->k, b, "k", index_op(l, LX_IMOD, point, across));
    return b;
}

void lower_winograd_dw(struct lower *l)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0), *dy = operand(n, 1);
    struct type t = n->result[0]->type;
    int64_t inputs = t.dim[2].k, outputs = t.dim[3].k;
    struct backward g = { .du = result_buffer(l, n->result[0]) };
    struct lx *at[MAX_RANK];

    if (!g.du)
        bug("the gradient of weights is no result of its group");
    ls_store(l->k, open_loops(l, &l->k->body, t, 0, 4, at), g.du, at, lx_real(l->k, 0));
    l->parts = attr_int(n, "parts");
    l->part_size = winograd_part(dim_size(x->type.dim[0], graph_samples(n->graph)), l->parts);
    g.t = tiles_of(l, dy->type, inputs + outputs, 1);
    g.v = (struct plane){ .points = g.t.w[1].points, .channels = inputs };
    g.d = (struct plane){ .points = g.t.w[1].points, .channels = outputs };
    struct lblock *b = open_block(l, &g.t, LICENCE_SEQ);
    g.v.buf = planes(l, b, &g.t, "v", inputs);
    g.d.buf = planes(l, b, &g.t, "d", outputs);
    struct lblock *in = open_tiles(l, b, &g.t, false, &g.v.which);
    g.d.which = g.v.which;
    transform_windows(l, in, &g.t, x, g.v);
    transform_gradient(l, in, &g.t, dy, g.d);
    in = open_shared_points(l, b, &g);
    in_tiles(l, in, inputs, outputs % WIDE ? ROWS : WIDE_ROWS, gradient_tile, &g);
    count_macs(l, type_make(DT_REAL, 1, &g.t.all), (double)(g.t.points * inputs * outputs));
}
