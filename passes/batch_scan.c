/* passes/batch_scan.c: what a scan need not do step by step.
 *
 * What a step computes from its slices and from captured values is computed before the scan, for all steps at once:
 *
 *     %ys = scan %x, %h0, @w, @u {                          %p : [N,T,H] = matmul %x, @w     (rows of [T*N,D])
 *       (%a, %h, %w, %u)                                    %ys = scan %p, %h0, @u {
 *       %p = matmul %a, %w                                    (%p, %h, %u)
 *       %q = matmul %h, %u                          =>        %q = matmul %h, %u
 *       %n = add %p, %q                                       %n = add %p, %q
 *       yield %n, %n                                          yield %n, %n
 *     }                                                     }
 *
 * and what only leaves the scan, as a yield or as a sum over the steps, is computed behind it (batch_after.c):
 *
 *     %dx, %dw = scan %dy, %x, %zero, @w {                  %ds = scan %dy, ... {
 *       (%dy, %x, %sum, %w)                                   ...
 *       ... %d ...                                            yield %d
 *       %0 = matmul %d, %w, tb                      =>      }
 *       %1 = matmul %x, %d, ta                              %dx : [N,T,D] = matmul %ds, @w, tb
 *       %2 = add %sum, %1                                   %dw : [D,H] = matmul %x, %ds, ta     (sums over T*N)
 *       yield %0, %2
 *     }
 *
 * So an LSTM is one big product, T small ones, and one big one for each weight. It costs memory: a value that is made
 * before the scan, or is read behind it, is stored for all steps; none that is MOST times larger than all that a step
 * reads, gives and hands on anyway. Products with a matrix that no step changes are worth it; what follows them comes along
 * where the body then reads no more than before. Random operations stay, as do operations with bodies or an effect. */
#include <string.h>

#include "passes/batch.h"

enum { MOST = 8 };
enum { LIFTED = 1, STAYS = 2 }; /* of operations, in node->id: done before the scan; still needed in the body */

/* ---- what is known of values ---- */

struct seen *batch_seen(const struct value *v)
{
    return v->data;
}

bool batch_is_contraction(const struct node *n)
{
    return n->op == OP_matmul || n->op == OP_conv || n->op == OP_conv_dx;
}

static bool *varying(const struct batch_scan *s, const struct node *n)
{
    bool *varies = NEW_ARRAY(s->scratch, n->operands + 1, bool);

    for (int i = 0; i < n->operands; i++)
        varies[i] = batch_seen(operand(n, i))->varies;
    return varies;
}

/* What changes coordinates only need not be stored. */
bool batch_node_can(const struct batch_scan *s, const struct node *n)
{
    const bool *varies = varying(s, n);
    bool any = false;

    for (int i = 0; i < n->operands; i++)
        any |= varies[i];
    for (int i = 0; i < n->results && any && !op_is_index(n->op); i++) {
        if (value_bytes(n->result[i]) > s->most)
            return false;
    }
    return batch_can(&s->a, n, varies);
}

static struct seen *see(struct batch_scan *s, struct value *v, struct seen what)
{
    struct seen *x = NEW(s->scratch, struct seen);

    *x = what;
    v->data = x;
    return x;
}

static void see_params(struct batch_scan *s)
{
    for (int i = 0; i < s->body->params; i++) {
        bool sequence = i < s->sequences, carry = !sequence && i < s->sequences + s->carries;
        see(s, s->body->param[i],
            (struct seen){ .early = !carry,
                           .varies = sequence || carry,
                           .captures = !sequence && !carry,
                           .whole = carry ? NULL : operand(s->scan, i) });
    }
}

static void see_node(struct batch_scan *s, struct node *n)
{
    struct seen all = { .early = batch_node_can(s, n), .costly = !op_is(n->op, CHEAP) && !node_is_free(n) };

    for (int i = 0; i < n->operands; i++) {
        const struct seen *x = batch_seen(operand(n, i));
        all.early &= x->early;
        all.varies |= x->varies;
        all.captures |= x->captures;
        all.costly |= x->costly;
    }
    all.varies |= !all.early;
    for (int i = 0; i < n->results; i++)
        see(s, n->result[i], all);
}

static int64_t bytes_of_step(const struct batch_scan *s)
{
    int64_t bytes = 0;

    for (int i = 0; i < s->sequences + s->carries; i++)
        bytes += value_bytes(s->body->param[i]);
    for (int i = 0; i < s->stacked; i++)
        bytes += value_bytes(s->body->yield[i]);
    return bytes;
}

void batch_look(struct batch_scan *s)
{
    s->body = s->scan->body[0];
    s->sequences = (int)attr_int(s->scan, "sequences");
    s->carries = (int)attr_int(s->scan, "carries");
    s->stacked = scan_stacked(s->scan);
    s->most = s->most ? s->most : MOST * bytes_of_step(s);
    s->a.axis = attr_int(s->scan, "axis");
    s->a.steps = operand(s->scan, 0)->type.dim[s->a.axis];
    s->a.b = build_at(s->scan->graph, s->scan);
    see_params(s);
    for (struct node *n = s->body->first; n; n = n->next)
        see_node(s, n);
}

void batch_build(struct batch_scan *s, struct node *n)
{
    struct value **x = NEW_ARRAY(s->scratch, n->operands + 1, struct value *);
    struct value **y = NEW_ARRAY(s->scratch, n->results + 1, struct value *);

    for (int i = 0; i < n->operands; i++)
        x[i] = batch_seen(operand(n, i))->whole;
    batch_node(&s->a, n, x, varying(s, n), y);
    for (int i = 0; i < n->results; i++)
        batch_seen(n->result[i])->whole = y[i];
}

/* ---- what is done before the scan ---- */

static bool is_lifted(const struct value *v)
{
    return v->def && (v->def->id & LIFTED);
}

static bool reads_unchanging(const struct node *n)
{
    for (int i = 0; i < n->operands; i++) {
        if (!batch_seen(operand(n, i))->varies)
            return true;
    }
    return false;
}

/* Whether v, which is early, would be read by early operations and yields alone. */
static bool is_read_early(const struct batch_scan *s, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        bool yields = u->user == s->body->yield_node;
        if (yields ? u->index >= s->stacked : !u->user->results || !batch_seen(u->user->result[0])->early)
            return false;
    }
    return true;
}

/* It reads something that is done before the scan, which then nobody else reads. */
static bool follows(const struct batch_scan *s, const struct node *n)
{
    bool any = false;

    for (int i = 0; i < n->operands; i++) {
        const struct value *x = operand(n, i);
        if (!is_lifted(x) || !batch_seen(x)->varies)
            continue;
        if (!is_read_early(s, x))
            return false;
        any = true;
    }
    return any;
}

/* What no step changes is computed once, but for what costs nothing. */
static bool is_lift(const struct batch_scan *s, const struct node *n)
{
    const struct seen *y = n->results ? batch_seen(n->result[0]) : NULL;

    if (!y || !y->early)
        return false;
    if (!y->varies)
        return !node_is_free(n) && (y->captures || y->costly);
    return (batch_is_contraction(n) && reads_unchanging(n)) || follows(s, n);
}

/* A stacked yield that is early becomes the value that holds all steps. */
static bool read_inside(const struct batch_scan *s, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        bool yields = u->user == s->body->yield_node;
        if (yields ? u->index >= s->stacked || !batch_seen(v)->early : (u->user->id & STAYS) != 0)
            return true;
    }
    return false;
}

static void mark_staying(const struct batch_scan *s)
{
    for (struct node *n = s->body->last; n; n = n->previous) {
        bool stays = node_has_effect(n);
        for (int i = 0; i < n->results; i++)
            stays |= read_inside(s, n->result[i]);
        n->id = (n->id & LIFTED) | (stays && !(n->id & LIFTED) ? STAYS : 0);
    }
}

/* ---- where the body does as well ---- */

static bool is_yielded(const struct batch_scan *s, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (u->user == s->body->yield_node && u->index < s->stacked)
            return true;
    }
    return false;
}

/* Nothing is done before the scan with what n gives. */
static bool is_last(const struct batch_scan *s, const struct node *n)
{
    for (int i = 0; i < n->results; i++) {
        if (is_yielded(s, n->result[i]))
            return false;
        for (const struct use *u = n->result[i]->uses; u; u = u->next) {
            if (u->user->id & LIFTED)
                return false;
        }
    }
    return true;
}

/* What a group of operations that read v would cost the body if it read their results, and if it did them itself. */
struct bill {
    int64_t results, operands;
    bool free; /* they change coordinates only */
};

static bool add_to_bill(const struct batch_scan *s, const struct node *n, const struct value *v, struct bill *b)
{
    if (batch_is_contraction(n) || !is_last(s, n))
        return false;
    for (int i = 0; i < n->results; i++)
        b->results += value_bytes(n->result[i]);
    for (int i = 0; i < n->operands; i++) {
        const struct value *x = operand(n, i);
        if (x != v && is_lifted(x) && !read_inside(s, x))
            b->operands += value_bytes(x);
    }
    b->free &= op_is_index(n->op);
    return true;
}

/* The operations that read v stay in the body where it would read no more: v in place of what they give. */
static bool keep_readers(const struct batch_scan *s, const struct value *v)
{
    struct bill b = { 0, read_inside(s, v) ? 0 : value_bytes(v), true };

    for (const struct use *u = v->uses; u; u = u->next) {
        if ((u->user->id & LIFTED) && !add_to_bill(s, u->user, v, &b))
            return false;
    }
    if (!b.results || (b.free ? b.results < b.operands : b.results <= b.operands))
        return false;
    for (const struct use *u = v->uses; u; u = u->next)
        u->user->id &= ~LIFTED;
    return true;
}

static bool shorten(const struct batch_scan *s)
{
    bool changed = false;

    for (const struct node *n = s->body->last; n; n = n->previous) {
        for (int i = 0; i < n->results && (n->id & LIFTED); i++) {
            if (batch_seen(n->result[i])->varies)
                changed |= keep_readers(s, n->result[i]);
        }
    }
    return changed;
}

static void decide(const struct batch_scan *s)
{
    for (struct node *n = s->body->first; n; n = n->next)
        n->id = is_lift(s, n) ? LIFTED : 0;
    s->body->yield_node->id = 0;
    do
        mark_staying(s);
    while (shorten(s));
}

/* ---- moving ---- */

/* Marks what is wanted outside; true where there is anything. */
static bool want_lifted(const struct batch_scan *s)
{
    bool any = false;

    for (int i = 0; i < s->stacked; i++) {
        struct seen *y = batch_seen(s->body->yield[i]);
        if (y->early && value_used(s->scan->result[i]))
            y->outside = any = true;
    }
    for (struct node *n = s->body->last; n; n = n->previous) {
        bool wanted = false;
        for (int i = 0; i < n->results; i++) {
            struct seen *y = batch_seen(n->result[i]);
            y->outside |= (n->id & LIFTED) && read_inside(s, n->result[i]);
            wanted |= y->outside;
        }
        for (int i = 0; i < n->operands && wanted; i++)
            batch_seen(operand(n, i))->outside = true;
        any |= wanted;
    }
    return any;
}

/* The parameter of the body, in v's shape, that brings it in. */
static struct value *brought_in(struct batch_scan *s, struct value *v)
{
    struct value *whole = batch_seen(v)->whole;
    struct build b = build_at(s->body, s->body->first);

    if (!batch_seen(v)->varies) {
        node_add_operand(s->scan, whole);
        return graph_param(s->body, v->type, v->name);
    }
    struct type all = whole->type;
    for (int rank = v->type.rank; rank < s->a.axis; rank++) {
        all.dim[all.rank] = all.dim[all.rank - 1];
        all.dim[all.rank++ - 1] = dim_of(1);
    }
    whole = build_reshape(&s->a.b, whole, all.dim, all.rank);
    return build_reshape(&b, scan_add_sequence(s->scan, whole), v->type.dim, v->type.rank);
}

static void bring_in(struct batch_scan *s, struct value *v)
{
    struct value *read = brought_in(s, v);

    for (struct use *u = v->uses, *next; u; u = next) {
        next = u->next;
        bool yields = u->user == s->body->yield_node;
        if (yields ? u->index >= s->stacked : (u->user->id & STAYS) != 0)
            node_set_operand(u->user, u->index, read);
    }
}

static void replace_results(struct batch_scan *s)
{
    s->a.b = build_at(s->scan->graph, s->scan);
    for (int i = 0; i < s->stacked; i++) {
        struct seen *y = batch_seen(s->body->yield[i]);
        if (y->early && value_used(s->scan->result[i]))
            value_replace(s->scan->result[i], y->varies ? y->whole : batch_widen(&s->a, y->whole));
    }
}

static bool batch_before(struct batch_scan *s)
{
    batch_look(s);
    decide(s);
    if (!want_lifted(s))
        return false;
    for (struct node *n = s->body->first; n; n = n->next) {
        if (n->results && batch_seen(n->result[0])->early) {
            bool wanted = false;
            for (int i = 0; i < n->results; i++)
                wanted |= batch_seen(n->result[i])->outside;
            if (wanted)
                batch_build(s, n);
        }
    }
    replace_results(s);
    for (struct node *n = s->body->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->results && (n->id & LIFTED); i++) {
            if (read_inside(s, n->result[i]))
                bring_in(s, n->result[i]);
        }
    }
    return true;
}

/* ---- the pass ---- */

/* What is left of a scan of which nobody reads a thing goes with it. False where the scan has gone. */
static bool trim(struct node *scan)
{
    bool used = node_has_effect(scan);

    for (int i = 0; i < scan->results; i++)
        used |= value_used(scan->result[i]);
    if (used) {
        bodied_trim(scan);
        if (!infer(scan))
            bug("a scan does not take what was made of it");
    } else {
        node_remove(scan);
    }
    return used;
}

static bool batch_one(struct node *scan, struct arena *scratch)
{
    struct batch_scan s = { .scan = scan, .scratch = scratch };
    bool before = batch_before(&s);

    if (before && !trim(scan))
        return true;
    if (!batch_after(&s))
        return before;
    trim(scan);
    return true;
}

/* What leaves an inner scan stands in the body of the outer one, and may leave that too. */
static bool batch_graph(struct graph *g, struct arena *scratch)
{
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        bool inner = false;
        for (int i = 0; i < n->bodies; i++)
            inner |= batch_graph(n->body[i], scratch);
        if (inner && n->op == OP_scan)
            bodied_trim(n);
        changed |= inner;
        if (n->op == OP_scan)
            changed |= batch_one(n, scratch);
    }
    return changed;
}

bool pass_batch_scan(struct module *m, struct pass_context *c)
{
    bool changed = false;

    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (m->graph[i])
            changed |= batch_graph(m->graph[i], c->scratch);
    }
    return changed;
}
