/* passes/fuse.c: groups: one kernel for what can share a loop.
 *
 *     %1 = conv %x, %w            %3 = fused %x, %w, %b {
 *     %2 = add %1, %b                %1 = conv %x, %w
 *     %3 = max %2, %0       =>       %2 = add %1, %b
 *                                    %3 = max %2, %0
 *                                    yield %3
 *                                 }
 *
 * A group grows backwards from its last operation: an operation joins the group of its readers where all of them are in
 * that one group, so nothing is computed twice and no cycle can arise. A group holds at most one anchor (a contraction, a
 * window, a reduction, ...). Behind the anchor stand elementwise operations alone, which see its result at their own
 * coordinates; before it elementwise and index operations. */
#include "ir/layout.h"
#include "passes/group.h"

enum { MAX_GROUP = 48 };

/* A group on its way; node->data points at the one its node is in. */
struct cluster {
    struct node *anchor; /* NULL: none so far */
    struct node *root;   /* the last operation */
    int members;
};

static bool is_anchor(const struct node *n)
{
    return !op_is_map(n->op) && !op_is_index(n->op) && !op_is(n->op, EFFECT);
}

static bool is_contraction(const struct node *n)
{
    return n->op == OP_matmul || n->op == OP_conv || n->op == OP_conv_dx || n->op == OP_conv_dw ||
           n->op == OP_winograd || n->op == OP_winograd_dw || n->op == OP_sparse_matmul || n->op == OP_dots;
}

/* The one group that all readers of n's results are in, or NULL. */
static struct cluster *readers(const struct node *n)
{
    struct cluster *c = NULL;
    for (int i = 0; i < n->results; i++)
        for (const struct use *u = n->result[i]->uses; u; u = u->next) {
            struct cluster *other = u->user->graph == n->graph ? u->user->data : NULL;
            if (!other || (c && c != other))
                return NULL;
            c = other;
        }
    return c;
}

/* Every reader of n within the group, and every reader of those: elementwise operations of n's own shape. */
static bool sees_as_it_is(const struct node *n, const struct cluster *c)
{
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        const struct node *r = u->user;
        if (r->data != c || r->op == OP_assign || r->op == OP_accumulate)
            continue;
        if (!op_is_map(r->op) || r->op == OP_relayout || r->op == OP_one_hot || !sees_as_it_is(r, c))
            return false;
    }
    return true;
}

/* Whether n, spread over a larger shape by a reader, would be computed again and again. */
static bool is_repeated(const struct node *n)
{
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        const struct node *r = u->user;
        if (r->op == OP_broadcast || r->op == OP_gather || (op_is_index(r->op) && is_repeated(r)))
            return true;
        if (is_contraction(r))
            return true;
    }
    return false;
}

static bool before_anchor(const struct node *n, const struct cluster *c)
{
    if (!c->anchor)
        return true;
    if (c->anchor->op == OP_cumsum || c->anchor->op == OP_argmax)
        return true;
    return !is_contraction(c->anchor) || op_is_index(n->op) || n->op == OP_constant;
}

static bool is_written(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if ((u->user->op == OP_assign || u->user->op == OP_accumulate) && u->index == 0)
            return true;
    return false;
}

/* Writes come last, one after the other: a group that writes may read of what is written only its own variable, and that
 * only where it writes: no index operation may stand between the reading and the writing. */
static bool reads_what_is_written(const struct node *n, const struct cluster *c)
{
    const struct node *root = c->root;

    for (int i = 0; i < n->operands; i++) {
        const struct value *v = operand(n, i);
        bool own = v == operand(root, 0) && op_is_map(n->op) && sees_as_it_is(n, c);
        if (v->var && !own && is_written(v))
            return true;
    }
    return false;
}

/* Its result holds the sums while they grow. */
static bool adds_up_in_place(const struct node *n)
{
    return (n->op == OP_conv_dw && layout_channels_last(n)) || n->op == OP_winograd_dw;
}

static bool may_join(const struct node *n, const struct cluster *c)
{
    if (c->members >= MAX_GROUP || op_is(n->op, EFFECT) || n->op == OP_relayout)
        return false;
    if ((c->root->op == OP_assign || c->root->op == OP_accumulate) && reads_what_is_written(n, c))
        return false;
    if (c->root->op == OP_bound)
        return op_is_index(n->op) || n->op == OP_cast;
    if (is_anchor(n))
        return !c->anchor && n->results == 1 && n->op != OP_scatter_add && n->op != OP_put_along &&
               !adds_up_in_place(n) && !op_is(n->op, RANDOM) && op_info(n->op)->lowering[0] != 's' &&
               sees_as_it_is(n, c);
    if (!op_is(n->op, CHEAP) && is_repeated(n))
        return false;
    return before_anchor(n, c);
}

/* A constant, or one spread out: copied to each reader, it joins the group of each. */
static bool is_free(const struct node *n)
{
    return n->op == OP_constant || n->op == OP_iota ||
           (n->op == OP_broadcast && operand(n, 0)->def && operand(n, 0)->def->op == OP_constant);
}

static void copy_for_readers(struct node *n)
{
    while (value_use_count(n->result[0]) > 1) {
        struct use *u = n->result[0]->uses;
        struct value *operands[1] = { n->operands ? operand(n, 0) : NULL };
        struct node *copy = node_new(n->graph, n, n->op, operands, n->operands, n->attr, n->attrs, 0);
        copy->at = n->at;
        copy->layer = n->layer;
        node_set_operand(u->user, u->index, node_add_result(copy, n->result[0]->type));
    }
}

static void copy_free(struct graph *g)
{
    for (struct node *n = g->last, *previous; n; n = previous) {
        previous = n->previous;
        if (!is_free(n) || !value_used(n->result[0]))
            continue;
        bool yielded = false;
        for (const struct use *u = n->result[0]->uses; u; u = u->next)
            yielded |= !u->user->graph || u->user == g->yield_node;
        if (!yielded)
            copy_for_readers(n);
        previous = n->previous;
    }
}

static void assign_clusters(struct graph *g, struct arena *scratch)
{
    if (g->yield_node)
        g->yield_node->data = NULL;
    for (struct node *n = g->first; n; n = n->next)
        n->data = NULL;
    for (struct node *n = g->last; n; n = n->previous) {
        if (!group_member(n))
            continue;
        struct cluster *c = n->results ? readers(n) : NULL;
        if (!c || !may_join(n, c)) {
            c = NEW(scratch, struct cluster);
            c->root = n;
        }
        if (is_anchor(n))
            c->anchor = n;
        c->members++;
        n->data = c;
    }
}

static void make_groups(struct graph *g, struct arena *scratch)
{
    for (struct node *n = g->first, *next; n; n = next) {
        struct cluster *c = n->data;
        next = n->next;
        if (!c || c->root != n || c->members < 2)
            continue;
        struct node **member = NEW_ARRAY(scratch, c->members, struct node *);
        int count = 0;
        for (struct node *p = g->first; p != n; p = p->next)
            if (p->data == c)
                member[count++] = p;
        member[count++] = n;
        struct node *fused = group_make(member, count, scratch);
        fused->data = NULL;
    }
}

static void fuse(struct graph *g, struct arena *scratch)
{
    for (struct node *n = g->first; n; n = n->next)
        if (n->op == OP_scan)
            fuse(n->body[0], scratch);
    copy_free(g);
    assign_clusters(g, scratch);
    make_groups(g, scratch);
}

bool pass_fuse(struct module *m, struct pass_context *c)
{
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            fuse(m->graph[k], c->scratch);
    return true;
}
