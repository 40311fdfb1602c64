/* ir/loop_parse.c: kernels from their text (loop_print.c). What is read is built by the same calls that lowering uses,
 * so indices come out simplified. Every mistake is an error at its place; the rest of its line is passed over. */
#include "ir/loop_parse.h"

#include <string.h>

enum { MAX_NESTING = 64 };

/* --- names in scope ----------------------------------------------------------------------------------------------- */

static void bind(struct loop_parser *p, struct place at, const char *wanted, struct loop_binding b)
{
    struct loop_binding *made = arena_copy(p->r.arena, &b, sizeof b);
    const char *given = b.buf ? b.buf->name : b.var ? b.var->name : b.let->let->name;

    if (given != wanted)
        reader_error(&p->r, at, "the name '%.60s' is taken", wanted);
    made->name = wanted;
    made->next = p->scope;
    p->scope = made;
}

const struct loop_binding *loop_find(struct loop_parser *p, const char *name)
{
    const struct loop_binding *b = p->scope;

    while (b && b->name != name)
        b = b->next;
    return b;
}

/* --- declarations ------------------------------------------------------------------------------------------------- */

/* A name to be declared, taken; NULL after a report. */
static const char *new_name(struct loop_parser *p)
{
    const char *name = p->r.token.text;

    if (!reader_expect_kind(&p->r, TK_NAME, "a name"))
        return NULL;
    reader_next(&p->r);
    return name;
}

static bool parse_dtype(struct loop_parser *p, enum dtype *out)
{
    static const enum dtype all[] = { DT_REAL, DT_I32, DT_U8, DT_BOOL };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *out = all[i];
        if (reader_accept(&p->r, dtype_name(all[i], p->k->f64)))
            return true;
    }
    reader_expected(&p->r, p->k->f64 ? "f64, i32, u8 or bool" : "f32, i32, u8 or bool");
    return false;
}

bool loop_parse_dim(struct loop_parser *p, struct dim *d)
{
    *d = (struct dim){ 1, true };
    if (reader_accept(&p->r, "N"))
        return true;
    if (!reader_int(&p->r, &d->k))
        return false;
    d->n = reader_accept(&p->r, "*");
    return !d->n || reader_expect(&p->r, "N");
}

static bool parse_shape(struct loop_parser *p, struct type *t)
{
    t->rank = 0;
    if (!reader_expect(&p->r, "["))
        return false;
    while (!reader_accept(&p->r, "]")) {
        struct place at = p->r.token.at;
        if (t->rank == MAX_RANK) {
            reader_error(&p->r, at, "more than %d dimensions", (int)MAX_RANK);
            return false;
        }
        if ((t->rank && !reader_expect(&p->r, ",")) || !loop_parse_dim(p, &t->dim[t->rank]))
            return false;
        if (t->dim[t->rank].k < 0 || t->dim[t->rank].k > MAX_ELEMENTS) {
            reader_error(&p->r, at, "a dimension is from 0 to %lld", (long long)MAX_ELEMENTS);
            return false;
        }
        t->rank++;
    }
    return true;
}

/* ": f32[N,784]"; without brackets *scalar is set. */
static bool parse_type(struct loop_parser *p, struct type *t, bool *scalar)
{
    *t = (struct type){ .dtype = DT_REAL };
    if (!reader_expect(&p->r, ":") || !parse_dtype(p, &t->dtype))
        return false;
    *scalar = !reader_is(&p->r, "[");
    return *scalar || parse_shape(p, t);
}

/* "of 64 at 1" behind the type of a view. */
static bool parse_view(struct loop_parser *p, struct lbuf *b)
{
    struct place at = p->r.token.at;
    int64_t steps, axis;

    if (!reader_accept(&p->r, "of"))
        return true;
    if (!reader_int(&p->r, &steps) || !reader_expect(&p->r, "at") || !reader_int(&p->r, &axis))
        return false;
    if (axis < 1 || axis >= b->rank) {
        reader_error(&p->r, at, "the steps of a view are along an axis between its own");
        return false;
    }
    if (steps < 1 || steps > MAX_ELEMENTS / (b->shape[axis].k ? b->shape[axis].k : 1)) {
        reader_error(&p->r, at, "a view is one of 1 to 2^40 steps and elements along its axis");
        return false;
    }
    lbuf_view(b, steps, (int)axis);
    return true;
}

static bool parse_argument(struct loop_parser *p)
{
    struct place at = p->r.token.at;
    const char *name = new_name(p);
    struct type t;
    bool scalar;

    if (!name || !parse_type(p, &t, &scalar))
        return false;
    if (scalar && t.dtype != DT_I32) {
        reader_error(&p->r, at, "a parameter without [] is i32");
        return false;
    }
    if (scalar) {
        bind(p, at, name, (struct loop_binding){ .var = lkernel_param(p->k, name) });
        return true;
    }
    struct lbuf *b = lbuf_argument(p->k, name, t, NULL);
    bind(p, at, name, (struct loop_binding){ .buf = b });
    if (!parse_view(p, b))
        return false;
    b->streamed = reader_accept(&p->r, "streamed");
    return true;
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static void parse_block(struct loop_parser *p, struct lblock *b, int column);

static void nested(struct loop_parser *p, struct lblock *b, int column)
{
    const struct loop_binding *outer = p->scope;

    if (++p->nesting > MAX_NESTING)
        reader_error(&p->r, p->r.token.at, "more than %d nested blocks", (int)MAX_NESTING);
    else
        parse_block(p, b, column);
    p->nesting--;
    p->scope = outer;
}

static bool parse_licence(struct loop_parser *p, enum licence *out)
{
    static const char *const words[] = { "par", "red", "seq" };

    for (int i = 0; i < 3; i++) {
        *out = (enum licence)i;
        if (reader_accept(&p->r, words[i]))
            return true;
    }
    reader_expected(&p->r, "par, red or seq");
    return false;
}

static enum way parse_way(struct loop_parser *p)
{
    static const char *const words[] = { "", "vector", "unroll", "threads", "wide", "wider", "square", "part" };

    for (int i = 1; i < (int)(sizeof words / sizeof *words); i++) {
        if (!p->r.token.first && reader_accept(&p->r, words[i]))
            return (enum way)i;
    }
    return WAY_PLAIN;
}

/* word s: a positive number; without the word it stays. */
static bool parse_count(struct loop_parser *p, const char *word, int64_t *count)
{
    struct place at = p->r.token.at;

    if (!reader_accept(&p->r, word))
        return true;
    if (!reader_int(&p->r, count))
        return false;
    if (*count < 1 || *count > INT32_MAX) {
        reader_error(&p->r, at, "%s takes a positive number", word);
        return false;
    }
    return true;
}

/* begin..end [step s] [by b] [parts p] */
static bool parse_range(struct loop_parser *p, struct ls *s)
{
    s->step = 1;
    return (s->begin = loop_parse_index(p)) && reader_expect(&p->r, "..") && (s->end = loop_parse_index(p)) &&
           parse_count(p, "step", &s->step) && parse_count(p, "by", &s->by) && parse_count(p, "parts", &s->parts);
}

static bool parse_loop(struct loop_parser *p, struct lblock *b, int column)
{
    struct place at = p->r.token.at;
    const char *name = new_name(p);
    const struct loop_binding *outer = p->scope;
    struct ls *s, range = { .by = 0 };

    if (!name || !reader_expect(&p->r, "in") || !parse_range(p, &range) || !parse_licence(p, &range.licence))
        return false;
    s = ls_loop(p->k, b, name, range.begin, range.end, range.step, range.licence);
    s->by = range.by;
    s->parts = range.parts;
    s->way = parse_way(p);
    if (s->way == WAY_THREADS && reader_accept(&p->r, "from") && !reader_int(&p->r, &s->least))
        return false;
    bind(p, at, name, (struct loop_binding){ .var = s->var });
    nested(p, &s->body, column);
    p->scope = outer;
    return true;
}

static bool parse_let(struct loop_parser *p, struct lblock *b)
{
    struct place at = p->r.token.at;
    const char *name = new_name(p);
    struct lx *value;

    if (!name || !reader_expect(&p->r, "=") || !(value = loop_parse_value(p)))
        return false;
    bind(p, at, name, (struct loop_binding){ .let = ls_let(p->k, b, name, value) });
    return true;
}

static bool parse_local(struct loop_parser *p, struct lblock *b, enum lspace space)
{
    struct place at = p->r.token.at;
    const char *name = new_name(p);
    struct lx *start = NULL;
    struct type t;
    bool scalar;
    struct lbuf *buf;

    if (!name || !parse_type(p, &t, &scalar))
        return false;
    if (reader_accept(&p->r, "=") && !(start = loop_parse_value(p)))
        return false;
    buf = lbuf_local(p->k, b, name, space, t.dtype, t.rank, t.dim);
    b->last->value = start;
    bind(p, at, name, (struct loop_binding){ .buf = buf });
    return true;
}

static bool parse_if(struct loop_parser *p, struct lblock *b, int column)
{
    struct lx *condition = loop_parse_value(p);
    struct ls *s;

    if (!condition)
        return false;
    s = ls_if(p->k, b, condition);
    nested(p, &s->body, column);
    if (p->r.token.first && p->r.token.at.column == column && reader_accept(&p->r, "else"))
        nested(p, &s->other, column);
    return true;
}

static bool parse_store(struct loop_parser *p, struct lblock *b)
{
    const char *name = p->r.token.text;
    const struct loop_binding *to = p->r.token.kind == TK_NAME ? loop_find(p, name) : NULL;
    struct lx *index[MAX_RANK], *value;

    if (!to || !to->buf) {
        reader_expected(&p->r, "a statement or the name of a buffer");
        return false;
    }
    reader_next(&p->r);
    if (!loop_parse_indices(p, to->buf, index) || !reader_expect(&p->r, "=") || !(value = loop_parse_value(p)))
        return false;
    ls_store(p->k, b, to->buf, index, value);
    return true;
}

static bool parse_prefetch(struct loop_parser *p, struct lblock *b)
{
    struct lx *load = loop_parse_value(p);

    if (load)
        ls_prefetch(p->k, b, load);
    return load != NULL;
}

static bool parse_statement(struct loop_parser *p, struct lblock *b, int column)
{
    p->operators = 0;
    if (reader_accept(&p->r, "for"))
        return parse_loop(p, b, column);
    if (reader_accept(&p->r, "if"))
        return parse_if(p, b, column);
    if (reader_accept(&p->r, "let"))
        return parse_let(p, b);
    if (reader_accept(&p->r, "local"))
        return parse_local(p, b, SPACE_ARRAY);
    if (reader_accept(&p->r, "tile"))
        return parse_local(p, b, SPACE_TILE);
    if (reader_accept(&p->r, "prefetch"))
        return parse_prefetch(p, b);
    return parse_store(p, b);
}

/* The statements that stand further in than `column`, all equally far. */
static void parse_block(struct loop_parser *p, struct lblock *b, int column)
{
    int mine = p->r.token.at.column;

    while (p->r.token.kind != TK_END && p->r.token.at.column > column) {
        int errors = p->r.errors;
        const char *before = p->r.p;
        if (p->r.token.at.column != mine)
            reader_error(&p->r, p->r.token.at, "this line is indented differently from those before it");
        if (!parse_statement(p, b, mine) || p->r.errors > errors) {
            if (!p->r.token.first || p->r.p == before)
                reader_skip_line(&p->r);
        } else if (!p->r.token.first) {
            reader_expected(&p->r, "the end of the line");
            reader_skip_line(&p->r);
        }
        if (diag_full(p->r.diag))
            return;
    }
}

/* --- kernels ------------------------------------------------------------------------------------------------------ */

static bool parse_arguments(struct loop_parser *p)
{
    int64_t n;
    struct place at;

    if (!reader_expect(&p->r, "(") || !reader_expect(&p->r, "n") || !reader_expect(&p->r, "<="))
        return false;
    at = p->r.token.at;
    if (!reader_int(&p->r, &n))
        return false;
    if (n < 1 || n > INT32_MAX) {
        reader_error(&p->r, at, "n is from 1 to %d", INT32_MAX);
        return false;
    }
    p->k->batch = n;
    while (!reader_accept(&p->r, ")")) {
        if (!reader_expect(&p->r, ",") || !parse_argument(p))
            return false;
    }
    return true;
}

static bool parse_results(struct loop_parser *p)
{
    bool first = true;

    if (!reader_expect(&p->r, "->") || !reader_expect(&p->r, "("))
        return false;
    while (!reader_accept(&p->r, ")")) {
        if ((!first && !reader_expect(&p->r, ",")) || !parse_argument(p))
            return false;
        first = false;
    }
    return true;
}

static struct lkernel *parse_kernel(struct loop_parser *p)
{
    const char *name;

    if (!reader_expect(&p->r, "kernel") || !(name = new_name(p)))
        return NULL;
    p->scope = NULL;
    p->k = lkernel_new(p->r.arena, p->r.names, name, "", 1, false);
    p->k->f64 = reader_accept(&p->r, "f64");
    p->k->parts = reader_accept(&p->r, "parts");
    if (!parse_arguments(p) || !parse_results(p))
        return NULL;
    if (!p->r.token.first) {
        reader_expected(&p->r, "the end of the line");
        return NULL;
    }
    if (p->r.comment)
        p->k->origin = arena_string(p->r.arena, p->r.comment);
    parse_block(p, &p->k->body, 1);
    return p->k;
}

struct lkernel *parse_kernels(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text,
                              struct lkernel **all[], int *count)
{
    struct loop_parser p = { .k = NULL };
    struct lkernel **found = NULL;
    size_t capacity = 0, n = 0;

    reader_start(&p.r, a, names, d, file, text, true);
    while (p.r.token.kind != TK_END && !diag_full(d)) {
        struct lkernel *k = parse_kernel(&p);
        arena_grow(a, (void **)&found, &capacity, n + 1, sizeof *found);
        if (k)
            found[n++] = k;
        while (p.r.token.kind != TK_END && !(p.r.token.first && reader_is(&p.r, "kernel") && p.r.token.at.column == 1))
            reader_next(&p.r);
    }
    if (!n && !p.r.errors)
        reader_expected(&p.r, "a kernel");
    if (all)
        *all = found;
    if (count)
        *count = (int)n;
    return p.r.errors ? NULL : found[0];
}
