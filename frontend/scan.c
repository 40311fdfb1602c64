/* frontend/scan.c: recurrences. The body is a closed graph: what it reads from outside becomes parameters behind its
 * sequences and carries. */
#include <string.h>

#include "frontend/elab.h"

enum { MOST = 64 };

struct scan {
    struct value *operand[MOST];
    const char *name[MOST];
    int sequences, carries;
    int64_t axis;
    bool reverse;
    struct body body;
};

static bool read_option(struct elab *e, struct scan *s, const struct ast *x, bool *is_option)
{
    *is_option = !strcmp(x->text, "axis") || !strcmp(x->text, "reverse");
    if (!*is_option)
        return true;
    struct val v = eval(e, x->a);
    bool axis = !strcmp(x->text, "axis");
    if (v.kind != (axis ? V_INT : V_BOOL)) {
        if (v.kind != V_POISON)
            error_at(e, x->at, "'%s' is %s, not %s", x->text, axis ? "an integer" : "true or false", describe(e, &v));
        return false;
    }
    if (axis)
        s->axis = v.i;
    else
        s->reverse = v.i;
    return true;
}

static bool heads_apart(struct elab *e, const struct ast *x)
{
    for (int i = 0; i < x->items; i++)
        for (int k = 0; k < i; k++)
            if (x->item[i]->text == x->item[k]->text) {
                error_at(e, x->item[i]->at, "'%s' stands twice in the head of this scan", x->item[i]->text);
                return false;
            }
    return true;
}

/* What a carry starts as; true or false may be that of an option whose name is misspelt. */
static struct value *carry_start(struct elab *e, const struct ast *h, const struct val *v)
{
    static const char *const option = "reverse";
    if (v->kind != V_BOOL || !diag_nearest(h->text, &option, 1))
        return tensor_of(e, v, h->at, "scan", DT_REAL);
    error_hint(e, h->at, "a tensor", describe(e, v), diag_meant(e->arena, option),
               "scan: '%s' is a carry, which starts as a tensor, not as %s", h->text, describe(e, v));
    return NULL;
}

static bool read_heads(struct elab *e, struct scan *s, const struct ast *x)
{
    if (!heads_apart(e, x))
        return false;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < x->items; i++) {
            const struct ast *h = x->item[i];
            bool option = false;
            if ((h->kind == A_SEQUENCE) != (pass == 0))
                continue;
            if (pass == 1 && !read_option(e, s, h, &option))
                return false;
            if (option)
                continue;
            struct val v = eval(e, h->a);
            struct value *t = v.kind == V_POISON ? NULL
                              : pass             ? carry_start(e, h, &v)
                                                 : tensor_of(e, &v, h->at, "scan", DT_REAL);
            if (!t)
                return false;
            if (s->sequences + s->carries == MOST) {
                error_at(e, h->at, "a scan has at most %d sequences and carries", MOST);
                return false;
            }
            s->name[s->sequences + s->carries] = h->text;
            s->operand[s->sequences + s->carries] = t;
            if (pass)
                s->carries++;
            else
                s->sequences++;
        }
    return true;
}

static bool step_parameters(struct elab *e, struct scan *s, const struct ast *x)
{
    struct type first = s->operand[0]->type;
    if (s->axis < 0)
        s->axis += first.rank;
    for (int i = 0; i < s->sequences + s->carries; i++) {
        struct type t = s->operand[i]->type, step = t;
        if (i < s->sequences) {
            if (s->axis < 0 || s->axis >= t.rank) {
                error_at(e, place_of(e, x), "a scan along axis %lld needs a sequence with that axis, not %s",
                         (long long)s->axis, shape_text(e->arena, t));
                return false;
            }
            if (t.dim[s->axis].n) {
                error_at(e, place_of(e, x), "a scan cannot walk the batch dimension (axis %lld of %s)",
                         (long long)s->axis, shape_text(e->arena, t));
                return false;
            }
            if (t.dim[s->axis].k != first.dim[s->axis].k) {
                error_at(e, place_of(e, x), "the sequences of a scan have one length: %s and %s",
                         shape_text(e->arena, first), shape_text(e->arena, t));
                return false;
            }
            step = type_scalar(t.dtype);
            for (int k = 0; k < t.rank; k++)
                if (k != s->axis)
                    step.dim[step.rank++] = t.dim[k];
        }
        bind(e, s->name[i], v_tensor(graph_param(s->body.graph, step, s->name[i])));
    }
    return true;
}

static bool collect_yields(struct elab *e, struct scan *s, const struct val *yields, const struct ast *x)
{
    struct value *out[2 * MOST];
    int count = 0;
    for (int i = 0; i < yields->items && count < MOST; i++) {
        if (!(out[count++] = tensor_of(e, &yields->item[i], place_of(e, x), "yield", DT_REAL)))
            return false;
    }
    for (int i = 0; i < s->carries; i++) {
        const struct val *v = look_up(e, s->name[s->sequences + i], false);
        struct value *t = v && v->kind != V_POISON ? tensor_of(e, v, place_of(e, x), "carry", DT_REAL) : NULL;
        if (!t)
            return false;
        struct type want = s->operand[s->sequences + i]->type;
        if (!type_equal(t->type, want)) {
            const struct val both[] = { v_tensor(s->operand[s->sequences + i]), v_tensor(t) };
            error_hint(e, place_of(e, x), type_text(e->arena, want, e->m->f64), type_text(e->arena, t->type, e->m->f64),
                       batch_hint(e, both, 2), "'%s' starts as %s, but a step leaves %s", s->name[s->sequences + i],
                       type_text(e->arena, want, e->m->f64), type_text(e->arena, t->type, e->m->f64));
            return false;
        }
        out[count++] = t;
    }
    graph_yield(s->body.graph, out, count);
    return true;
}

static struct val make_scan(struct elab *e, struct scan *s)
{
    struct build b = builder(e);
    struct attr attrs[] = { at_int("sequences", s->sequences), at_int("carries", s->carries), at_int("axis", s->axis),
                            at_bool("reverse", s->reverse) };
    int count = s->sequences + s->carries;
    struct value **operands = NEW_ARRAY(e->arena, count + s->body.captured + 1, struct value *);
    for (int i = 0; i < count; i++)
        operands[i] = s->operand[i];
    for (int i = 0; i < s->body.captured; i++)
        operands[count + i] = localize(e, s->body.from[i]);
    struct node *n = build_node(&b, OP_scan, operands, count + s->body.captured, attrs, 4);
    if (!n)
        return v_poison();
    node_add_body(n, s->body.graph);
    if (!infer(n))
        return v_poison();
    struct val v = v_list(e, n->results);
    v.kind = V_TUPLE;
    for (int i = 0; i < n->results; i++)
        v.item[i] = v_tensor(n->result[i]);
    return v;
}

struct val eval_scan(struct elab *e, const struct ast *x)
{
    struct scan *s = NEW(e->arena, struct scan);
    s->axis = 1;
    if (!read_heads(e, s, x))
        return v_poison();
    struct env *env = e->env;
    struct graph *outside = e->graph;
    struct val *outer_yields = e->yields, yields = v_none();
    bool in_net = e->in_net;
    int yields_depth = e->yields_depth;
    s->body = (struct body){ .kind = BODY_SCAN,
                             .graph = graph_new(e->m, GRAPH_BODY),
                             .outer = e->body,
                             .operand = s->operand,
                             .operands = s->sequences };
    e->env = env_new(e, env);
    bool ok = step_parameters(e, s, x);
    if (ok) {
        e->graph = s->body.graph;
        e->body = &s->body;
        e->yields = &yields;
        e->yields_depth = e->depth;
        e->in_net = false;
        int before = diag_said(e->diag);
        run_statements(e, x->b);
        ok = diag_said(e->diag) == before;
        if (ok && yields.kind != V_TUPLE && !s->carries) {
            error_at(e, place_of(e, x), "a scan needs a `yield` or a carry");
            ok = false;
        }
        ok = ok && collect_yields(e, s, &yields, x);
    }
    e->graph = outside;
    e->body = s->body.outer;
    e->yields = outer_yields;
    e->yields_depth = yields_depth;
    e->env = env;
    e->in_net = in_net;
    return ok ? make_scan(e, s) : v_poison();
}
