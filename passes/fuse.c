/* passes/fuse.c: groups: one kernel for what can share a nest of loops (ir/nest.h).
 *
 *     %1 = conv %x, %w            %3 = fused %x, %w, %b {
 *     %2 = add %1, %b                %1 = conv %x, %w
 *     %3 = max %2, %0       =>       %2 = add %1, %b
 *                                    %3 = max %2, %0
 *                                    yield %3
 *                                 }
 *
 * First a group grows backwards from its last operation: an operation joins the group of its readers where all of them are
 * in that one group, so nothing is computed twice. Then, in training, elementwise work joins the convolution that reads it
 * as an image, unless it can stand behind what gives its operand: what BatchNorm normalised is made there, some samples at
 * a time, and stored only where others read it. Then groups that read the same values, or one what the other gives, become
 * one: softmax, a normalisation with its gradients, sums over rows in the epilogue of what gives them. What is left by itself
 * then joins a gradient of weights that reads it, however little that has to do. Last, what goes through rows of a product
 * joins it, and a pool the convolution before it: the nest's source, which is not stored.
 *
 * Legal is what nest_of finds a nest for, what leaves the graph without cycles (is_between), and what reads nothing that the
 * group writes elsewhere. It pays where memory is read or written less often (pays). What `keep` has the backward part make
 * again stays there. */
#include "ir/layout.h"
#include "ir/nest.h"
#include "passes/group.h"
#include "passes/shared.h"

enum { MAX_GROUP = 48, MAX_MERGED = 128, AGAIN = 32 };

/* A group on its way; node->data points at the one its node is in. */
struct cluster {
    struct node *anchor; /* NULL: none so far */
    struct node *root;   /* the last operation */
    int members;
    struct node **member; /* in order, once all have been found */
    int *position;        /* of each in the graph */
    bool fixed;           /* stands alone */
    bool images;          /* which its anchor stages */
    int64_t largest;      /* operand of its members, in bytes */
    int rank;             /* in an order in which groups can run */
    int visit;            /* of the last search that came by */
    int tried;            /* by the last group that looked for neighbours */
    int waits;            /* of the order that is being made: on so many others */
    int *walks;           /* so far, of all groups: what a walk has seen has its number in node->id */
};

enum { FIRST_WALK = 1 << 20 }; /* nest_of numbers members from 0 */

/* Whether a walk sees n for the first time. */
static bool is_new(struct node *n, int walk)
{
    if (n->id == walk)
        return false;
    n->id = walk;
    return true;
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

/* Every reader of n within the group, and every reader of those: elementwise operations of n's own elements. */
static bool walk_as_it_is(const struct node *n, const struct cluster *c, int walk)
{
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        struct node *r = u->user;
        if (r->data != c || r->op == OP_assign || r->op == OP_accumulate || !is_new(r, walk))
            continue;
        bool same = r->op == OP_reshape || (op_is_map(r->op) && r->op != OP_relayout && r->op != OP_one_hot);
        if (!same || !walk_as_it_is(r, c, walk))
            return false;
    }
    return true;
}

static bool sees_as_it_is(const struct node *n, const struct cluster *c)
{
    return walk_as_it_is(n, c, ++*c->walks);
}

static bool walk_repeated(const struct node *n, int walk)
{
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        struct node *r = u->user;
        if (r->op == OP_broadcast || r->op == OP_gather || node_is_contraction(r))
            return true;
        if (op_is_index(r->op) && is_new(r, walk) && walk_repeated(r, walk))
            return true;
    }
    return false;
}

/* Whether n, spread over a larger shape by a reader, would be computed again and again. */
static bool is_repeated(const struct node *n, const struct cluster *c)
{
    return walk_repeated(n, ++*c->walks);
}

static bool walk_to_anchor(const struct node *n, const struct cluster *c, int walk)
{
    for (const struct use *u = n->result[0]->uses; u; u = u->next) {
        struct node *r = u->user;
        if (r->data == c && (r == c->anchor || (r->results && is_new(r, walk) && walk_to_anchor(r, c, walk))))
            return true;
    }
    return false;
}

/* Whether the anchor reads n, or what is made of n. */
static bool feeds(const struct node *n, const struct cluster *c)
{
    return walk_to_anchor(n, c, ++*c->walks);
}

static bool before_anchor(const struct node *n, const struct cluster *c)
{
    if (!c->anchor || !feeds(n, c))
        return true;
    if (c->anchor->op == OP_cumsum || c->anchor->op == OP_argmax)
        return true;
    return !node_is_contraction(c->anchor) || op_is_index(n->op) || n->op == OP_constant;
}

static bool writes(const struct use *u)
{
    return (u->user->op == OP_assign || u->user->op == OP_accumulate) && u->index == 0;
}

static bool is_written(const struct value *v)
{
    for (const struct use *u = v->uses; u; u = u->next)
        if (writes(u))
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

/* Its result holds the sums while they grow: nothing can stand behind it. */
static bool adds_up_in_place(const struct node *n)
{
    return n->op == OP_scatter_add || n->op == OP_put_along || n->op == OP_sparse_matmul || n->op == OP_winograd_dw ||
           n->op == OP_attention_dx || (n->op == OP_conv_dw && layout_channels_last(n));
}

/* A scatter may add to the variable itself. */
static bool adds_into(const struct node *n, const struct node *root)
{
    return n->op == OP_scatter_add && root->op == OP_accumulate && operand(root, 1) == n->result[0];
}

/* A copy of rows to columns, which runs in squares where it is nothing else. */
static bool turns(const struct node *root)
{
    if (root->op == OP_relayout)
        root = operand(root, 0)->def;
    if (!root || root->op != OP_transpose)
        return false;
    int last = root->result[0]->type.rank - 1;
    return attr_ints(root, "perm", NULL)[last] != last;
}

static bool walk_behind(const struct node *n, int walk)
{
    for (int i = 0; i < n->operands; i++) {
        struct node *def = operand(n, i)->def;
        if (def && (node_is_anchor(def) || (op_is_map(def->op) && is_new(def, walk) && walk_behind(def, walk))))
            return true;
    }
    return false;
}

/* Work that can stand in the epilogue of what it reads. */
static bool is_behind_anchor(const struct node *n, const struct cluster *c)
{
    return walk_behind(n, ++*c->walks);
}

static bool may_join(const struct node *n, const struct cluster *c)
{
    if (c->members >= MAX_GROUP || op_is(n->op, EFFECT) || n->op == OP_relayout)
        return false;
    if ((c->root->op == OP_assign || c->root->op == OP_accumulate) && reads_what_is_written(n, c))
        return false;
    if (c->root->op == OP_bound)
        return op_is_index(n->op) || n->op == OP_cast;
    if (op_is_map(n->op) && turns(c->root) && is_behind_anchor(n, c))
        return false;
    if (node_is_anchor(n))
        return !c->anchor && n->results == 1 && (adds_up_in_place(n) ? adds_into(n, c->root) : sees_as_it_is(n, c));
    if (!op_is(n->op, CHEAP) && is_repeated(n, c))
        return false;
    return before_anchor(n, c);
}

static void assign_clusters(struct graph *g, struct arena *scratch, int *walks)
{
    if (g->yield_node)
        g->yield_node->data = NULL;
    for (struct node *n = g->first; n; n = n->next)
        n->data = NULL;
    for (struct node *n = g->last; n; n = n->previous) {
        bool member = group_member(n);
        struct cluster *c = n->results && member ? readers(n) : NULL;
        if (!c || c->fixed || !may_join(n, c)) {
            c = NEW(scratch, struct cluster);
            c->root = n;
            c->fixed = !member;
            c->walks = walks;
        }
        if (node_is_anchor(n))
            c->anchor = n;
        c->members++;
        n->data = c;
    }
}

/* Of what is sliced the slice is read. */
static void see_operands(struct cluster *c, const struct node *n)
{
    for (int i = 0; i < n->operands; i++) {
        int64_t bytes = value_bytes(n->op == OP_slice ? n->result[0] : operand(n, i));
        c->largest = bytes > c->largest ? bytes : c->largest;
    }
}

static void list_members(struct graph *g, struct arena *scratch)
{
    int position = 0;

    for (struct node *n = g->first; n; n = n->next) {
        struct cluster *c = n->data;
        if (!c->member) {
            c->member = NEW_ARRAY(scratch, (size_t)c->members, struct node *);
            c->position = NEW_ARRAY(scratch, (size_t)c->members, int);
            c->members = 0;
        }
        c->member[c->members] = n;
        c->position[c->members++] = position++;
        see_operands(c, n);
    }
}

/* ---- two groups become one ---- */

/* What finds bad data runs before anything changes. */
static void each_write(const struct node *n, const struct cluster *c,
                       void (*see)(struct cluster *follower, void *context), void *context)
{
    for (const struct node *w = n->graph->first; w; w = w->next)
        if ((w->op == OP_assign || w->op == OP_accumulate) && w->data != c)
            see(w->data, context);
}

/* Calls see for every group that has to run after c: those that read what it gives, those that write what it reads, and all that
 * write where it may end the call. */
static void each_follower(const struct cluster *c, void (*see)(struct cluster *follower, void *context), void *context)
{
    for (int i = 0; i < c->members; i++) {
        const struct node *n = c->member[i];
        for (int k = 0; k < n->results; k++)
            for (const struct use *u = n->result[k]->uses; u; u = u->next)
                if (u->user->data && u->user->data != c)
                    see(u->user->data, context);
        for (int k = 0; k < n->operands; k++)
            for (const struct use *u = operand(n, k)->var ? operand(n, k)->uses : NULL; u; u = u->next)
                if (writes(u) && u->user->data != c)
                    see(u->user->data, context);
        if (node_checks(n))
            each_write(n, c, see, context);
    }
}

static void count_wait(struct cluster *c, void *context)
{
    (void)context;
    c->waits++;
}

static void end_wait(struct cluster *c, void *context)
{
    (void)context;
    c->waits--;
}

/* An order in which groups can run: of what is ready the first in the graph. Gives how many there are. */
static int find_order(struct graph *g, struct arena *scratch, struct cluster ***order)
{
    int count = 0;

    for (struct node *n = g->first; n; n = n->next)
        count += ((struct cluster *)n->data)->member[0] == n;
    struct cluster **left = NEW_ARRAY(scratch, count, struct cluster *);
    *order = NEW_ARRAY(scratch, count, struct cluster *);
    count = 0;
    for (struct node *n = g->first; n; n = n->next)
        if (((struct cluster *)n->data)->member[0] == n)
            left[count++] = n->data;
    for (int i = 0; i < count; i++)
        each_follower(left[i], count_wait, NULL);
    for (int done = 0; done < count; done++) {
        int next = 0;
        while (next < count - done && left[next]->waits)
            next++;
        if (next == count - done)
            bug("groups wait for each other");
        (*order)[done] = left[next];
        each_follower(left[next], end_wait, NULL);
        for (; next < count - done - 1; next++)
            left[next] = left[next + 1];
    }
    return count;
}

struct search {
    const struct cluster *from, *to;
    struct cluster **stack;
    int depth, visit;
    bool found;
};

/* What runs behind `to` does not lead there. */
static void look_at(struct cluster *c, void *context)
{
    struct search *s = context;

    if (c == s->to) {
        s->found = true;
    } else if (c->rank < s->to->rank && c->visit != s->visit) {
        c->visit = s->visit;
        s->stack[s->depth++] = c;
    }
}

static void look_past(struct cluster *c, void *context)
{
    struct search *s = context;

    if (c != s->to)
        look_at(c, context);
}

/* What is tried, one after the other: work that makes images, with what takes them, where that pays; neighbours; images
 * again, of what is still a pass by itself; sources. */
enum sweep { IMAGES, NEIGHBOURS, PASSES, SOURCES };

struct merging {
    struct graph *g;
    struct arena *scratch;
    struct cluster **stack; /* as many as there are groups at first */
    struct cluster **order; /* by rank; NULL: has become one with another */
    int visits, tries;
    enum sweep sweep;
    int loss; /* where the forward part ends; -1: nowhere */
};

/* Whether something else has to run between the one and the other. If not, the search has come by all that waits for the
 * first and runs before the second. */
static bool is_between(struct merging *m, const struct cluster *a, const struct cluster *b)
{
    bool first = a->rank < b->rank;
    struct search s = { .from = first ? a : b, .to = first ? b : a, .stack = m->stack, .visit = ++m->visits };

    each_follower(s.from, look_past, &s);
    while (s.depth && !s.found)
        each_follower(s.stack[--s.depth], look_at, &s);
    return s.found;
}

static void set_rank(struct merging *m, struct cluster *c, int rank)
{
    m->order[rank] = c;
    c->rank = rank;
}

/* The two are one: of what runs between them that comes behind which waits for the first, as the last search has seen. */
static void reorder(struct merging *m, struct cluster *both, const struct cluster *a, const struct cluster *b)
{
    int rank = a->rank < b->rank ? a->rank : b->rank, last = a->rank + b->rank - rank, waiting = 0;

    for (int i = rank + 1; i < last; i++) {
        struct cluster *c = m->order[i];
        if (c && c->visit == m->visits)
            m->stack[waiting++] = c;
        else if (c)
            set_rank(m, c, rank++);
    }
    set_rank(m, both, rank++);
    for (int i = 0; i < waiting; i++)
        set_rank(m, m->stack[i], rank++);
    while (rank <= last)
        m->order[rank++] = NULL;
}

static struct cluster *joined(struct merging *m, const struct cluster *a, const struct cluster *b)
{
    struct cluster *c = NEW(m->scratch, struct cluster);
    int i = 0, k = 0;

    c->member = NEW_ARRAY(m->scratch, (size_t)(a->members + b->members), struct node *);
    c->position = NEW_ARRAY(m->scratch, (size_t)(a->members + b->members), int);
    while (i < a->members || k < b->members) {
        bool first = k == b->members || (i < a->members && a->position[i] < b->position[k]);
        c->member[c->members] = first ? a->member[i] : b->member[k];
        c->position[c->members++] = first ? a->position[i++] : b->position[k++];
    }
    c->root = c->member[c->members - 1];
    c->walks = a->walks;
    c->largest = a->largest > b->largest ? a->largest : b->largest;
    return c;
}

static void take_members(struct cluster *c)
{
    for (int i = 0; i < c->members; i++)
        c->member[i]->data = c;
}

/* What a variable is read for stands at its own coordinates in a group that writes it. */
static bool writes_in_place(const struct cluster *c)
{
    for (int i = 0; i < c->members; i++) {
        const struct node *n = c->member[i];
        if (n->op != OP_assign && n->op != OP_accumulate)
            continue;
        for (const struct use *u = operand(n, 0)->uses; u; u = u->next) {
            const struct node *r = u->user;
            if (r->data == c && !writes(u) && !(op_is_map(r->op) && sees_as_it_is(r, c)))
                return false;
        }
        if (operand(n, 0)->var->role == ROLE_RANGE && c->anchor)
            return false;
    }
    return true;
}

/* Costly work that a reader in the group would do again and again. */
static bool repeats_work(const struct cluster *c, const struct nest *n)
{
    for (int i = 0; i < c->members; i++) {
        const struct node *x = c->member[i];
        if (!x->results || n->place[i] > AT_HELD || op_is(x->op, CHEAP) || op_is_index(x->op))
            continue;
        for (const struct use *u = x->result[0]->uses; u; u = u->next)
            if (u->user->data == c && (u->user->op == OP_broadcast || u->user->op == OP_gather))
                return true;
    }
    return false;
}

/* Work before a contraction stays out of it, and before a window. */
static bool feeds_anchor(const struct cluster *from, const struct cluster *to)
{
    if (to->anchor && node_is_reduction(to->anchor))
        return false;
    for (int i = 0; i < from->members && to->anchor; i++)
        if (from->member[i]->results && feeds(from->member[i], to))
            return true;
    return false;
}

static bool is_few(const struct value *v, const struct cluster *beside)
{
    return value_is_small(v, beside->root->result[0]);
}

/* What is spread over an image may lie otherwise in memory, the image may not. */
static bool is_of_images(const struct cluster *from, const struct node *n)
{
    return op_is_map(n->op) || n->op == OP_broadcast || n->op == OP_constant || n->op == OP_reshape ||
           (op_is_index(n->op) && is_few(n->result[0], from));
}

/* Whether all that `to` takes of `from` are images, which its anchor may have from elementwise operations: where that `pays`
 * though others could make them along. */
static bool feeds_images(const struct cluster *from, const struct cluster *to, bool pays)
{
    bool any = false;

    for (int i = 0; i < from->members; i++) {
        const struct node *n = from->member[i];
        if (!from->root->results || !is_of_images(from, n))
            return false;
        for (const struct use *u = n->results ? n->result[0]->uses : NULL; u; u = u->next) {
            if (u->user->data != to)
                continue;
            if (use_is_staged(u) && (!pays || image_pays(u)))
                any = true;
            else if (u->user == to->anchor || (u->user->results && feeds(u->user, to)))
                return false;
        }
    }
    return any;
}

/* A row that is gone through several times has to stay in the cache. */
enum { CACHED = 1 << 18 };

static bool rows_are_cached(const struct merging *m, const struct nest *n)
{
    return n->anchor || !n->reductions || full_bytes(m->g->module, nest_row(n)) <= CACHED;
}

static bool of_images(const struct merging *m)
{
    return m->sweep == IMAGES || m->sweep == PASSES;
}

/* A copy stays a copy, and what adds up in place has nothing beside it; images stand before. */
static bool stands_alone(const struct merging *m, const struct cluster *c)
{
    for (int i = 0; i < c->members; i++)
        if (c->member[i]->op == OP_relayout || (adds_up_in_place(c->member[i]) && !of_images(m)))
            return true;
    return c->fixed || turns(c->root);
}

static bool is_legal(struct merging *m, struct cluster *both, struct nest *n)
{
    take_members(both);
    both->anchor = n->anchor ? n->anchor : n->source;
    both->images = nest_image(n) != NULL;
    return writes_in_place(both) && !repeats_work(both, n) && rows_are_cached(m, n);
}

/* Bytes that need not be read, or written, once a and b are one: what a gives b, and what both read. */
static int64_t bytes_saved(const struct cluster *a, const struct cluster *b)
{
    int64_t saved = 0;

    for (int i = 0; i < b->members; i++)
        for (int k = 0; k < b->member[i]->operands; k++) {
            const struct value *v = operand(b->member[i], k);
            bool shared = false, outside = false;
            if (v->def && v->def->data == b)
                continue;
            for (const struct use *u = v->uses; u; u = u->next) {
                shared |= u->user->data == a;
                outside |= u->user->data != a && u->user->data != b;
            }
            shared |= v->def && v->def->data == a;
            if (shared)
                saved += value_bytes(v) * (v->def && v->def->data == a && !outside ? 2 : 1);
        }
    return saved;
}

/* It pays to have a good part of what is read, or where the one is little work beside the other. */
static bool pays(const struct cluster *a, const struct cluster *b)
{
    int64_t saved = bytes_saved(a, b), x = a->largest, y = b->largest, less = x < y ? x : y, more = x < y ? y : x;

    return saved && (saved * 4 >= more || less * 8 <= more);
}

/* Whether x and y compute the same, from the same values; `left`: in at most so many operations. */
static bool computes_same(const struct node *x, const struct node *y, int *left)
{
    if (x == y)
        return true;
    if (--*left < 0 || x->op != y->op || x->operands != y->operands || x->results != 1 || y->results != 1 ||
        !type_equal(x->result[0]->type, y->result[0]->type))
        return false;
    for (int i = 0; i < x->attrs; i++)
        if (!attr_equal(&x->attr[i], &y->attr[i]))
            return false;
    for (int i = 0; i < x->operands; i++)
        if (operand(x, i) != operand(y, i) && (!operand(x, i)->def || !operand(y, i)->def ||
                                               !computes_same(operand(x, i)->def, operand(y, i)->def, left)))
            return false;
    return true;
}

/* What the backward part makes again, so that it need not be kept, joins nothing that made it before. */
static bool makes_again(const struct merging *m, const struct cluster *before, const struct cluster *c)
{
    if (m->loss < 0 || before->position[0] > m->loss)
        return false;
    for (int i = c->members - 1; i >= 0 && c->position[i] > m->loss; i--) {
        const struct node *n = c->member[i];
        if (!n->operands || !op_is_map(n->op))
            continue;
        for (int k = 0; k < before->members && before->position[k] <= m->loss; k++) {
            int left = AGAIN;
            if (before->member[k]->op == n->op && computes_same(before->member[k], n, &left))
                return true;
        }
    }
    return false;
}

static bool has_contraction(const struct cluster *c)
{
    return c->anchor && node_is_contraction(c->anchor);
}

/* Whether the work of c can stand behind what gives it much. */
static bool has_place_behind(struct merging *m, struct cluster *c)
{
    for (int i = 0; i < c->members; i++)
        for (int k = 0; k < c->member[i]->operands; k++) {
            const struct value *v = operand(c->member[i], k);
            struct cluster *before = v->def && !is_few(v, c) ? v->def->data : NULL;
            struct nest n;
            if (!before || before == c || stands_alone(m, before) || is_between(m, before, c))
                continue;
            struct cluster *both = joined(m, before, c);
            if (nest_of(m->scratch, both->member, both->members, &n))
                return true;
        }
    return false;
}

/* Whether this sweep leaves the two alone. */
static bool is_left(struct merging *m, struct cluster *a, struct cluster *b)
{
    switch (m->sweep) {
    case IMAGES:
    case PASSES: return a->anchor || !feeds_images(a, b, m->sweep == IMAGES) || has_place_behind(m, a);
    case NEIGHBOURS: return feeds_anchor(a, b);
    default: return has_contraction(a) == has_contraction(b);
    }
}

/* Whether the nest has what this sweep is for, and no more. */
static bool in_sweep(const struct merging *m, const struct cluster *a, const struct cluster *b, const struct nest *n)
{
    bool images = of_images(m) || a->images || b->images;

    return images == (nest_image(n) != NULL) && (n->source != NULL) == (m->sweep == SOURCES);
}

static bool merge(struct merging *m, struct cluster *a, struct cluster *b)
{
    struct nest n;
    struct cluster *both;

    if (a == b || stands_alone(m, a) || stands_alone(m, b) || a->members + b->members > MAX_MERGED || !pays(a, b) ||
        is_left(m, a, b))
        return false;
    both = joined(m, a, b);
    if (!nest_of(m->scratch, both->member, both->members, &n) || !in_sweep(m, a, b, &n) || is_between(m, a, b) ||
        makes_again(m, a, b) || makes_again(m, b, a))
        return false;
    if (is_legal(m, both, &n)) {
        reorder(m, both, a, b);
        return true;
    }
    take_members(a);
    take_members(b);
    return false;
}

/* Once for each look at b: it may meet a many times. */
static bool try_merge(struct merging *m, struct cluster *a, struct cluster *b)
{
    if (a->tried == m->tries)
        return false;
    a->tried = m->tries;
    return merge(m, a, b);
}

/* With what gives what b reads, else with another reader of that. */
static bool merge_neighbour(struct merging *m, struct cluster *b)
{
    m->tries++;
    for (int i = 0; i < b->members; i++)
        for (int k = 0; k < b->member[i]->operands; k++) {
            const struct value *v = operand(b->member[i], k);
            if (v->def && try_merge(m, v->def->data, b))
                return true;
            for (const struct use *u = v->uses; u; u = u->next)
                if (u->user->data && ((struct cluster *)u->user->data)->position[0] < b->position[0] &&
                    try_merge(m, u->user->data, b))
                    return true;
        }
    return false;
}

static void merge_clusters(struct merging *m)
{
    for (struct node *n = m->g->first; n; n = n->next)
        while (n == ((struct cluster *)n->data)->root && merge_neighbour(m, n->data))
            ;
}

/* Images first, else what makes them joins what reads the same, and only where many samples go through: one sample's stay
 * together, threads have nothing to share out. Sources last: rows that are held keep sums over all rows out of the group. */
static void merge_all(struct graph *g, struct arena *scratch, int loss)
{
    struct merging m = { .g = g, .scratch = scratch, .loss = loss };
    int count = find_order(g, scratch, &m.order);

    m.stack = NEW_ARRAY(scratch, count, struct cluster *);
    for (int i = 0; i < count; i++)
        m.order[i]->rank = i;
    for (m.sweep = IMAGES; m.sweep <= SOURCES; m.sweep++)
        if (graph_top(g)->kind == GRAPH_TRAIN || !of_images(&m))
            merge_clusters(&m);
}

/* ---- the groups ---- */

/* Members of a group come to stand side by side. */
static void make_order(struct graph *g, struct arena *scratch)
{
    struct cluster **order;
    int count = find_order(g, scratch, &order);

    for (int i = 0; i < count; i++)
        for (int k = 0; k < order[i]->members; k++)
            node_move(order[i]->member[k], NULL);
}

static void make_groups(struct graph *g, struct arena *scratch)
{
    for (struct node *n = g->first, *next; n; n = next) {
        struct cluster *c = n->data;
        next = n->next;
        if (c && c->root == n && c->members > 1)
            group_make(c->member, c->members, scratch)->data = NULL;
    }
}

static void fuse(struct graph *g, struct arena *scratch)
{
    int walks = FIRST_WALK, loss = graph_number(g);

    for (struct node *n = g->first; n; n = n->next)
        if (n->op == OP_scan)
            fuse(n->body[0], scratch);
    assign_clusters(g, scratch, &walks);
    list_members(g, scratch);
    merge_all(g, scratch, loss);
    make_order(g, scratch);
    make_groups(g, scratch);
}

bool pass_fuse(struct module *m, struct pass_context *c)
{
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (m->graph[k])
            fuse(m->graph[k], c->scratch);
    return true;
}
