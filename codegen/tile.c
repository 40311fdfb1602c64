/* codegen/tile.c: register tiles: some rows of a result, which a loop in lanes declares as an array of accumulators. What
 * the rows share is loaded once for all of them. */
#include "codegen/lower.h"

struct ls *tile_loop(struct lower *l, struct lblock *b, int rows)
{
    return ls_loop(l->k, b, "r", lx_int(l->k, 0), lx_int(l->k, rows), 1, LICENCE_PAR);
}

struct lbuf *open_tile(struct lower *l, struct lblock *b, int rows)
{
    struct dim size = dim_of(rows);
    struct lbuf *acc = lbuf_local(l->k, b, "acc", SPACE_ARRAY, DT_REAL, 1, &size);
    struct ls *loop = tile_loop(l, b, rows);
    struct lx *r = lx_var(l->k, loop->var);

    ls_store(l->k, &loop->body, acc, &r, lx_real(l->k, 0));
    return acc;
}

/* Of 28 accumulators of two vectors each none is spilt on a machine that has 32 registers. */
enum { FEW = 6, USUAL = 8, MANY = 14 };

int tile_rows(int64_t rows)
{
    for (int64_t tile = rows < MANY ? rows : MANY; tile >= FEW; tile--) {
        if (rows % tile == 0)
            return (int)tile;
    }
    return rows < USUAL ? (int)rows : USUAL;
}

void in_tiles(struct lower *l, struct lblock *b, int64_t rows, int tile, tile_fn *body, void *context)
{
    int64_t whole = rows / tile * tile;

    if (whole) {
        struct ls *tiles = ls_loop(l->k, b, "i", lx_int(l->k, 0), lx_int(l->k, whole), tile, LICENCE_PAR);
        body(l, &tiles->body, lx_var(l->k, tiles->var), tile, context);
    }
    if (rows > whole)
        body(l, b, lx_int(l->k, whole), (int)(rows - whole), context);
}
