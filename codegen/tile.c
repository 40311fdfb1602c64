/* codegen/tile.c: register tiles: some rows of a result, which a loop in lanes declares as an array of accumulators. What
 * the rows share is loaded once for all of them. */
#include "codegen/lower.h"

struct ls *tile_loop(struct lower *l, struct lblock *b, int rows)
{
    return ls_loop(l->k, b, "r", lx_int(l->k, 0), lx_int(l->k, rows), 1, LICENCE_PAR);
}

struct lbuf *open_filled(struct lower *l, struct lblock *b, const char *name, int rows, struct lx *start)
{
    struct dim size = dim_of(rows);
    struct lbuf *acc = lbuf_local(l->k, b, name, SPACE_ARRAY, DT_REAL, 1, &size);
    struct ls *loop = tile_loop(l, b, rows);
    struct lx *r = lx_var(l->k, loop->var);

    ls_store(l->k, &loop->body, acc, &r, start);
    return acc;
}

struct lbuf *open_tile(struct lower *l, struct lblock *b, int rows)
{
    return open_filled(l, b, "acc", rows, lx_real(l->k, 0));
}

/* ---- the epilogue ---- */

enum { MUCH_WORK = 3, FEW_ROWS = 4 };

/* Work behind the anchor, an operation each; elementary functions count as more. */
static int epilogue_work(const struct lower *l)
{
    int work = 0;

    for (const struct node *n = l->body->first; n; n = n->next) {
        bool behind = n != l->anchor && l->nest.place[n->id] == AT_EACH && op_is_map(n->op);
        work += behind ? (op_is(n->op, CHEAP) ? 1 : MUCH_WORK + 1) : 0;
    }
    return work;
}

struct lblock *open_panel(struct lower *l, struct lblock *b, const struct panel *p, struct lx **at, struct lx **column)
{
    struct type t = l->anchor->result[0]->type;

    if (!p->columns) {
        b = open_loops(l, b, t, t.rank - 1, t.rank, at);
        *column = at[t.rank - 1];
        return b;
    }
    struct ls *loop = ls_loop(l->k, b, "j", lx_int(l->k, 0), lx_int(l->k, p->columns), 1, LICENCE_PAR);
    *column = lx_var(l->k, loop->var);
    at[t.rank - 1] = index_op(l, LX_IADD, p->first, *column);
    return &loop->body;
}

static struct lbuf *stage_of(struct lower *l, struct lblock *b, int rows, const struct panel *p)
{
    struct type t = l->anchor->result[0]->type;
    struct dim shape[2] = { dim_of(rows), p->columns ? dim_of(p->columns) : t.dim[t.rank - 1] };

    return lbuf_local(l->k, b, "stage", SPACE_ARRAY, DT_REAL, 2, shape);
}

struct lbuf *open_stage(struct lower *l, struct lblock *b, int rows, const struct panel *p)
{
    struct type t = l->anchor->result[0]->type;
    struct dim columns = p->columns ? dim_of(p->columns) : t.dim[t.rank - 1];

    if (!l->level || makes_held_rows(l) || rows < FEW_ROWS || columns.n || rows * columns.k > STAGED ||
        (epilogue_work(l) <= MUCH_WORK && !has_columns(l)))
        return NULL;
    return stage_of(l, b, rows, p);
}

struct lbuf *open_total(struct lower *l, struct lblock *b, int rows, const struct panel *p)
{
    struct lbuf *total = stage_of(l, b, rows, p);
    struct ls *loop = tile_loop(l, b, rows);
    struct lx *at[MAX_RANK], *index[2] = { lx_var(l->k, loop->var) };
    struct lblock *in = open_panel(l, &loop->body, p, at, &index[1]);

    ls_store(l->k, in, total, index, lx_real(l->k, 0));
    return total;
}

/* Coordinates of the tile's row r. */
static struct lx *row_of(struct lower *l, struct tile *t, struct ls *loop)
{
    struct lx *r = lx_var(l->k, loop->var);

    t->place(l, r, t->context);
    return r;
}

static void finish_at_once(struct lower *l, struct tile *t)
{
    struct ls *out = tile_loop(l, t->in, t->rows);
    struct lx *r = row_of(l, t, out);

    l->result = lx_load(l->k, t->acc, &r);
    finish(l, &out->body, t->at);
}

/* Stores the accumulators, or adds them to what is there. */
static void put_on_stage(struct lower *l, struct tile *t, bool adds)
{
    struct ls *out = tile_loop(l, t->in, t->rows);
    struct lx *r = lx_var(l->k, out->var), *index[2] = { r, t->column }, *v = lx_load(l->k, t->acc, &r);

    ls_store(l->k, &out->body, t->stage, index,
             adds ? element(l, OP_add, DT_REAL, lx_load(l->k, t->stage, index), v) : v);
}

void add_to_stage(struct lower *l, struct tile *t)
{
    put_on_stage(l, t, true);
}

void finish_stage(struct lower *l, struct tile *t)
{
    struct ls *row = tile_loop(l, t->outside, t->rows);
    struct lx *index[2] = { row_of(l, t, row) };
    struct lblock *b = open_panel(l, &row->body, &t->panel, t->at, &index[1]);

    l->result = lx_load(l->k, t->stage, index);
    finish(l, b, t->at);
}

void finish_tile(struct lower *l, struct tile *t)
{
    if (!t->stage) {
        finish_at_once(l, t);
        return;
    }
    put_on_stage(l, t, false);
    finish_stage(l, t);
}

/* Of 28 accumulators of two vectors each none is spilt on a machine that has 32 registers. */
enum { FEW = 6, USUAL = 8, MANY = 14 };

int tile_rows(int64_t rows, bool shared)
{
    int64_t most = shared ? MANY : USUAL;

    for (int64_t tile = rows < most ? rows : most; tile >= FEW; tile--) {
        if (rows % tile == 0)
            return (int)tile;
    }
    return rows < USUAL ? (int)rows : USUAL;
}

int tile_groups(int64_t groups, int64_t each)
{
    int64_t most = groups < MANY / each ? groups : MANY / each;

    for (int64_t tile = most; tile * each >= FEW; tile--) {
        if (groups % tile == 0)
            return (int)tile;
    }
    return (int)most;
}

void in_tiles(struct lower *l, struct lblock *b, int64_t rows, int tile, tile_fn *body, void *context)
{
    int64_t whole = rows / tile * tile;

    if (whole == tile) {
        body(l, b, lx_int(l->k, 0), tile, context);
    } else if (whole) {
        struct ls *tiles = ls_loop(l->k, b, "i", lx_int(l->k, 0), lx_int(l->k, whole), tile, LICENCE_PAR);
        body(l, &tiles->body, lx_var(l->k, tiles->var), tile, context);
    }
    if (rows > whole)
        body(l, b, lx_int(l->k, whole), (int)(rows - whole), context);
}
