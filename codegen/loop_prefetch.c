/* codegen/loop_prefetch.c: what an epilogue reads is asked for before the sums that come first. Its rows lie a few lines
 * here and a few there, where no machine sees by itself what comes next, and the sums take as long as memory does.
 *
 *     local stage : f32[8,16]                 local stage : f32[8,16]
 *     for ...: stage[r,q] = ...               for r in 0..8 par
 *     for r in 0..8 par                 =>      prefetch x[i,j + r,0]
 *       for q in 0..16 par vector             for ...: stage[r,q] = ...
 *         y[i,j + r,q] =                      for r in 0..8 par
 *             stage[r,q] + x[i,j + r,q]         ...
 *
 * Likewise one row of a product asks for what comes next of a large matrix, 2 KB ahead: lanes sum faster than the caches see
 * where that lies.
 *
 *     for c in 0..784 red                         for c in 0..784 red
 *       for j in 0..512 par vector       =>         for j in 0..512 step 16 par
 *         acc[j] = acc[j] + a[c] * w[c,j]             prefetch w[imin(c + 1, 783),j]
 *                                                   for j in 0..512 par vector
 *                                                     acc[j] = acc[j] + a[c] * w[c,j]
 *
 * A panel of columns, whose rows lie on a page each, asks for the next panel while its own is multiplied:
 *
 *     for j_0 in 0..3136 step 32 par              for j_0 in 0..3136 step 32 par
 *       for i in 0..64 step 8 par                   for i in 0..64 step 8 par
 *         for j in 0..32 par wide          =>         for j in 0..32 par wide
 *           for c in 0..256 red                         for c in 0..256 red
 *             let right = b[c,j_0 + j]                    prefetch b[c,imin(j_0 + 32, 3104)]
 *             ...                                         prefetch b[c,imin(j_0 + 32, 3104) + 16]
 *                                                         let right = b[c,j_0 + j]
 *                                                         ...
 *
 * Within a panel, whose rows are more than a few lines apart, each asks for the one eight rows ahead: machines foresee what
 * lies together, and at most what lies on one page.
 *
 *     for j in 0..32 par wide                     for j in 0..32 par wide
 *       for c in 0..768 red                         for c in 0..768 red
 *         let right = b[c,j_0 + j]          =>        let ahead = imin(c * 768 + j_0 + 6144, 589792)
 *         ...                                         prefetch b[ahead / 768,ahead % 768]
 *                                                     prefetch b[(ahead + 16) / 768,(ahead + 16) % 768]
 *                                                     let right = b[c,j_0 + j]
 *                                                     ...
 *
 * And so do rows of a table that are found by indices, which no machine foresees: t[index[i],j] asks for
 * t[index[imin(i + 8, n - 1)],j].
 *
 * Rows of a view lie far apart: a step of many. A tile of registers asks for those that its epilogue reads, and a loop over
 * rows for the next one.
 *
 *     for j in 0..32 par wide                     for r in 0..8 par
 *       local acc : f32[8]                          for j in 0..32 step 16 par
 *       for c in 0..128 red: ...            =>        prefetch x[i + r,j]
 *       for r in 0..8 par                         for j in 0..32 par wide
 *         y[i + r,j] = x[i + r,j] + acc[r]          ...
 *
 *     for i in 0..n par                           for i in 0..n par
 *       for j in 0..128 par vector          =>      for j in 0..128 step 16 par
 *         y[i,j] = exp(x[i,j])                        prefetch x[imin(i + 1, n - 1),j]
 *                                                   for j in 0..128 par vector
 *                                                     y[i,j] = exp(x[i,j])
 */
#include "codegen/loop_pass.h"

#include "ir/loop_index.h"
#include "ir/loop_lanes.h"

/* Bytes that are in no near cache; elements; loads; lines that a near one holds. */
enum { FAR = 1 << 18, LINE = 16, MOST = 64, MOST_ASKED = 1 << 13 };

struct ask {
    struct lkernel *k;
    struct rewrite rewrite; /* the epilogue's variables and names to those of the copy */
    const struct lx *asked[MOST];
    int count;
    bool views; /* for what is read of these alone */
};

/* ---- what is worth it ---- */

/* Of a view, of the whole. */
static int64_t bytes_of(const struct lkernel *k, const struct lbuf *b)
{
    return type_count(lbuf_memory(b), k->batch) * (b->dtype == DT_REAL ? (k->f64 ? 8 : 4) : 1);
}

/* Whether an index can be had before anything is loaded. */
static bool is_early(const struct lx *x)
{
    if (x->kind == LX_LOAD || x->kind == LX_FOLD || x->kind == LX_RANDOM)
        return false;
    if (x->kind == LX_LET)
        return is_early(x->let->value);
    for (int i = 0; i < x->args; i++)
        if (!is_early(x->arg[i]))
            return false;
    return true;
}

static bool is_far(const struct lkernel *k, const struct lx *x, int64_t far)
{
    return x->kind == LX_LOAD && x->buf->space == SPACE_ARGUMENT && x->buf->dtype == DT_REAL &&
           bytes_of(k, x->buf) >= far;
}

static bool is_worth_it(const struct ask *a, const struct lx *x, int64_t far)
{
    if (!is_far(a->k, x, far))
        return false;
    for (int i = 0; i < x->args; i++)
        if (!is_early(x->arg[i]))
            return false;
    return true;
}

static void ask_for(struct ask *a, struct lblock *b, struct lx *x)
{
    if (x->kind == LX_GUARD || a->count == MOST)
        return;
    for (int i = 0; i < x->args; i++)
        ask_for(a, b, x->arg[i]);
    if (!is_worth_it(a, x, FAR) || (a->views && !x->buf->axis))
        return;
    for (int i = 0; i < a->count; i++)
        if (a->asked[i] == x)
            return;
    a->asked[a->count++] = x;
    ls_prefetch(a->k, b, rewrite_value(&a->rewrite, x));
}

/* ---- the copy ---- */

static void copy_block(struct ask *a, struct lblock *to, const struct lblock *from);

/* A loop in which nothing is asked for is left out. */
static void copy_loop(struct ask *a, struct lblock *to, const struct ls *s)
{
    struct lblock inside = { NULL, NULL };
    int before = a->count;
    struct ls *copy = ls_loop(a->k, &inside, s->var->name, rewrite_value(&a->rewrite, s->begin),
                              rewrite_value(&a->rewrite, s->end), loop_in_lanes(s) ? LINE : s->step, LICENCE_PAR);

    rewrite_set(&a->rewrite, lx_var(a->k, s->var), lx_var(a->k, copy->var));
    copy_block(a, &copy->body, &s->body);
    if (a->count == before)
        return;
    if (to->last)
        to->last->next = copy;
    else
        to->first = copy;
    to->last = copy;
}

/* False where nothing behind it can be asked for: a condition is not known yet. */
static bool copy_statement(struct ask *a, struct lblock *to, const struct ls *s)
{
    switch (s->kind) {
    case LS_LOOP: copy_loop(a, to, s); return true;
    case LS_IF:
        if (!is_early(s->value))
            return false;
        copy_block(a, &ls_if(a->k, to, rewrite_value(&a->rewrite, s->value))->body, &s->body);
        return true;
    case LS_LET:
        if (s->value->dtype == DT_I32 && is_early(s->value))
            rewrite_set(&a->rewrite, s->reference, ls_let(a->k, to, s->name, rewrite_value(&a->rewrite, s->value)));
        else
            ask_for(a, to, s->value);
        return true;
    case LS_STORE: ask_for(a, to, s->value); return true;
    default: return true;
    }
}

static void copy_block(struct ask *a, struct lblock *to, const struct lblock *from)
{
    for (const struct ls *s = from->first; s && copy_statement(a, to, s); s = s->next)
        continue;
}

/* ---- what the copy has for nothing ---- */

static bool value_mentions(const struct lx *x, const struct lx *name)
{
    if (x == name)
        return true;
    for (int i = 0; i < x->args; i++)
        if (value_mentions(x->arg[i], name))
            return true;
    return false;
}

static bool mentioned_from(const struct ls *s, const struct lx *name)
{
    for (; s; s = s->next) {
        if ((s->value && value_mentions(s->value, name)) || (s->begin && value_mentions(s->begin, name)) ||
            (s->end && value_mentions(s->end, name)) || mentioned_from(s->body.first, name))
            return true;
    }
    return false;
}

/* Names that nobody asks by, conditions of nothing. */
static struct ls *without_unused(struct ls *s)
{
    if (!s)
        return NULL;
    s->next = without_unused(s->next);
    s->body.first = without_unused(s->body.first);
    bool idle = s->kind == LS_LET ? !mentioned_from(s->next, s->reference) : s->kind == LS_IF && !s->body.first;
    return idle ? s->next : s;
}

/* ---- where ---- */

/* Whether something in the block writes b behind a sum. */
static bool block_sums(const struct lblock *block, const struct lbuf *b, bool sum)
{
    for (const struct ls *s = block->first; s; s = s->next) {
        sum |= s->kind == LS_LOOP && s->licence == LICENCE_RED;
        if ((s->kind == LS_STORE && s->buf == b && sum) || block_sums(&s->body, b, sum) ||
            block_sums(&s->other, b, sum))
            return true;
    }
    return false;
}

/* The loop that reads what sums were stored to b, the declaration's array; NULL: there is none. */
static const struct ls *epilogue_of(const struct ls *declaration)
{
    const struct lbuf *b = declaration->buf;
    bool summed = false;

    for (const struct ls *s = declaration->next; s; s = s->next) {
        if (s->kind != LS_LOOP)
            continue;
        bool sums = block_sums(&s->body, b, false);
        if (summed && !sums && block_reads(&s->body, b))
            return s;
        summed |= sums;
    }
    return NULL;
}

/* How many lines a block asks for at most. */
static double lines_in(const struct lblock *b)
{
    double lines = 0;

    for (const struct ls *s = b->first; s; s = s->next)
        lines +=
            s->kind == LS_PREFETCH ? 1 : lines_in(&s->body) * (s->kind == LS_LOOP ? (double)loop_most_trips(s) : 1);
    return lines;
}

/* Whether all that the epilogue names can be had at the declaration: what has got its name behind it goes by its value. */
static bool name_values(struct ask *a, const struct ls *declaration, const struct ls *epilogue)
{
    for (const struct ls *s = declaration->next; s != epilogue; s = s->next) {
        if (s->kind != LS_LET || s->value->dtype != DT_I32)
            continue;
        if (is_early(s->value))
            rewrite_set(&a->rewrite, s->reference, rewrite_value(&a->rewrite, s->value));
        else if (value_mentions(epilogue->begin, s->reference) || value_mentions(epilogue->end, s->reference) ||
                 mentioned_from(epilogue->body.first, s->reference))
            return false;
    }
    return true;
}

/* More than the near cache holds is gone again when it is read. */
static void ask_before(struct lkernel *k, struct ls *declaration, const struct ls *epilogue)
{
    struct ask a = { .k = k, .rewrite = { .k = k } };
    struct lblock asked = { NULL, NULL };

    if (!name_values(&a, declaration, epilogue))
        return;
    copy_loop(&a, &asked, epilogue);
    if (!asked.first || lines_in(&asked) > MOST_ASKED)
        return;
    asked.first->body.first = without_unused(asked.first->body.first);
    asked.last->next = declaration->next;
    declaration->next = asked.first;
}

/* ---- rows ahead ---- */

enum { LONG_ROW = 64, AHEAD = 512, ROWS_AHEAD = 8 }; /* elements; rows of a table */
enum { MATRIX = 1 << 20 };                           /* bytes: what is read again and again lies nearer */

/* The loop over a tile of one row that ends s, a sum; NULL: it does not. */
static const struct ls *summed_row(const struct ls *s)
{
    const struct ls *row = s->body.first;

    while (row && row->next)
        row = row->next;
    if (!row || s->kind != LS_LOOP || s->licence != LICENCE_RED || s->step != 1 || row->kind != LS_LOOP ||
        !loop_in_lanes(row) || loop_trips(row) < LONG_ROW || !row->body.first || row->body.first->next ||
        row->body.first->kind != LS_STORE)
        return NULL;
    const struct lbuf *to = row->body.first->buf;
    return to->space != SPACE_ARGUMENT && to->rank == 1 ? row : NULL;
}

/* What x loads from memory of which each iteration of s reads another row, the lanes of `row` a piece of it. */
static struct lx *row_read(const struct ask *a, struct lx *x, const struct ls *s, const struct ls *row)
{
    struct lsum at;
    struct lx *found = NULL;

    if (is_worth_it(a, x, MATRIX) && lsum_of(&at, lx_flat(a->k, x->buf, x->arg)) &&
        lsum_factor(&at, lx_var(a->k, row->var)) == 1 && lsum_factor(&at, lx_var(a->k, s->var)) >= loop_trips(row))
        return x;
    for (int i = 0; i < x->args && !found && x->kind != LX_GUARD; i++)
        found = row_read(a, x->arg[i], s, row);
    return found;
}

/* Whether an index of x is loaded by v. */
static bool is_indirect(const struct lx *x, const struct lvar *v, bool loaded)
{
    if (x->kind == LX_LET)
        return is_indirect(x->let->value, v, loaded);
    if (x->kind == LX_VAR)
        return loaded && x->var == v;
    for (int i = 0; i < x->args; i++)
        if (is_indirect(x->arg[i], v, loaded || (x->kind == LX_LOAD && x->dtype != DT_REAL)))
            return true;
    return false;
}

/* What x loads from rows of a table that s goes through by indices, the lanes of `row` a piece of each. */
static struct lx *row_found(struct lkernel *k, struct lx *x, const struct ls *s, const struct ls *row)
{
    struct lsum at;
    struct lx *found = NULL;

    if (is_far(k, x, MATRIX) && is_indirect(x, s->var, false) && lsum_of(&at, lx_flat(k, x->buf, x->arg)) &&
        lsum_factor(&at, lx_var(k, row->var)) == 1)
        return x;
    for (int i = 0; i < x->args && !found && x->kind != LX_GUARD; i++)
        found = row_found(k, x->arg[i], s, row);
    return found;
}

/* Of all that the lanes of a loop in s store. */
static struct lx *any_row_found(struct lkernel *k, const struct ls *s, const struct ls **row)
{
    struct lx *found = NULL;

    for (const struct ls *in = s->body.first; in && !found; in = in->next) {
        if (in->kind != LS_LOOP || !loop_in_lanes(in))
            continue;
        *row = in;
        for (const struct ls *store = in->body.first; store && !found; store = store->next)
            found = store->value ? row_found(k, store->value, s, in) : NULL;
    }
    return found;
}

/* x is what the lanes of `row`, a loop in s, load. */
static void ask_ahead(struct lkernel *k, struct ls *s, const struct ls *row, struct lx *x, int64_t rows)
{
    struct ask a = { .k = k, .rewrite = { .k = k } };
    struct lblock asked = { NULL, NULL };
    struct lx *c = lx_var(k, s->var);
    struct ls *piece = ls_loop(k, &asked, row->var->name, row->begin, row->end, LINE, LICENCE_PAR);
    struct lx *last = lx_index(k, LX_ISUB, s->end, lx_int(k, 1));
    rewrite_set(&a.rewrite, lx_var(k, row->var), lx_var(k, piece->var));
    rewrite_set(&a.rewrite, c, lx_index(k, LX_IMIN, lx_index(k, LX_IADD, c, lx_int(k, rows)), last));
    for (const struct ls *let = s->body.first; let; let = let->next)
        if (let->kind == LS_LET && let->value->dtype == DT_I32)
            rewrite_set(&a.rewrite, let->reference, rewrite_value(&a.rewrite, let->value));
    ls_prefetch(k, &piece->body, rewrite_value(&a.rewrite, x));
    piece->next = s->body.first;
    s->body.first = piece;
}

static void ask_for_rows(struct lkernel *k, struct ls *s)
{
    const struct ask a = { .k = k };
    const struct ls *row = summed_row(s);
    struct lx *x = NULL;

    if (s->kind != LS_LOOP || s->step != 1 || loop_in_lanes(s))
        return;
    int64_t rows = row ? (AHEAD + loop_trips(row) - 1) / loop_trips(row) : ROWS_AHEAD;
    x = row ? row_read(&a, row->body.first->value, s, row) : any_row_found(k, s, &row);
    if (x)
        ask_ahead(k, s, row, x, rows);
}

/* ---- the next panel ---- */

enum { PAGE = 1024, MOST_LINES = 4 }; /* elements; of a panel's row */

/* The load that a sum, s, begins with, of which each iteration reads another row, `apart` elements from the last or more,
 * and the lanes neighbours; NULL: it is no such sum. */
static struct lx *row_of_sum(const struct ask *a, const struct ls *s, const struct ls *lanes, int64_t bytes,
                             int64_t apart)
{
    const struct ls *first = s->body.first;
    struct lsum at;

    if (s->licence != LICENCE_RED || s->step != 1 || !first || first->kind != LS_LET ||
        !is_worth_it(a, first->value, bytes) || !lsum_of(&at, lx_flat(a->k, first->value->buf, first->value->arg)))
        return NULL;
    return lsum_factor(&at, lx_var(a->k, lanes->var)) == 1 && lsum_factor(&at, lx_var(a->k, s->var)) >= apart
               ? first->value
               : NULL;
}

/* The same where it is of a panel. */
static struct lx *panel_read(const struct ask *a, const struct ls *s, const struct ls *panel, const struct ls *lanes)
{
    struct lx *x = row_of_sum(a, s, lanes, MATRIX, PAGE);
    struct lsum at;

    return x && lsum_of(&at, lx_flat(a->k, x->buf, x->arg)) && lsum_factor(&at, lx_var(a->k, panel->var)) == 1 ? x
                                                                                                               : NULL;
}

static void ask_for_next(struct lkernel *k, struct ls *s, const struct ls *panel, const struct ls *lanes, struct lx *x)
{
    struct lblock asked = { NULL, NULL };
    struct lx *step = lx_int(k, panel->step), *here = lx_var(k, panel->var);
    struct lx *next = lx_index(k, LX_IMIN, lx_index(k, LX_IADD, here, step), lx_index(k, LX_ISUB, panel->end, step));

    for (int64_t line = 0; line < panel->step; line += LINE) {
        struct ask a = { .k = k, .rewrite = { .k = k } };
        rewrite_set(&a.rewrite, here, next);
        rewrite_set(&a.rewrite, lx_var(k, lanes->var), lx_int(k, line));
        ls_prefetch(k, &asked, rewrite_value(&a.rewrite, x));
    }
    asked.last->next = s->body.first;
    s->body.first = asked.first;
}

/* In b, a part of the panel's loop; lanes: the loop in lanes around it, or NULL. */
static void ask_for_panels(struct lkernel *k, struct lblock *b, const struct ls *panel, const struct ls *lanes)
{
    const struct ask a = { .k = k };

    for (struct ls *s = b->first; s; s = s->next) {
        if (s->kind != LS_LOOP)
            continue;
        const struct ls *inner = loop_in_lanes(s) ? s : lanes;
        struct lx *x = lanes && !loop_in_lanes(s) ? panel_read(&a, s, panel, lanes) : NULL;
        if (x)
            ask_for_next(k, s, panel, lanes, x);
        else
            ask_for_panels(k, &s->body, panel, inner);
    }
}

/* ---- rows of a matrix ---- */

/* Bytes; elements; a nearest cache holds so many rows that lie alike; products of each row that hide what is asked. */
enum { NEAR = 1 << 15, APART = 4 * LINE, ROWS_OF_SUM = 8, PRODUCTS = 6 };

/* What lies at this place of all that b holds. */
static struct lx *load_at(struct lkernel *k, struct lbuf *b, struct lx *place)
{
    struct lx *at[MAX_RANK];

    for (int i = b->rank - 1; i >= 0; i--) {
        struct lx *size = lx_dim(k, b->shape[i]);
        at[i] = i ? lx_index(k, LX_IMOD, place, size) : place;
        place = i ? lx_index(k, LX_IDIV, place, size) : place;
    }
    return lx_load(k, b, at);
}

static void ask_for_row_ahead(struct lkernel *k, struct ls *s, const struct ls *lanes, struct lx *x)
{
    struct ask a = { .k = k, .rewrite = { .k = k } };
    struct lblock asked = { NULL, NULL };
    int64_t width = loop_trips(lanes);
    struct lx *all = lx_int(k, 1);
    struct lsum at;

    rewrite_set(&a.rewrite, lx_var(k, lanes->var), lx_int(k, 0));
    struct lx *here = rewrite_value(&a.rewrite, lx_flat(k, x->buf, x->arg));
    if (!lsum_of(&at, here))
        return;
    for (int i = 0; i < x->buf->rank; i++)
        all = lx_index(k, LX_IMUL, all, lx_dim(k, x->buf->shape[i]));
    struct lx *ahead = lx_int(k, ROWS_OF_SUM * lsum_factor(&at, lx_var(k, s->var)));
    struct lx *last = lx_index(k, LX_ISUB, all, lx_int(k, width));
    struct lx *place = ls_let(k, &asked, "ahead", lx_index(k, LX_IMIN, lx_index(k, LX_IADD, here, ahead), last));
    for (int64_t line = 0; line < width; line += LINE)
        ls_prefetch(k, &asked, load_at(k, x->buf, lx_index(k, LX_IADD, place, lx_int(k, line))));
    asked.last->next = s->body.first;
    s->body.first = asked.first;
}

/* Whether a row that s loads is multiplied so many times. */
static bool multiplies_enough(const struct ls *s)
{
    const struct ls *rows = s->body.first->next;

    return rows && rows->kind == LS_LOOP && loop_trips(rows) >= PRODUCTS;
}

/* Of all sums in b, which the lanes of a tile of registers go through. */
static void ask_for_matrix(struct lkernel *k, struct lblock *b, const struct ls *lanes)
{
    const struct ask a = { .k = k };

    for (struct ls *s = b->first; s; s = s->next) {
        struct lx *x = s->kind == LS_LOOP ? row_of_sum(&a, s, lanes, NEAR, APART) : NULL;
        if (x && !x->buf->axis && multiplies_enough(s))
            ask_for_row_ahead(k, s, lanes, x);
        else
            ask_for_matrix(k, &s->body, lanes);
    }
}

static bool is_panel(const struct ls *s)
{
    return s->kind == LS_LOOP && s->licence == LICENCE_PAR && s->step > 1 && s->step % LINE == 0 &&
           s->step <= MOST_LINES * LINE && loop_trips(s) > 1;
}

/* ---- rows of views ---- */

enum { VIEW_ROW = 512, MOST_VIEWS = 8 }; /* elements asked for at once; of so many views */

static bool is_sum(const struct ls *s)
{
    return s->kind == LS_LOOP && s->licence == LICENCE_RED;
}

/* What `rows`, a loop behind the sums of a tile of registers, reads of views: each row's lines one after the other. NULL:
 * nothing. */
static struct ls *ask_of_rows(struct lkernel *k, const struct ls *tile, const struct ls *rows)
{
    struct ask a = { .k = k, .rewrite = { .k = k }, .views = true };
    struct lblock asked = { NULL, NULL };
    struct ls *row = ls_loop(k, &asked, rows->var->name, rows->begin, rows->end, rows->step, LICENCE_PAR);
    struct ls *line = ls_loop(k, &row->body, tile->var->name, tile->begin, tile->end, LINE, LICENCE_PAR);

    rewrite_set(&a.rewrite, lx_var(k, rows->var), lx_var(k, row->var));
    rewrite_set(&a.rewrite, lx_var(k, tile->var), lx_var(k, line->var));
    for (const struct ls *let = tile->body.first; let != rows; let = let->next)
        if (let->kind == LS_LET && let->value->dtype == DT_I32)
            rewrite_set(&a.rewrite, let->reference, rewrite_value(&a.rewrite, let->value));
    copy_block(&a, &line->body, &rows->body);
    line->body.first = without_unused(line->body.first);
    return a.count ? row : NULL;
}

static struct ls *ask_of_tile(struct lkernel *k, const struct ls *tile)
{
    bool behind = false;

    if (loop_trips(tile) < 1 || loop_trips(tile) > VIEW_ROW)
        return NULL;
    for (const struct ls *s = tile->body.first; s; s = s->next) {
        struct ls *asked = behind && s->kind == LS_LOOP && !is_sum(s) ? ask_of_rows(k, tile, s) : NULL;
        if (asked)
            return asked;
        behind |= is_sum(s);
    }
    return NULL;
}

/* Views whose rows a loop goes through. */
struct views {
    struct lkernel *k;
    const struct ls *rows;
    struct lbuf *view[MOST_VIEWS];
    int count;
};

static int64_t row_of(const struct lbuf *view)
{
    int64_t row = 1;

    for (int i = view->axis; i < view->rank; i++) {
        if (view->shape[i].n)
            return 0;
        row *= view->shape[i].k;
    }
    return row;
}

static void see_views(struct views *v, const struct lx *x)
{
    bool known = false;

    for (int i = 0; i < x->args; i++)
        see_views(v, x->arg[i]);
    if (!is_far(v->k, x, FAR) || x->buf->axis != 1 || x->arg[0] != lx_var(v->k, v->rows->var) ||
        row_of(x->buf) < LINE || row_of(x->buf) > VIEW_ROW)
        return;
    for (int i = 0; i < v->count; i++)
        known |= v->view[i] == x->buf;
    if (!known && v->count < MOST_VIEWS)
        v->view[v->count++] = x->buf;
}

/* False where there is a sum: its row is asked for otherwise. */
static bool see_block(struct views *v, const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next) {
        if (is_sum(s) || !see_block(v, &s->body) || !see_block(v, &s->other))
            return false;
        if (s->value)
            see_views(v, s->value);
    }
    return true;
}

/* Element c of that row. */
static struct lx *element_of_row(struct lkernel *k, struct lbuf *view, struct lx *row, struct lx *c)
{
    struct lx *at[MAX_RANK] = { row };

    for (int i = view->rank - 1; i > 1; i--) {
        struct lx *size = lx_dim(k, view->shape[i]);
        at[i] = lx_index(k, LX_IMOD, c, size);
        c = lx_index(k, LX_IDIV, c, size);
    }
    at[1] = c;
    return lx_load(k, view, at);
}

static void ask_for_next_rows(struct lkernel *k, struct ls *s)
{
    struct views v = { .k = k, .rows = s };
    struct lblock asked = { NULL, NULL };
    struct ls *piece = NULL;
    int64_t row = 0;

    if (s->kind != LS_LOOP || s->step != 1 || loop_in_lanes(s) || !see_block(&v, &s->body) || !v.count)
        return;
    struct lx *one = lx_int(k, 1), *next = lx_index(k, LX_IADD, lx_var(k, s->var), one);
    next = lx_index(k, LX_IMIN, next, lx_index(k, LX_ISUB, s->end, one));
    for (int i = 0; i < v.count; i++) {
        if (row_of(v.view[i]) != row) {
            row = row_of(v.view[i]);
            piece = ls_loop(k, &asked, "line", lx_int(k, 0), lx_int(k, row), LINE, LICENCE_PAR);
        }
        ls_prefetch(k, &piece->body, element_of_row(k, v.view[i], next, lx_var(k, piece->var)));
    }
    asked.last->next = s->body.first;
    s->body.first = asked.first;
}

/* ---- all of a kernel ---- */

static void visit(struct lkernel *k, struct lblock *b)
{
    for (struct ls **link = &b->first, *s; (s = *link); link = &s->next) {
        ask_for_rows(k, s);
        ask_for_next_rows(k, s);
        if (is_panel(s))
            ask_for_panels(k, &s->body, s, NULL);
        if (s->kind == LS_LOOP && loop_in_lanes(s)) {
            if (s->way == WAY_WIDE && loop_trips(s) <= MOST_LINES * LINE)
                ask_for_matrix(k, &s->body, s);
            struct ls *asked = ask_of_tile(k, s); /* its arrays are registers */
            if (asked) {
                asked->next = s;
                *link = asked;
            }
            continue;
        }
        visit(k, &s->body);
        visit(k, &s->other);
        if (s->kind != LS_LOCAL || s->buf->space != SPACE_ARRAY || !s->buf->rank)
            continue;
        const struct ls *epilogue = epilogue_of(s);
        if (epilogue)
            ask_before(k, s, epilogue);
    }
}

void loop_prefetch(struct lkernel *k)
{
    visit(k, &k->body);
}
