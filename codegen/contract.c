/* codegen/contract.c: products and convolutions. Each output element adds up over its sum in one order, whatever tile it
 * falls into. Rows of a product, and output channels of a convolution, are taken several at a time: what they share is
 * loaded once. */
#include "codegen/lower.h"
#include "ir/loop_lanes.h"

enum { ROWS = NEST_TILE, CHANNELS = 4 };

struct span {
    struct lx *begin, *end;
    bool in_parts; /* a part of a sum, of SPAN terms at most */
};

/* Rows begin..end of those from `first` on. */
struct some_rows {
    struct lx *first, *begin, *end;
};

/* What is taken at once: a part of the sum, some columns. */
struct part {
    struct span sum;
    struct panel panel;
    struct lbuf *copy; /* of the panel of the right operand; NULL: there is none */
};

struct lx *add_product(struct lower *l, struct lx *a, struct lx *b, struct lx *acc)
{
    return lx_fma(l->k, a, b, acc);
}

void count_macs(struct lower *l, struct type t, double each)
{
    l->k->macs = each * (double)type_count(t, l->k->batch);
}

/* ---- matmul ---- */

static struct lx *matrix_at(struct lower *l, struct value *x, bool swapped, struct lx *const *lead, struct lx *row,
                            struct lx *column)
{
    struct lx *at[MAX_RANK];
    int r = x->type.rank;
    for (int i = 0; i < r - 2; i++)
        at[i] = lead[i];
    at[r - 2] = swapped ? column : row;
    at[r - 1] = swapped ? row : column;
    return body_at(l, x, at);
}

static struct dim depth_of(const struct node *n)
{
    struct type x = operand(n, 0)->type;

    return x.dim[x.rank - 1 - attr_bool(n, "ta")];
}

/* Which row of the result a row of the tile is. */
struct placing {
    struct lx **at, *from;
    int axis;
};

static void place_row(struct lower *l, struct lx *r, void *context)
{
    struct placing *p = context;

    p->at[p->axis] = index_op(l, LX_IADD, p->from, r);
}

/* ---- long sums ---- */

enum { PIECE = 208 };

/* A long sum is one of pieces: a chain of additions loses digits with its length (Higham 1993, The Accuracy of Floating Point
 * Summation, section 3). All pieces but the last are of one length, so that bits depend on the length of the sum alone. */
static int64_t piece_of(const struct lower *l, const struct span *s)
{
    struct type t = l->anchor->result[0]->type;
    int64_t terms = s->end->kind == LX_INT && s->begin->kind == LX_INT ? s->end->i - s->begin->i : 0;
    int64_t pieces = (terms + PIECE - 1) / PIECE;

    return l->level && pieces > 2 && !t.dim[t.rank - 1].n ? ((terms + pieces - 1) / pieces + 7) / 8 * 8 : 0;
}

/* A loop over the pieces of a long sum; *s becomes that of one. */
static struct lblock *open_piece(struct lower *l, struct lblock *b, struct span *s)
{
    int64_t piece = piece_of(l, s);
    struct ls *loop = ls_loop(l->k, b, "c_0", s->begin, s->end, (int)piece, LICENCE_RED);

    s->begin = lx_var(l->k, loop->var);
    s->end = index_op(l, LX_IMIN, index_op(l, LX_IADD, s->begin, lx_int(l->k, piece)), s->end);
    return &loop->body;
}

/* Rows from..from + rows, all columns. Pieces are added up on a stage: compilers spill what waits in registers. */
static void rows_of_product(struct lower *l, struct lblock *b, struct lx **at, struct lx *from, int rows,
                            const struct part *p)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0), *y = operand(n, 1);
    struct type t = n->result[0]->type;
    bool ta = attr_bool(n, "ta"), tb = attr_bool(n, "tb"), pieces = piece_of(l, &p->sum) > 0;
    struct placing place = { at, from, t.rank - 2 };
    struct tile tile = { .panel = p->panel,
                         .outside = b,
                         .stage = (pieces ? open_total : open_stage)(l, b, rows, &p->panel),
                         .rows = rows,
                         .at = at,
                         .place = place_row,
                         .context = &place };
    struct span some = p->sum;

    tile.in = open_panel(l, pieces ? open_piece(l, b, &some) : b, &p->panel, at, &tile.column);
    tile.acc = open_tile(l, tile.in, rows);
    struct ls *sum = ls_loop(l->k, tile.in, "c", some.begin, some.end, 1, LICENCE_RED);
    struct lx *k = lx_var(l->k, sum->var), *copied[] = { index_op(l, LX_ISUB, k, p->sum.begin), tile.column };
    struct lx *right = p->copy ? lx_load(l->k, p->copy, copied) : matrix_at(l, y, tb, at, k, at[t.rank - 1]);
    right = ls_let(l->k, &sum->body, "right", right);
    struct ls *add = tile_loop(l, &sum->body, rows);
    struct lx *r = lx_var(l->k, add->var), *left = matrix_at(l, x, ta, at, index_op(l, LX_IADD, from, r), k);

    ls_store(l->k, &add->body, tile.acc, &r, add_product(l, left, right, lx_load(l->k, tile.acc, &r)));
    if (pieces)
        add_to_stage(l, &tile);
    (pieces ? finish_stage : finish_tile)(l, &tile);
}

/* Loops over rows begin..end in tiles, whole ones alone. */
static void tiles_of_product(struct lower *l, struct lblock *b, struct lx **at, const struct some_rows *rows, int tile,
                             const struct part *p)
{
    struct ls *tiles = ls_loop(l->k, b, "i", rows->begin, rows->end, tile, LICENCE_PAR);

    rows_of_product(l, &tiles->body, at, index_op(l, LX_IADD, rows->first, lx_var(l->k, tiles->var)), tile, p);
}

/* ---- a row alone ---- */

/* Columns; elements of the right operand; columns whose sums are held in registers, and in the nearest cache. */
enum { WIDE_ROW = 128, MUCH = 1 << 15, REGISTERS = 256, NEAR = 2048 };

static struct ls *row_lanes(struct lower *l, struct lblock *b, const struct panel *p)
{
    return ls_loop(l->k, b, "j", lx_int(l->k, 0), lx_int(l->k, p->columns), 1, LICENCE_PAR);
}

/* Sums of a piece's columns: of its own, or in a row that is held, from column `first` on. */
struct sums {
    struct lbuf *of;
    struct lx *row, *first; /* NULL: of its own */
};

static struct lx *const *sum_at(struct lower *l, const struct sums *s, struct lx *j, struct lx **at)
{
    at[0] = s->row ? s->row : j;
    at[1] = s->row ? index_op(l, LX_IADD, s->first, j) : NULL;
    return at;
}

static struct sums own_sums(struct lower *l, struct lblock *b, const struct panel *p)
{
    struct dim size = dim_of(p->columns);

    return (struct sums){ lbuf_local(l->k, b, "acc", SPACE_ARRAY, DT_REAL, 1, &size), NULL, NULL };
}

static struct sums open_sums(struct lower *l, struct lblock *b, const struct panel *p, struct lx *row)
{
    if (makes_held_rows(l) && p->columns > REGISTERS)
        return (struct sums){ l->held.rows, index_op(l, LX_ISUB, row, l->held.first), p->first };
    return own_sums(l, b, p);
}

static struct lx *sum_of(struct lower *l, const struct sums *s, struct lx *j)
{
    struct lx *place[2];

    return lx_load(l->k, s->of, sum_at(l, s, j, place));
}

static struct ls *set_sums(struct lower *l, struct lblock *b, const struct panel *p, const struct sums *s)
{
    struct ls *loop = row_lanes(l, b, p);
    struct lx *place[2];

    ls_store(l->k, &loop->body, s->of, sum_at(l, s, lx_var(l->k, loop->var), place), lx_real(l->k, 0));
    return loop;
}

enum { TERMS = 4 };

/* Terms that are added to a sum at once: what is in memory is fetched and put back once for all of them. */
static int terms_at_once(const struct lower *l, const struct panel *p)
{
    struct dim depth = depth_of(l->anchor);

    return p->columns > REGISTERS && !depth.n && depth.k % TERMS == 0 ? TERMS : 1; /* pieces are multiples of 8 */
}

/* Adds what `sum` goes over; gives the loop over columns. The right operand is read as it lies, some rows at a time, by few
 * instructions: that is what machines foresee. So the sums of a long row are in memory; two vectors of them at a time. */
static struct ls *add_terms(struct lower *l, struct lblock *b, struct lx **at, const struct panel *p,
                            const struct span *sum, const struct sums *s)
{
    struct node *n = l->anchor;
    int last = n->result[0]->type.rank - 1, terms = terms_at_once(l, p);
    struct lx *place[2], *c[TERMS], *left[TERMS];
    struct ls *depth = ls_loop(l->k, b, "c", sum->begin, sum->end, terms, LICENCE_RED);

    for (int i = 0; i < terms; i++) {
        c[i] = index_op(l, LX_IADD, lx_var(l->k, depth->var), lx_int(l->k, i));
        left[i] =
            ls_let(l->k, &depth->body, "left", matrix_at(l, operand(n, 0), attr_bool(n, "ta"), at, at[last - 1], c[i]));
    }
    struct ls *loop = row_lanes(l, &depth->body, p);
    struct lx *j = lx_var(l->k, loop->var), *column = index_op(l, LX_IADD, p->first, j);
    sum_at(l, s, j, place);
    struct lx *v = lx_load(l->k, s->of, place);
    for (int i = 0; i < terms; i++)
        v = add_product(l, left[i], matrix_at(l, operand(n, 1), attr_bool(n, "tb"), at, c[i], column), v);
    ls_store(l->k, &loop->body, s->of, place, v);
    if (p->columns > REGISTERS && !lanes_of(l->k, loop).why)
        loop->way = WAY_WIDE;
    return loop;
}

static void in_registers(struct lower *l, const struct panel *p, const struct sums *s, struct ls *clear, struct ls *add,
                         struct ls *out)
{
    if (p->columns <= REGISTERS)
        run_in_lanes(l, s->of, (struct ls *[]){ clear, add, out }, 3);
}

/* A long sum: each piece's sums are added to the total. */
static void add_pieces(struct lower *l, struct lblock *b, struct lx **at, const struct panel *p, struct span sum,
                       const struct sums *total)
{
    struct lblock *body = open_piece(l, b, &sum);
    struct sums some = own_sums(l, body, p);
    struct ls *clear = set_sums(l, body, p, &some), *add = add_terms(l, body, at, p, &sum, &some);
    struct ls *out = row_lanes(l, body, p);
    struct lx *j = lx_var(l->k, out->var), *place[2];

    ls_store(l->k, &out->body, total->of, sum_at(l, total, j, place),
             element(l, OP_add, DT_REAL, sum_of(l, total, j), sum_of(l, &some, j)));
    in_registers(l, p, &some, clear, add, out);
}

/* Columns p of row at[rank - 2]. */
static void piece_of_row(struct lower *l, struct lblock *b, struct lx **at, const struct part *part)
{
    const struct panel *p = &part->panel;
    int last = l->anchor->result[0]->type.rank - 1;
    bool pieces = piece_of(l, &part->sum) > 0;
    struct sums sums = open_sums(l, b, p, at[last - 1]);
    struct ls *clear = set_sums(l, b, p, &sums), *add = NULL, *out;

    if (pieces)
        add_pieces(l, b, at, p, part->sum, &sums);
    else
        add = add_terms(l, b, at, p, &part->sum, &sums);
    if (sums.row)
        return;
    out = row_lanes(l, b, p);
    at[last] = index_op(l, LX_IADD, p->first, lx_var(l->k, out->var));
    l->result = sum_of(l, &sums, lx_var(l->k, out->var));
    finish(l, &out->body, at);
    if (!pieces)
        in_registers(l, p, &sums, clear, add, out);
}

/* Of a large right operand; sums over rows would make the tile an array. */
static bool in_pieces(const struct lower *l)
{
    struct type t = l->anchor->result[0]->type;
    struct dim columns = t.dim[t.rank - 1];

    return l->level && !columns.n && columns.k >= WIDE_ROW && !has_columns(l) && !attr_bool(l->anchor, "tb") &&
           type_count(operand(l->anchor, 1)->type, l->k->batch) >= MUCH;
}

/* Columns first..end of row at[rank - 2], in whole pieces; gives where they end. Of a right operand
 * that is far away, as many columns at a time as registers hold the sums of: that took 0.9 of the time. */
static int64_t pieces_of_row(struct lower *l, struct lblock *b, struct lx **at, struct span sum, int64_t columns)
{
    bool far = type_count(operand(l->anchor, 1)->type, l->k->batch) >= NEST_FAR;
    int64_t piece = far ? REGISTERS : NEAR, lanes = columns <= REGISTERS ? 16 : 32;
    int64_t whole = columns / lanes * lanes, first = whole / piece * piece;
    struct part p = { sum, { lx_int(l->k, 0), piece }, NULL };

    if (first) {
        struct ls *loop = ls_loop(l->k, b, "j_0", lx_int(l->k, 0), lx_int(l->k, first), piece, LICENCE_PAR);
        p.panel.first = lx_var(l->k, loop->var);
        piece_of_row(l, &loop->body, at, &p);
    }
    p.panel = (struct panel){ lx_int(l->k, first), whole - first };
    if (whole > first)
        piece_of_row(l, b, at, &p);
    return whole;
}

/* ---- all of it ---- */

enum { PANEL = 32 };

/* Of a large right operand some columns stay in the cache while all rows go by. */
static bool in_panels(const struct lower *l)
{
    const struct value *right = operand(l->anchor, 1);
    struct type t = l->anchor->result[0]->type;
    struct dim columns = t.dim[t.rank - 1];

    return l->level && !columns.n && columns.k >= 2 * PANEL && type_count(right->type, l->k->batch) >= MUCH &&
           dim_size(t.dim[t.rank - 2], l->k->batch) >= 2 * ROWS;
}

/* Terms of a sum that are taken together, where it is taken in parts. Rows of a result for which a panel is copied: those of
 * the right operand lie far apart, in few sets of the cache. */
enum { SPAN = 256, MANY_ROWS = 256 };

static void copy_panel(struct lower *l, struct lblock *b, struct lx **at, struct part *p)
{
    struct node *n = l->anchor;
    struct dim size[] = { dim_of(SPAN), dim_of(PANEL) };

    p->copy = lbuf_local(l->k, b, "panel", SPACE_ARRAY, DT_REAL, 2, size);
    struct ls *rows = ls_loop(l->k, b, "c", p->sum.begin, p->sum.end, 1, LICENCE_PAR);
    struct ls *columns = ls_loop(l->k, &rows->body, "j", lx_int(l->k, 0), lx_int(l->k, PANEL), 1, LICENCE_PAR);
    struct lx *c = lx_var(l->k, rows->var), *j = lx_var(l->k, columns->var);
    struct lx *right = matrix_at(l, operand(n, 1), attr_bool(n, "tb"), at, c, index_op(l, LX_IADD, p->panel.first, j));
    ls_store(l->k, &columns->body, p->copy, (struct lx *[]){ index_op(l, LX_ISUB, c, p->sum.begin), j }, right);
}

/* Whether a panel's rows for all of a sum are few enough to be copied. */
static bool is_short(const struct lower *l, const struct span *sum)
{
    return l->level && (sum->in_parts || dim_size(depth_of(l->anchor), l->k->batch) <= SPAN);
}

/* For however few samples: rows of samples are many in a full batch alone. */
static bool has_many_rows(const struct lower *l, const struct span *sum)
{
    struct type t = l->anchor->result[0]->type;
    struct dim rows = t.dim[t.rank - 2];

    return (sum->in_parts || !rows.n) && dim_size(rows, l->k->batch) >= MANY_ROWS;
}

/* Whether a tile of all columns would have too large a stage for the pieces of a long sum. */
static bool is_too_wide(const struct lower *l, const struct span *sum, int tile)
{
    struct type t = l->anchor->result[0]->type;

    return piece_of(l, sum) && tile * t.dim[t.rank - 1].k > STAGED;
}

/* Tiles of so many rows, panel by panel. */
static void rows_in_panels(struct lower *l, struct lblock *b, struct lx **at, const struct some_rows *rows, int tile,
                           struct span sum)
{
    struct type t = l->anchor->result[0]->type;
    int64_t columns = t.dim[t.rank - 1].k, whole = columns / PANEL * PANEL;
    struct part p = { sum, { NULL, PANEL }, NULL };

    struct ls *panels = ls_loop(l->k, b, "j_0", lx_int(l->k, 0), lx_int(l->k, whole), PANEL, LICENCE_PAR);
    p.panel.first = lx_var(l->k, panels->var);
    if (is_short(l, &sum) && has_many_rows(l, &sum))
        copy_panel(l, &panels->body, at, &p);
    tiles_of_product(l, &panels->body, at, rows, tile, &p);
    p.panel = (struct panel){ lx_int(l->k, whole), columns - whole };
    p.copy = NULL;
    if (columns > whole)
        tiles_of_product(l, b, at, rows, tile, &p);
}

/* Tiles of so many rows over all columns, in panels where that pays. */
static void rows_in_tiles(struct lower *l, struct lblock *b, struct lx **at, const struct some_rows *rows, int tile,
                          struct span sum)
{
    struct part all = { sum, { NULL, 0 }, NULL };

    if (in_panels(l) || is_too_wide(l, &sum, tile))
        rows_in_panels(l, b, at, rows, tile, sum);
    else
        tiles_of_product(l, b, at, rows, tile, &all);
}

static void rows_alone(struct lower *l, struct lblock *b, struct lx **at, const struct some_rows *rows, struct span sum)
{
    struct type t = l->anchor->result[0]->type;
    int64_t columns = t.dim[t.rank - 1].k, whole = 0;

    if (in_pieces(l)) {
        struct ls *loop = ls_loop(l->k, b, "i", rows->begin, rows->end, 1, LICENCE_PAR);
        at[t.rank - 2] = index_op(l, LX_IADD, rows->first, lx_var(l->k, loop->var));
        whole = pieces_of_row(l, &loop->body, at, sum, columns);
    }
    if (!whole && is_too_wide(l, &sum, 1)) {
        rows_in_panels(l, b, at, rows, 1, sum);
        return;
    }
    struct part rest = { sum, { lx_int(l->k, whole), whole ? columns - whole : 0 }, NULL };
    if (!whole || columns > whole)
        tiles_of_product(l, b, at, rows, 1, &rest);
}

/* So many rows in tiles of 8, then those that are left: all at once where their number is known, else one by one. */
static void product(struct lower *l, struct lblock *b, struct lx **at, struct lx *first, struct lx *count,
                    struct span sum)
{
    struct lx *eight = lx_int(l->k, ROWS), *none = lx_int(l->k, 0), *whole = none;

    if (l->level && count->high >= ROWS) {
        whole = index_op(l, LX_IMUL, index_op(l, LX_IDIV, count, eight), eight);
        rows_in_tiles(l, b, at, &(struct some_rows){ first, none, whole }, ROWS, sum);
    }
    if (whole == count) /* of n * 64 rows none is left */
        return;
    struct some_rows left = { first, whole, count };
    if (!l->level || count->kind != LX_INT || count->i == 1)
        rows_alone(l, b, at, &left, sum);
    else if (count->i % ROWS)
        rows_in_tiles(l, b, at, &left, (int)(count->i % ROWS), sum);
}

/* What is only added to variables may be added in parts. */
static bool only_adds(const struct lower *l)
{
    for (const struct node *n = l->body->first; n; n = n->next)
        if (n->op == OP_assign || (n->op == OP_accumulate && operand(n, 1)->def != l->anchor))
            return false;
    return !l->body->yields && !l->column;
}

void lower_matmul_rows(struct lower *l, struct lblock *b, struct lx **at, struct lx *first, struct lx *count)
{
    struct node *n = l->anchor;
    struct dim depth = depth_of(n);

    product(l, b, at, first, count, (struct span){ lx_int(l->k, 0), lx_dim(l->k, depth), false });
    count_macs(l, n->result[0]->type, (double)dim_size(depth, l->k->batch));
}

/* A sum down long columns, a weight's gradient, is taken in parts: what a part of the columns holds stays in the cache
 * while all rows and columns of the result go by. */
void lower_matmul(struct lower *l)
{
    struct node *n = l->anchor;
    struct type t = n->result[0]->type;
    struct dim depth = depth_of(n);
    struct lx *at[MAX_RANK], *end = lx_dim(l->k, depth);
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank - 2, at);
    struct span s = { lx_int(l->k, 0), end, false };

    if (l->level && attr_bool(n, "ta") && dim_size(depth, l->k->batch) >= 4 * SPAN && only_adds(l)) {
        struct ls *parts = ls_loop(l->k, b, "c_0", s.begin, end, SPAN, LICENCE_RED);
        s.begin = lx_var(l->k, parts->var);
        s.end = index_op(l, LX_IMIN, index_op(l, LX_IADD, s.begin, lx_int(l->k, SPAN)), end);
        s.in_parts = true;
        b = &parts->body;
    }
    product(l, b, at, lx_int(l->k, 0), lx_dim(l->k, t.dim[t.rank - 2]), s);
    count_macs(l, t, (double)dim_size(depth, l->k->batch));
}

/* ---- convolution ---- */

/* x at [sample, channel, o * stride + k * dilation - pad ...], zero where that lies outside. */
static struct lx *padded_at(struct lower *l, struct value *x, const struct window *w, struct lx *sample,
                            struct lx *channel, struct lx *const *o, struct lx *const *k)
{
    struct lx *at[MAX_RANK] = { sample, channel };

    for (int i = 0; i < w->n; i++)
        at[2 + i] = slid(l, w, i, o[i], k[i]);
    return padded(l, w, x->type, at + 2, body_at(l, x, at));
}

static struct lx *weight_at(struct lower *l, struct value *weight, struct lx *o, struct lx *c, struct lx *const *k,
                            int n)
{
    struct lx *at[MAX_RANK] = { o, c };
    for (int i = 0; i < n; i++)
        at[2 + i] = k[i];
    return body_at(l, weight, at);
}

static void plain_conv(struct lower *l)
{
    struct node *n = l->anchor;
    struct value *x = operand(n, 0), *weight = operand(n, 1);
    struct type t = n->result[0]->type;
    struct window w = read_window(n, weight->type);
    int64_t outputs = t.dim[1].k / w.groups, inputs = weight->type.dim[1].k,
            tile = l->level && outputs % CHANNELS == 0 ? CHANNELS : 1;
    struct lx *at[MAX_RANK], *k[3], *c;
    struct lbuf *acc[CHANNELS];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, 1, at);
    struct ls *channels = ls_loop(l->k, b, "o", lx_int(l->k, 0), lx_int(l->k, t.dim[1].k), tile, LICENCE_PAR);
    struct lx *first = lx_var(l->k, channels->var), *group = index_op(l, LX_IDIV, first, lx_int(l->k, outputs));
    b = open_loops(l, &channels->body, t, 2, t.rank, at);
    for (int r = 0; r < tile; r++)
        acc[r] = lbuf_scalar(l->k, b, "acc", DT_REAL, lx_real(l->k, 0));
    struct lblock *in = open_window(l, open_red(l, b, "c", inputs, &c), &w, k);
    struct lx *channel = index_op(l, LX_IADD, index_op(l, LX_IMUL, group, lx_int(l->k, inputs)), c);
    struct lx *v = ls_let(l->k, in, "v", padded_at(l, x, &w, at[0], channel, at + 2, k));
    for (int r = 0; r < tile; r++) {
        struct lx *f = weight_at(l, weight, index_op(l, LX_IADD, first, lx_int(l->k, r)), c, k, w.n);
        ls_store(l->k, in, acc[r], NULL, add_product(l, f, v, lx_load(l->k, acc[r], NULL)));
    }
    for (int r = 0; r < tile; r++) {
        at[1] = index_op(l, LX_IADD, first, lx_int(l->k, r));
        l->result = lx_load(l->k, acc[r], NULL);
        finish(l, b, at);
    }
    count_macs(l, t, (double)type_count(weight->type, 1) / (double)t.dim[1].k);
}

static void plain_conv_dx(struct lower *l)
{
    struct node *n = l->anchor;
    struct value *dy = operand(n, 0), *weight = operand(n, 1);
    struct type t = n->result[0]->type;
    struct window w = read_window(n, weight->type);
    int64_t outputs = dy->type.dim[1].k / w.groups, inputs = weight->type.dim[1].k;
    struct lx *at[MAX_RANK], *k[3], *o;
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);
    struct lx *group = index_op(l, LX_IDIV, at[1], lx_int(l->k, inputs)),
              *c = index_op(l, LX_IMOD, at[1], lx_int(l->k, inputs));
    struct lbuf *acc = lbuf_scalar(l->k, b, "acc", DT_REAL, lx_real(l->k, 0));
    struct lblock *in = open_window(l, open_red(l, b, "o", outputs, &o), &w, k);
    struct lx *output = index_op(l, LX_IADD, index_op(l, LX_IMUL, group, lx_int(l->k, outputs)), o);
    struct source s = source_of(l, &w, dy->type, at + 2, k);
    struct lx *from[MAX_RANK] = { at[0], output, s.from[0], s.from[1], s.from[2] };
    struct lx *product = element(l, OP_mul, DT_REAL, weight_at(l, weight, output, c, k, w.n), body_at(l, dy, from));
    ls_store(l->k, in, acc, NULL, element(l, OP_add, DT_REAL, lx_load(l->k, acc, NULL), guarded(l, &s, product)));
    l->result = lx_load(l->k, acc, NULL);
    finish(l, b, at);
    count_macs(l, t, (double)outputs * (double)type_count(weight->type, 1) / (double)(weight->type.dim[0].k * inputs));
}

struct weight_term {
    struct node *n;
    struct window w;
    struct lx *output, *channel, *k[3];
};

static struct lx *weight_term(struct lower *l, struct lx *const *at, void *context)
{
    struct weight_term *t = context;
    struct lx *from[MAX_RANK] = { at[0], t->output };
    for (int i = 0; i < t->w.n; i++)
        from[2 + i] = at[1 + i];
    struct lx *x = padded_at(l, operand(t->n, 0), &t->w, at[0], t->channel, at + 1, t->k);
    return element(l, OP_mul, DT_REAL, body_at(l, operand(t->n, 1), from), x);
}

static void plain_conv_dw(struct lower *l)
{
    struct node *n = l->anchor;
    struct type t = n->result[0]->type, dy = operand(n, 1)->type;
    struct weight_term w = { .n = n, .w = read_window(n, t) };
    struct sum s = { .op = OP_add,
                     .dtype = DT_REAL,
                     .axes = 1 + w.w.n,
                     .last = dy.dim[dy.rank - 1].k,
                     .contiguous = true,
                     .term = weight_term,
                     .context = &w };
    struct lx *at[MAX_RANK];
    struct lblock *b = open_loops(l, &l->k->body, t, 0, t.rank, at);
    struct lx *group = index_op(l, LX_IDIV, at[0], lx_int(l->k, t.dim[0].k / w.w.groups));
    w.output = at[0];
    w.channel = index_op(l, LX_IADD, index_op(l, LX_IMUL, group, lx_dim(l->k, t.dim[1])), at[1]);
    for (int i = 0; i < w.w.n; i++)
        w.k[i] = at[2 + i];
    s.extent[0] = lx_dim(l->k, dy.dim[0]);
    for (int i = 0; i < w.w.n; i++)
        s.extent[1 + i] = lx_dim(l->k, dy.dim[2 + i]);
    l->result = emit_sum(l, b, &s);
    finish(l, b, at);
    count_macs(l, t, (double)type_count(dy, l->k->batch) / (double)dy.dim[1].k);
}

static void either(struct lower *l, void (*plain)(struct lower *l))
{
    (attr_bool(l->anchor, "channels_last") ? lower_conv_last : plain)(l);
}

void lower_conv(struct lower *l)
{
    either(l, plain_conv);
}

void lower_conv_dx(struct lower *l)
{
    either(l, plain_conv_dx);
}

void lower_conv_dw(struct lower *l)
{
    either(l, plain_conv_dw);
}
