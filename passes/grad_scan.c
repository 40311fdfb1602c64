/* passes/grad_scan.c: gradients of the operations with bodies.
 *
 * A scan's gradient is a scan that walks the other way:
 *
 *     %ys, %h = scan %x, %h0, @w, ... {                     %ys, %kept, %h = scan %x, %h0, @w, ... { ... }
 *       (%a, %c, %v)
 *       %p = matmul %c, %v                                  %dx, %dh0, %dw = scan %dys, %kept, %dh, %zero, @w, ... {
 *       %q = add %p, %a                   =>                  (%dy, %q, %dh, %dv, %v)
 *       %n = tanh %q                                          ... of one step ...
 *       yield %n, %n                                          yield %da, %dc, %dv2
 *     }                                                     }
 *
 * The gradients of the carries are carries; so are those of captured values, which add up from zero. What the backward
 * body reads of the forward body is yielded there as well and comes as a sequence; constants and changes of coordinates
 * are made again instead.
 *
 * How: the forward body is copied, and the tape differentiates the copy as it would any graph. The copy is then both:
 * its forward part, with what is to be kept among its yields, becomes the new forward body; its backward part, with
 * what was kept among its parameters, the backward body. So scans may hold scans. */
#include "passes/grad.h"

struct list { /* of values */
    struct value **item;
    int count;
    size_t capacity;
};

struct sweep {
    struct grad *g;
    struct node *scan;
    int sequences, carries, captures, stacked;
    struct graph *body; /* the copy; in the end the backward body */
    struct tape tape;
    struct value **yield;    /* the copy's yields of the forward body */
    struct list kept;        /* values of the forward part that the backward part reads */
    struct value **sequence; /* for each of `kept`: the scan's result that holds it for all steps */
    /* parameters of the backward body and what they are bound to, in their three kinds */
    struct list seq_param, seq_operand, carry_param, carry_operand, capture_param, capture_operand;
    struct list yields; /* of the backward body: gradients of sequences, then the next carries */
    int *gives;         /* for each yield: which operand of the scan it is the gradient of */
};

/* ---- lists ---- */

static void push(struct sweep *s, struct list *l, struct value *v)
{
    void *items = l->item;

    arena_grow(s->tape.scratch, &items, &l->capacity, (size_t)l->count + 1, sizeof *l->item);
    l->item = items;
    l->item[l->count++] = v;
}

static int find(const struct list *l, const struct value *v)
{
    for (int i = 0; i < l->count; i++) {
        if (l->item[i] == v)
            return i;
    }
    return -1;
}

/* ---- the copy and its gradients ---- */

static void copy_body(struct sweep *s)
{
    struct graph *from = s->scan->body[0];

    s->body = graph_new(from->module, GRAPH_BODY);
    for (int i = 0; i < from->params; i++)
        from->param[i]->data = graph_param(s->body, from->param[i]->type, from->param[i]->name);
    graph_copy_into(from, s->body, NULL);
    s->yield = NEW_ARRAY(s->tape.scratch, from->yields, struct value *);
    for (int i = 0; i < from->yields; i++)
        s->yield[i] = from->yield[i]->data;
}

/* A carry is active where it starts active or becomes so in some step. */
static void find_active(struct sweep *s, struct arena *scratch, struct grad_texts *texts)
{
    int forward_params = s->body->params;
    bool *active = NEW_ARRAY(scratch, forward_params, bool), changed = true;

    for (int i = 0; i < forward_params; i++)
        active[i] = s->g->need[i];
    while (changed) {
        changed = false;
        tape_start(&s->tape, s->body, scratch, texts);
        for (int i = 0; i < forward_params; i++) {
            if (active[i])
                tape_want(s->body->param[i]);
        }
        tape_forward(&s->tape);
        for (int i = 0; i < s->carries; i++) {
            bool *carry = &active[s->sequences + i];
            if (!*carry && tape_active(s->yield[s->stacked + i]))
                *carry = changed = true;
        }
    }
}

static struct value *zeros(struct build *b, struct type t)
{
    return build_full(b, 0, t);
}

/* Parameters for the gradients that come in: of the stacked yields, step by step, and of the carries. */
static void seed(struct sweep *s, struct build *b)
{
    for (int i = 0; i < s->stacked; i++) {
        if (!s->g->dy[i] || !tape_active(s->yield[i]))
            continue;
        push(s, &s->seq_param, graph_param(s->body, s->yield[i]->type, NULL));
        push(s, &s->seq_operand, s->g->dy[i]);
        tape_seed(b, s->yield[i], s->seq_param.item[s->seq_param.count - 1]);
    }
    for (int i = 0; i < s->carries; i++) {
        struct value *carry = s->body->param[s->sequences + i], *dy = s->g->dy[s->stacked + i];
        if (!tape_active(carry))
            continue;
        push(s, &s->carry_param, graph_param(s->body, carry->type, NULL));
        push(s, &s->carry_operand, dy ? dy : zeros(&s->g->b, carry->type));
        tape_seed(b, s->yield[s->stacked + i], s->carry_param.item[s->carry_param.count - 1]);
    }
}

static void give(struct sweep *s, struct value *yield, int operand_index)
{
    s->gives[s->yields.count] = operand_index;
    push(s, &s->yields, yield);
}

/* What the backward body yields, and a carry for the gradient of each captured value. */
static void collect(struct sweep *s, struct build *b)
{
    struct value **param = s->body->param;
    int first_capture = s->sequences + s->carries;

    s->gives = NEW_ARRAY(s->tape.scratch, s->g->node->operands, int);
    for (int i = 0; i < s->sequences; i++) {
        if (tape_gradient(param[i]) && tape_active(param[i]))
            give(s, tape_gradient(param[i]), i);
    }
    for (int i = s->sequences; i < first_capture; i++) {
        if (tape_active(param[i]))
            give(s, tape_gradient(param[i]) ? tape_gradient(param[i]) : zeros(b, param[i]->type), i);
    }
    for (int i = first_capture; i < first_capture + s->captures; i++) {
        struct value *d = tape_gradient(param[i]);
        if (!d || !tape_active(param[i]))
            continue;
        struct value *sum = graph_param(s->body, d->type, NULL);
        push(s, &s->carry_param, sum);
        push(s, &s->carry_operand, zeros(&s->g->b, d->type));
        give(s, build_binary(b, OP_add, sum, d), i);
        param = s->body->param;
    }
    graph_yield(s->body, s->yields.item, s->yields.count);
}

/* ---- forward and backward part ----
 *
 * node->id says which: 0 forward, 1 backward. Forward operations that are free become part of both. */

static void mark_parts(struct sweep *s)
{
    bool backward = s->tape.last == NULL;

    for (struct node *n = s->body->first; n; n = n->next) {
        n->id = backward;
        backward |= n == s->tape.last;
    }
    for (struct node *n = s->body->last, *previous; n != s->tape.last; n = previous) {
        bool used = false;
        previous = n->previous;
        for (int i = 0; i < n->results; i++)
            used |= value_used(n->result[i]);
        if (!used)
            node_remove(n);
    }
}

static bool is_backward(const struct sweep *s, const struct use *u)
{
    return u->user == s->body->yield_node || u->user->id == 1;
}

static bool backward_reads(const struct sweep *s, const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next) {
        if (is_backward(s, u))
            return true;
    }
    return false;
}

static void find_kept(struct sweep *s)
{
    for (struct node *n = s->tape.last; n; n = n->previous) {
        for (int i = 0; i < n->results; i++) {
            if (!backward_reads(s, n->result[i]))
                continue;
            if (node_is_free(n))
                n->id = 1;
            else
                push(s, &s->kept, n->result[i]);
        }
    }
    for (int i = 0; i < s->carries; i++) {
        struct value *carry = s->body->param[s->sequences + i];
        if (backward_reads(s, carry))
            push(s, &s->kept, carry);
    }
}

/* ---- the new forward body ---- */

/* The copy as it stands, backward part and all, is copied; what the forward part does not need dies there. */
static struct graph *forward_body(struct sweep *s, const struct list *yields)
{
    int params = s->scan->body[0]->params;
    struct value **copies = NEW_ARRAY(s->tape.scratch, yields->count, struct value *);
    struct graph *forward = graph_copy(s->body);

    for (int i = 0; i < yields->count; i++)
        copies[i] = yields->item[i]->data;
    graph_yield(forward, copies, yields->count);
    dce_graph(forward);
    forward->params = params; /* those behind were the gradients' */
    return forward;
}

/* A value of the copy, as the forward body is to yield it. */
static struct value *as_stackable(struct sweep *s, struct value *v)
{
    struct type t = scan_stackable(s->scan, v->type);
    struct build b = build_end(s->body, s->scan->at, s->scan->layer);

    return build_reshape(&b, v, t.dim, t.rank);
}

/* Replaces the scan's body by one that also yields what is kept, unless it does so already. */
static void keep(struct sweep *s)
{
    struct list yields = { .count = 0 };
    int *where = NEW_ARRAY(s->tape.scratch, s->kept.count, int), more = 0;

    for (int i = 0; i < s->stacked; i++)
        push(s, &yields, s->yield[i]);
    for (int i = 0; i < s->kept.count; i++) {
        where[i] = find(&yields, s->kept.item[i]);
        if (where[i] >= 0)
            continue;
        where[i] = yields.count;
        push(s, &yields, as_stackable(s, s->kept.item[i]));
        more++;
    }
    for (int i = 0; i < s->carries; i++)
        push(s, &yields, s->yield[s->stacked + i]);

    struct graph *forward = forward_body(s, &yields);
    forward->owner = s->scan;
    s->scan->body[0]->owner = NULL;
    s->scan->body[0] = forward;
    scan_insert_results(s->scan, s->stacked, more);
    if (!infer(s->scan))
        bug("a scan does not take its new body");
    s->sequence = NEW_ARRAY(s->tape.scratch, s->kept.count, struct value *);
    for (int i = 0; i < s->kept.count; i++)
        s->sequence[i] = s->scan->result[where[i]];
}

/* ---- the backward body ---- */

static void read_as_sequence(struct sweep *s, struct value *v, struct value *sequence)
{
    struct value *p = graph_param(s->body, scan_stackable(s->scan, v->type), v->name);
    struct build b = build_at(s->body, s->body->first);
    struct value *read = build_reshape(&b, p, v->type.dim, v->type.rank);

    if (read->def)
        read->def->id = 1;
    for (struct use *u = v->uses, *next; u; u = next) {
        next = u->next;
        if (is_backward(s, u))
            node_set_operand(u->user, u->index, read);
    }
    push(s, &s->seq_param, p);
    push(s, &s->seq_operand, sequence);
}

static void remove_forward(struct sweep *s)
{
    for (struct node *n = s->body->last, *previous; n; n = previous) {
        previous = n->previous;
        if (n->id == 0)
            node_remove(n);
    }
}

/* The forward body's own sequences and captures that the backward body reads; a scan has one sequence at least. */
static void read_operands(struct sweep *s)
{
    for (int i = 0; i < s->sequences; i++) {
        bool only = s->seq_param.count == 0 && i == s->sequences - 1;
        if (!value_used(s->body->param[i]) && !only)
            continue;
        push(s, &s->seq_param, s->body->param[i]);
        push(s, &s->seq_operand, s->g->x[i]);
    }
    for (int i = s->sequences + s->carries; i < s->g->node->operands; i++) {
        if (!value_used(s->body->param[i]))
            continue;
        push(s, &s->capture_param, s->body->param[i]);
        push(s, &s->capture_operand, s->g->x[i]);
    }
}

static void append(struct sweep *s, struct list *to, const struct list *from)
{
    for (int i = 0; i < from->count; i++)
        push(s, to, from->item[i]);
}

static struct node *backward_scan(struct sweep *s)
{
    struct list params = { .count = 0 }, operands = { .count = 0 };
    const struct attr attrs[] = {
        at_int("sequences", s->seq_param.count),
        at_int("carries", s->carry_param.count),
        *node_attr(s->scan, "axis"),
        at_bool("reverse", !attr_bool(s->scan, "reverse")),
    };

    append(s, &params, &s->seq_param);
    append(s, &params, &s->carry_param);
    append(s, &params, &s->capture_param);
    append(s, &operands, &s->seq_operand);
    append(s, &operands, &s->carry_operand);
    append(s, &operands, &s->capture_operand);
    s->body->param = arena_copy(s->body->module->arena, params.item, (size_t)params.count * sizeof *params.item);
    s->body->params = params.count;
    s->body->param_capacity = (size_t)params.count;
    for (int i = 0; i < params.count; i++)
        s->body->param[i]->index = i;
    return build_bodied(&s->g->b, OP_scan, operands.item, operands.count, attrs, 4, &s->body, 1);
}

static void hand_out(struct sweep *s, const struct node *backward)
{
    for (int i = 0; i < s->yields.count; i++)
        s->g->dx[s->gives[i]] = backward->result[i];
}

void grad_scan(struct grad *g)
{
    struct sweep s = { .g = g, .scan = g->node, .tape = { .scratch = g->tape->scratch } };
    struct diag *d = g->b.graph->module->diag;
    int errors = diag_errors(d);

    s.sequences = (int)attr_int(g->node, "sequences");
    s.carries = (int)attr_int(g->node, "carries");
    s.captures = g->node->operands - s.sequences - s.carries;
    s.stacked = g->node->results - s.carries;
    copy_body(&s);
    struct build b = build_end(s.body, g->node->at, g->node->layer);
    find_active(&s, g->tape->scratch, g->tape->texts);
    seed(&s, &b);
    tape_backward(&s.tape);
    if (diag_errors(d) > errors)
        return;
    collect(&s, &b);
    mark_parts(&s);
    find_kept(&s);
    keep(&s);
    for (int i = 0; i < s.kept.count; i++)
        read_as_sequence(&s, s.kept.item[i], s.sequence[i]);
    remove_forward(&s);
    read_operands(&s);
    struct node *backward = backward_scan(&s);
    if (backward)
        hand_out(&s, backward);
}

/* ---- custom ---- */

/* The backward body, copied to where gradients are made: its parameters are the operands, all results, and the
 * gradients of those that the user sees. */
void grad_custom(struct grad *g)
{
    struct graph *body = g->node->bodies == 2 ? g->node->body[1] : NULL;
    int returned = (int)attr_int(g->node, "returned"), at = 0;

    if (!body) {
        diag_error(g->b.graph->module->diag, g->node->at, "no gradient through custom without a backward body");
        return;
    }
    for (int i = 0; i < g->node->operands; i++)
        body->param[at++]->data = g->x[i];
    for (int i = 0; i < g->node->results; i++)
        body->param[at++]->data = g->y[i];
    for (int i = 0; i < returned; i++)
        body->param[at++]->data = g->dy[i] ? g->dy[i] : zeros(&g->b, g->y[i]->type);
    graph_copy_into(body, g->b.graph, NULL);
    for (int i = 0; i < g->node->operands; i++)
        g->dx[i] = body->yield[i]->data;
}
