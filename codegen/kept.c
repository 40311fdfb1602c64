/* codegen/kept.c: for -v: what the training graph keeps from its forward part until the backward part has read it, the
 * largest first, each with what makes it, what reads it, and why it is stored and not computed again (passes/keep.c):
 *
 *     kept for the backward part, 9633792 bytes:
 *        6422528 bytes  f32[N,28,28,32]  lenet.net:10 conv_1, winograd makes it; winograd_dw reads it again and again */
#include <stdlib.h>

#include "codegen/c_emit.h"
#include "ir/nest.h"

struct kept {
    const struct value *v;
    int64_t bytes;
    const struct node *reader; /* the first of the backward part */
    int position;
};

static bool copies(const struct node *n)
{
    return op_is_index(n->op) || n->op == OP_relayout;
}

/* The operation within the group that gives the value: what its last copy copies, where that is made there too. */
static const struct node *maker(const struct value *v)
{
    const struct node *n = v->def;

    if (n->op != OP_fused)
        return n;
    for (const struct value *x = n->body[0]->yield[v->index]; x->def; x = operand(n, 0)) {
        n = x->def;
        if (!copies(n))
            break;
    }
    return n;
}

/* The anchor of a group, or the operation that reads the value there. */
static const struct node *reading(const struct kept *k)
{
    const struct node *n = k->reader;

    if (n->op != OP_fused)
        return n;
    for (const struct node *b = n->body[0]->first; b; b = b->next)
        if (node_is_anchor(b) && !node_is_reduction(b))
            return b;
    for (int i = 0; i < n->operands; i++) {
        const struct value *p = n->body[0]->param[i];
        if (operand(n, i) == k->v && p->uses && p->uses->user->results)
            return p->uses->user;
    }
    return n;
}

static const char *reason(const struct node *made, const struct node *reader)
{
    if (node_is_contraction(made) || made->op == OP_maxpool || made->op == OP_scan || made->op == OP_gather)
        return "dear to make again";
    if (made->op == OP_constant)
        return "a constant that is read in memory there";
    if (node_is_reduction(made))
        return "small, and a pass over memory to make again";
    if (copies(made))
        return "laid out as it is read there";
    if (op_is_map(made->op) && !op_is(made->op, CHEAP))
        return "dearer to make than to load";
    if (node_is_contraction(reader))
        return "read there again and again";
    return "made of several values that are no smaller";
}

static int by_size(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : x->position - y->position;
}

static int find_kept(const struct emit *e, const struct graph *g, int last, struct kept *out)
{
    int count = 0;

    for (const struct node *n = g->first; n && n->id < last; n = n->next) {
        for (int i = 0; i < n->results; i++) {
            const struct value *v = n->result[i];
            const struct node *reader = value_read_behind(v, last);
            if (!reader || reader->op == OP_output || reader->op == OP_metric)
                continue;
            out[count] = (struct kept){ v, run_bytes(e, v), reader, count };
            count++;
        }
    }
    return count;
}

static void say_at(struct text *t, const struct node *n)
{
    if (n->at.line > 0 && n->at.file)
        text_add(t, "  %s:%d", n->at.file, n->at.line);
    if (n->layer && *n->layer)
        text_add(t, "%s%s", n->at.line > 0 ? " " : "  ", n->layer);
}

void log_kept(const struct emit *e, const struct graph *g)
{
    int operations = 0, last = graph_number(g), results = 0;
    int64_t sum = 0;

    for (const struct node *n = g->first; n; n = n->next, operations++)
        results += n->results;
    struct kept *k = NEW_ARRAY(e->arena, results + 1, struct kept);
    int count = find_kept(e, g, last, k);
    for (int i = 0; i < count; i++)
        sum += k[i].bytes;
    qsort(k, (size_t)count, sizeof *k, by_size);
    text_add(e->o->log, "kept for the backward part, %lld bytes%s\n", (long long)sum, count ? ":" : "");
    for (int i = 0; i < count; i++) {
        const struct node *made = maker(k[i].v), *reader = reading(&k[i]);
        text_add(e->o->log, "%12lld bytes  %s", (long long)k[i].bytes, type_text(e->arena, k[i].v->type, e->m->f64));
        say_at(e->o->log, made);
        text_add(e->o->log, "  made by %s, read by %s: %s\n", op_info(made->op)->name, op_info(reader->op)->name,
                 reason(made, reader));
    }
}
