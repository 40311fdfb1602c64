/* ir/parse.c: reads a dump back. Every error is reported with its place; a line that is wrong is passed over. */
#include "ir/parse.h"

#include <string.h>

/* ---- scopes ---- */

static size_t slot_of(const struct scope *s, const char *key)
{
    size_t i = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20;
    for (i &= s->size - 1; s->name[i] && s->name[i] != key; i = (i + 1) & (s->size - 1))
        ;
    return i;
}

static void scope_grow(struct parser *p, struct scope *s)
{
    struct scope old = *s;
    s->size = old.size ? 2 * old.size : 64;
    s->name = NEW_ARRAY(p->a, s->size, const char *);
    s->value = NEW_ARRAY(p->a, s->size, struct value *);
    for (size_t i = 0; i < old.size; i++)
        if (old.name[i]) {
            size_t at = slot_of(s, old.name[i]);
            s->name[at] = old.name[i];
            s->value[at] = old.value[i];
        }
}

struct value *scope_find(const struct scope *s, const char *key)
{
    return s->size ? s->value[slot_of(s, key)] : NULL;
}

bool scope_add(struct parser *p, struct scope *s, const char *key, struct value *v)
{
    if (2 * (s->count + 1) > s->size)
        scope_grow(p, s);
    size_t at = slot_of(s, key);
    if (s->name[at])
        return false;
    s->name[at] = key;
    s->value[at] = v;
    s->count++;
    return true;
}

/* ---- pieces ---- */

const char *key_of(struct parser *p, const struct token *t)
{
    return t->kind == TK_VAR ? name_printf(p->r.names, "@%s", t->text) : t->text;
}

static bool parse_dim(struct parser *p, struct dim *d)
{
    *d = dim_of(1);
    if (reader_accept(&p->r, "N")) {
        d->n = true;
        return true;
    }
    if (!reader_int(&p->r, &d->k))
        return false;
    if (reader_accept(&p->r, "*")) {
        d->n = true;
        return reader_expect(&p->r, "N");
    }
    return true;
}

bool parse_shape(struct parser *p, struct dim *dims, int *count, int most)
{
    *count = 0;
    if (!reader_expect(&p->r, "["))
        return false;
    if (reader_accept(&p->r, "]"))
        return true;
    do {
        if (*count == most) {
            reader_error(&p->r, p->r.token.at, "more than %d dimensions", most);
            return false;
        }
        if (!parse_dim(p, &dims[(*count)++]))
            return false;
    } while (reader_accept(&p->r, ","));
    return reader_expect(&p->r, "]");
}

bool parse_type(struct parser *p, struct type *t)
{
    static const char *const words[] = { "f32", "f64", "i32", "u8", "bool" };
    static const enum dtype dtypes[] = { DT_REAL, DT_REAL, DT_I32, DT_U8, DT_BOOL };
    *t = type_scalar(DT_POISON);
    for (int i = 0; i < 5; i++)
        if (reader_is(&p->r, words[i]))
            t->dtype = dtypes[i];
    if (t->dtype == DT_POISON) {
        reader_expected(&p->r, "an element type (f32, f64, i32, u8, bool)");
        return false;
    }
    if (t->dtype == DT_REAL && p->m->f64 != reader_is(&p->r, "f64")) {
        reader_error(&p->r, p->r.token.at, "reals of this module are %s", p->m->f64 ? "f64" : "f32");
        return false;
    }
    reader_next(&p->r);
    struct place at = p->r.token.at;
    int64_t count;
    if (!parse_shape(p, t->dim, &t->rank, MAX_RANK))
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i].k < 1) {
            reader_error(&p->r, at, "a dimension of %lld", (long long)t->dim[i].k);
            return false;
        }
    if (!type_count_checked(*t, p->m->batch, &count)) {
        reader_error(&p->r, at, "more than 2^40 elements");
        return false;
    }
    return true;
}

bool parse_offset(struct parser *p, int64_t *offset)
{
    *offset = -1;
    return !reader_accept(&p->r, "at") || reader_int(&p->r, offset);
}

/* ---- graphs ---- */

static int role_named(const struct reader *r)
{
    for (int role = ROLE_INPUT; role < ROLES; role++)
        if (reader_is(r, role_name((enum role)role)))
            return role;
    return -1;
}

static bool parse_line(struct parser *p, struct scope *s)
{
    struct reader ahead = p->r;
    int role = s->graph->kind == GRAPH_BODY ? -1 : role_named(&p->r);
    reader_next(&ahead);
    if (role >= 0 && (ahead.token.kind == TK_VAR || ahead.token.kind == TK_VALUE))
        return parse_var(p, (enum role)role, s);
    if (reader_is(&p->r, "optimizer") && s->graph->kind != GRAPH_BODY)
        return parse_optimizer(p);
    if (reader_is(&p->r, "sparse") && s->graph->kind != GRAPH_BODY)
        return parse_sparse(p);
    return parse_operation(p, s);
}

/* From within a line that is wrong to the first token of the next, bodies included. */
static void skip_rest(struct parser *p)
{
    int depth = 0;
    while (p->r.token.kind != TK_END && !(p->r.token.first && depth == 0)) {
        depth += reader_is(&p->r, "{") - reader_is(&p->r, "}");
        reader_next(&p->r);
    }
}

static bool ends_lines(const struct parser *p)
{
    const struct reader *r = &p->r;
    return r->token.kind == TK_END || reader_is(r, "graph") || reader_is(r, "yield") || reader_is(r, "}");
}

bool parse_lines(struct parser *p, struct scope *s)
{
    while (!ends_lines(p)) {
        const char *before = p->r.p;
        bool ok = parse_line(p, s);
        if (ok && p->r.token.first)
            continue;
        if (ok)
            reader_expected(&p->r, "the end of the line");
        if (diag_full(p->r.diag))
            return false;
        if (p->r.p == before)
            reader_next(&p->r);
        skip_rest(p);
    }
    return true;
}

static int graph_named(const struct reader *r)
{
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (reader_is(r, graph_name((enum graph_kind)k)))
            return k;
    return -1;
}

/* What stands in the parentheses of a head. */
struct head {
    int64_t batch, part, arena;
    bool f64;
};

static bool parse_part(struct parser *p, struct head *h)
{
    if (!reader_expect(&p->r, "="))
        return false;
    struct place at = p->r.token.at;
    if (!reader_int(&p->r, &h->part))
        return false;
    if (h->part < 1 || h->part > h->batch) {
        reader_error(&p->r, at, "a part of %lld samples of a batch of %lld", (long long)h->part, (long long)h->batch);
        return false;
    }
    return true;
}

static bool parse_properties(struct parser *p, struct head *h)
{
    *h = (struct head){ .arena = -1 };
    if (!reader_expect(&p->r, "(") || !reader_expect(&p->r, "N") || !reader_expect(&p->r, "="))
        return false;
    struct place at = p->r.token.at;
    if (!reader_int(&p->r, &h->batch))
        return false;
    if (h->batch < 1 || h->batch > INT32_MAX) {
        reader_error(&p->r, at, "N = %lld is out of range", (long long)h->batch);
        return false;
    }
    while (reader_accept(&p->r, ",")) {
        if (reader_accept(&p->r, "f64"))
            h->f64 = true;
        else if (reader_accept(&p->r, "part")) {
            if (!parse_part(p, h))
                return false;
        } else if (!reader_expect(&p->r, "arena") || !reader_expect(&p->r, "=") || !reader_int(&p->r, &h->arena))
            return false;
    }
    return reader_expect(&p->r, ")");
}

/* The first head makes the module; the others must be of the same. */
static bool same_module(struct parser *p, struct place at, const char *net, const struct head *h)
{
    if (!p->m) {
        p->m = module_new(p->a, p->r.names, p->r.diag, net, h->batch);
        p->m->f64 = h->f64;
        p->m->at = at;
    }
    if (p->m->name == net && p->m->batch == h->batch && p->m->f64 == h->f64)
        return true;
    reader_error(&p->r, at, "the graphs of one file are of one net, one N and one real type");
    return false;
}

static bool parse_head(struct parser *p, struct graph **g)
{
    struct place at = p->r.token.at;
    struct head h;
    if (!reader_expect(&p->r, "graph"))
        return false;
    int kind = graph_named(&p->r);
    if (kind < 0) {
        reader_expected(&p->r, "train, apply, eval, infer, prepare or totals of these");
        return false;
    }
    reader_next(&p->r);
    const char *net = p->r.token.text;
    if (!reader_expect_kind(&p->r, TK_NAME, "the net's name"))
        return false;
    reader_next(&p->r);
    if (!parse_properties(p, &h) || !same_module(p, at, net, &h))
        return false;
    if (p->m->graph[kind]) {
        diag_error_hint(p->r.diag, at, NULL, NULL,
                        "a dump after several passes holds the module once for each: keep one",
                        "graph %s stands there twice", graph_name((enum graph_kind)kind));
        return false;
    }
    *g = graph_new(p->m, (enum graph_kind)kind);
    (*g)->arena_bytes = h.arena;
    (*g)->part = h.part;
    return true;
}

static void parse_graph(struct parser *p)
{
    struct scope s = { .graph = NULL };
    if (!parse_head(p, &s.graph) || !parse_lines(p, &s))
        return;
    if (p->r.token.kind != TK_END && !reader_is(&p->r, "graph"))
        reader_expected(&p->r, "an operation or a graph");
}

/* After an error within a graph the next one is read too. */
struct module *parse_module(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text)
{
    struct parser p = { .a = a };
    int before = diag_errors(d);
    reader_start(&p.r, a, names, d, file, text, false);
    do {
        parse_graph(&p);
        while (p.r.token.kind != TK_END && !(p.r.token.first && reader_is(&p.r, "graph")))
            reader_next(&p.r);
    } while (p.r.token.kind != TK_END && !diag_full(d));
    return diag_errors(d) == before ? p.m : NULL;
}
