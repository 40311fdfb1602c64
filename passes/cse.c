/* passes/cse.c: common subexpressions. Of two operations with the same operands and attributes the later goes and its
 * users read the earlier. Random operations stay: two draws are two draws. So do operations with bodies and those with
 * an effect, but for `bound`: to check one index twice is to check it once.
 *
 *     %0 = exp %x                 %0 = exp %x
 *     %1 = exp %x           =>    %2 = add %0, %0
 *     %2 = add %0, %1
 */
#include <string.h>

#include "passes/shared.h"

struct node_table {
    struct arena *arena;
    struct node **slot; /* open addressing; at most half full */
    size_t size, count;
};

struct node_table *node_table_new(struct arena *a)
{
    struct node_table *t = NEW(a, struct node_table);

    t->arena = a;
    t->size = 64;
    t->slot = NEW_ARRAY(a, t->size, struct node *);
    return t;
}

static uint64_t mix(uint64_t hash, uint64_t x)
{
    return (hash ^ x) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

/* Reals are left out: an attribute that is equal must hash alike, and they seldom tell operations apart. */
static uint64_t attr_hash(const struct attr *a)
{
    uint64_t hash = (uint64_t)a->count;

    switch (a->kind) {
    case AT_INT: return (uint64_t)a->i;
    case AT_BOOL: return a->flag;
    case AT_WORD: return (uintptr_t)a->word;
    case AT_REAL: return 0;
    case AT_INTS:
        for (int i = 0; i < a->count; i++)
            hash = mix(hash, (uint64_t)a->ints[i]);
        return hash;
    case AT_DIMS:
        for (int i = 0; i < a->count; i++)
            hash = mix(hash, (uint64_t)a->dims[i].k * 2 + a->dims[i].n);
        return hash;
    }
    return hash;
}

/* Operands add up, so that they may stand in any order. */
static uint64_t node_hash(const struct node *n)
{
    uint64_t hash = (uint64_t)n->op, operands = 0;

    for (int i = 0; i < n->operands; i++)
        operands += (uintptr_t)operand(n, i) >> 4;
    hash = mix(hash, operands);
    for (int i = 0; i < n->attrs; i++)
        hash = mix(hash, attr_hash(&n->attr[i]));
    return hash ^ hash >> 32;
}

static bool operands_equal(const struct node *a, const struct node *b)
{
    for (int i = 0; i < a->operands; i++) {
        if (operand(a, i) != operand(b, i))
            return op_is(a->op, COMMUTES) && operand(a, 0) == operand(b, 1) && operand(a, 1) == operand(b, 0);
    }
    return true;
}

static bool node_equal(const struct node *a, const struct node *b)
{
    if (a->op != b->op || a->operands != b->operands || !operands_equal(a, b))
        return false;
    for (int i = 0; i < a->attrs; i++) {
        if (!attr_equal(&a->attr[i], &b->attr[i]))
            return false;
    }
    return true;
}

/* The slot of the operation equal to n, or the empty one where it belongs. */
static struct node **find_slot(struct node_table *t, const struct node *n)
{
    size_t at = (size_t)node_hash(n) & (t->size - 1);

    while (t->slot[at] && t->slot[at] != n && !node_equal(t->slot[at], n))
        at = (at + 1) & (t->size - 1);
    return &t->slot[at];
}

static void table_grow(struct node_table *t)
{
    struct node **old = t->slot;
    size_t size = t->size;

    t->size *= 2;
    t->slot = NEW_ARRAY(t->arena, t->size, struct node *);
    for (size_t i = 0; i < size; i++) {
        if (old[i])
            *find_slot(t, old[i]) = old[i];
    }
}

struct node *node_table_add(struct node_table *t, struct node *n)
{
    if ((op_is(n->op, EFFECT) && n->op != OP_bound) || n->bodies > 0)
        return n;
    struct node **slot = find_slot(t, n);
    if (*slot)
        return *slot;
    *slot = n;
    if (++t->count * 2 > t->size)
        table_grow(t);
    return n;
}

static void merge(struct node *later, struct node *first)
{
    for (int i = 0; i < later->results; i++) {
        if (!first->result[i]->name)
            first->result[i]->name = later->result[i]->name;
        value_replace(later->result[i], first->result[i]);
    }
    node_remove(later);
}

static bool cse_graph(struct graph *g, struct arena *scratch)
{
    struct node_table *seen = node_table_new(scratch);
    bool changed = false;

    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; i < n->bodies; i++)
            changed |= cse_graph(n->body[i], scratch);
        struct node *first = node_table_add(seen, n);
        if (first != n) {
            merge(n, first);
            changed = true;
        }
    }
    return changed;
}

bool pass_cse(struct module *m, struct pass_context *c)
{
    bool changed = false;

    for (int i = 0; i < GRAPH_KINDS; i++) {
        if (m->graph[i])
            changed |= cse_graph(m->graph[i], c->scratch);
    }
    return changed;
}
