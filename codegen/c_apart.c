/* codegen/c_apart.c: scans whose samples go through the steps each for itself. Threads share the samples out, and meet again
 * behind the last step:
 *
 *     static void scan_k7(int first, int n, lenet *m)          samples number first to n - 1
 *     {
 *         n -= first;
 *         for (int t0 = 0; t0 < 64; t0++) {
 *             k7_matmul_add_tanh(n, NN_AT(float, 4096) + (size_t)first * 128, ...);
 *             ...
 *
 *     NN_IN_THREADS(n >= 16, 0, n, 8, scan_k7, m);
 *
 * A step of its own is seldom worth starting threads for. What lives within a scan has places of its own (passes/plan.c), so
 * no thread writes at one kernel what another reads at the one before. */
#include <string.h>

#include "codegen/c_emit.h"
#include "ir/nest.h"

/* What a scan is worth threads from on, in elements made (node_work): some 20 us. Samples that stay together, as many as the
 * rows of a product's tile. */
enum { ENOUGH = 1 << 20, TOGETHER = 8 };

/* Operations each of whose axes is of its own: what stands at one place of it is made of what stands at that place. */
static bool keeps_axes_apart(const struct node *n)
{
    const char *lowering = op_info(n->op)->lowering;

    return !op_is(n->op, RANDOM) &&
           (op_is_map(n->op) || op_is_index(n->op) || n->op == OP_matmul || !strcmp(lowering, "reduce"));
}

/* Whether what an operation gives for a sample is made of that sample, and of what all share. What has lost the axis of
 * samples was made of all of them; pairs of samples have two. */
static bool is_apart(const struct node *n)
{
    if (!keeps_axes_apart(n) || op_is(n->op, EFFECT))
        return false;
    for (int i = 0; i < n->results; i++) {
        struct type t = n->result[i]->type;
        if (shape_batches(t) > 1 || (!shape_batches(t) && node_reads_samples(n)))
            return false;
        if (n->op == OP_reshape && shape_batches(t) &&
            shape_rows_of_samples(t) != shape_rows_of_samples(operand(n, 0)->type))
            return false;
        if (n->op == OP_iota && t.dim[attr_int(n, "axis")].n)
            return false;
    }
    return true;
}

/* One sample's elements lie together, and those of the next behind them. */
static bool lies_by_samples(const struct value *v)
{
    return shape_batches(v->type) == 1 && shape_rows_of_samples(v->type) == 1;
}

static bool lies_whole_or_by_samples(const struct value *v)
{
    return !shape_batches(v->type) || lies_by_samples(v);
}

static bool group_is_apart(const struct node *group)
{
    if (group->op != OP_fused)
        return false;
    for (int i = 0; i < group->results; i++)
        if (!lies_by_samples(group->result[i]))
            return false;
    for (const struct node *n = group->body[0]->first; n; n = n->next)
        if (!is_apart(n))
            return false;
    return true;
}

bool scan_is_apart(const struct node *scan)
{
    const struct graph *body = scan->body[0];
    int64_t sequences = attr_int(scan, "sequences"), carries = attr_int(scan, "carries");

    for (int i = 0; i < scan->operands; i++) {
        bool carry = i >= sequences && i < sequences + carries;
        if (!(carry ? lies_by_samples(operand(scan, i)) : lies_whole_or_by_samples(operand(scan, i))))
            return false;
    }
    for (int i = 0; i < body->yields; i++)
        if (!lies_by_samples(body->yield[i]))
            return false;
    for (const struct node *n = body->first; n; n = n->next)
        if (!group_is_apart(n))
            return false;
    return true;
}

int64_t scan_samples_in_threads(const struct node *scan)
{
    double batch = (double)scan->graph->module->batch, work = node_work(scan);
    int64_t least = work < ENOUGH ? INT64_MAX : (int64_t)(ENOUGH * batch / work) + 1;

    least = least > 2 * TOGETHER ? least : 2 * TOGETHER;
    return least <= scan->graph->module->batch ? least : 0;
}

/* ---- the function, and its call ---- */

void apart_function(struct emit *e, struct text *t, const char *name, enum graph_kind kind, const char *steps)
{
    bool timed = kind == GRAPH_INFER || kind == GRAPH_TRAIN;

    text_add(t,
             "\n/* Steps of a scan for samples number first to n - 1, each of which goes through them for itself. */\n"
             "static void %s(int first, int n, %s *m",
             name, e->name);
    given_text(e, t, e->given, true);
    text_puts(t, ")\n{\n    n -= first;\n");
    if (timed)
        text_add(t, "    NN_TIMING(first ? NULL : m->%s_time);\n", graph_name(kind));
    else
        text_puts(t, "    NN_UNTIMED;\n");
    text_add(t, "%s}\n", steps);
}

const char *apart_call(struct emit *e, const char *name, int64_t least)
{
    struct text t = text_make(e->arena);

    text_add(&t, "NN_IN_THREADS(n >= %lld, 0, n, %d, %s, m", (long long)least, TOGETHER, name);
    given_text(e, &t, e->given, false);
    text_puts(&t, ");");
    return text_string(&t);
}
