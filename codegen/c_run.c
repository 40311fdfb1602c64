/* codegen/c_run.c: NET_infer.c and NET_train.c: the kernels, and the functions that run them on a batch. */
#include <string.h>

#include "codegen/c_emit.h"

static void null_check(struct text *t, const char *function, const char *id)
{
    text_add(t, "    if (!%s)\n        return nn_fail_null(m->error, \"%s\", \"%s\");\n", id, function, id);
}

/* What every run refuses before it touches anything. */
static void checks(struct emit *e, struct text *t, const char *function, bool targets, bool outputs)
{
    text_puts(t, "    if (!m)\n        return NN_ENULL;\n");
    for (int i = 0; i < e->m->vars; i++) {
        const struct var *v = e->m->var[i];
        if (v->role == ROLE_INPUT || (targets && v->role == ROLE_TARGET))
            null_check(t, function, e->var_id[v->index]);
    }
    for (int i = 0; i < e->outputs && outputs; i++)
        null_check(t, function, e->output_id[i]);
    text_add(t, "    if (n < 1 || n > %s_BATCH)\n        return nn_fail_batch(m->error, \"%s\", n, %s_BATCH);\n",
             e->upper, function, e->upper);
}

static void unused(struct emit *e, struct text *t, bool targets)
{
    for (int i = 0; i < e->m->vars; i++) {
        const struct var *v = e->m->var[i];
        if (v->role == ROLE_INPUT || (targets && v->role == ROLE_TARGET))
            text_add(t, "    (void)%s;\n", e->var_id[v->index]);
    }
}

static void kernel_rows(struct text *t, const struct kernel_row *r)
{
    for (; r; r = r->next) {
        text_add(t, "    { \"%s\", ", r->name);
        text_quoted(t, r->origin);
        text_puts(t, ", ");
        text_real(t, r->macs);
        text_puts(t, ", ");
        text_real(t, r->bytes);
        text_puts(t, " },\n");
    }
}

/* The table of a graph's kernels, for `bench --kernels`: see profile_rows. */
static void kernel_table(struct emit *e, struct text *t, enum graph_kind kind)
{
    text_add(t, "\nconst nn_kernel_info %s_%s_kernels[] = {\n", e->name, graph_name(kind));
    kernel_rows(t, e->graph[kind].rows);
    kernel_rows(t, e->graph[graph_totals(kind)].rows);
    if (kind == GRAPH_TRAIN && e->has_step)
        kernel_rows(t, e->graph[GRAPH_APPLY].rows);
    text_puts(t, "    { 0, 0, 0, 0 }\n};\n");
}

const char *times_of(const struct emit *e, enum graph_kind kind)
{
    const int train = e->graph[GRAPH_TRAIN].count;

    switch (kind) {
    case GRAPH_INFER:
    case GRAPH_TRAIN: return arena_printf(e->arena, "m->%s_time", graph_name(kind));
    case GRAPH_INFER_TOTALS: return arena_printf(e->arena, "m->infer_time + %d", e->graph[GRAPH_INFER].count);
    case GRAPH_TOTALS: return arena_printf(e->arena, "m->train_time + %d", train);
    case GRAPH_APPLY: return arena_printf(e->arena, "m->train_time + %d", train + e->graph[GRAPH_TOTALS].count);
    default: return NULL;
    }
}

static void timing(struct emit *e, struct text *t, enum graph_kind kind)
{
    const char *table = times_of(e, kind);

    if (table)
        text_add(t, "    NN_TIMING(%s);\n", table);
    else
        text_puts(t, "    NN_UNTIMED;\n");
}

/* step: of the random numbers; first: of the samples. */
static void run_body(struct emit *e, struct text *t, enum graph_kind kind, const char *step, const char *first)
{
    text_add(t, "    const nn_context context = { m->progress.seed, %s, m->progress.lr, %s };\n    (void)context;\n",
             step, first);
    timing(e, t, kind);
    text_puts(t, text_string(&e->graph[kind].calls));
}

/* ---- what takes a batch: train, eval and infer ---- */

/* A function of NET.h over a graph. */
struct batch_run {
    enum graph_kind kind;
    const char *name, *step, *after; /* the function; the step of its random numbers, and what makes it the next one */
    bool targets, outputs;
    const char *results; /* further parameters, as NET.h has them, */
    const char *given;   /* and as arguments */
};

static void parameters(struct emit *e, struct text *t, const struct batch_run *r)
{
    arguments_text(e, t, r->targets, r->outputs);
    text_add(t, "%s)\n{\n", r->results);
}

/* ", image + (size_t)first * 784": where a part of an argument begins; what has no samples is there whole. */
static void part_of(struct text *t, const char *id, struct type type)
{
    text_add(t, ",\n            %s", id);
    if (shape_batches(type))
        text_add(t, " + (size_t)first * %lld", (long long)type_count(type, 1));
}

static void parts_of_arguments(struct emit *e, struct text *t, const struct batch_run *r)
{
    for (int targets = 0; targets <= r->targets; targets++)
        for (int i = 0; i < e->m->vars; i++) {
            const struct var *v = e->m->var[i];
            if (v->role == (targets ? ROLE_TARGET : ROLE_INPUT))
                part_of(t, e->var_id[v->index], v->type);
        }
    for (int i = 0; i < e->outputs && r->outputs; i++)
        part_of(t, e->output_id[i], operand(e->output[i], 0)->type);
}

/* The kernels on some of a batch's samples. */
static void emit_part(struct emit *e, struct text *t, const struct batch_run *r)
{
    text_add(t, "\n/* n of a batch's samples, from number first on. */\nstatic void %s_part(%s *m, int first, int n",
             r->name, e->name);
    parameters(e, t, r);
    unused(e, t, r->targets);
    if (r->kind == GRAPH_EVAL && !e->metrics)
        text_puts(t, "    (void)metrics;\n");
    text_puts(t, "    m->first = first;\n");
    run_body(e, t, r->kind, r->step, "(uint64_t)first");
    text_puts(t, "}\n");
}

static void run_parts(struct emit *e, struct text *t, const struct batch_run *r)
{
    long long part = (long long)e->m->graph[r->kind]->part;
    if (e->m->graph[graph_totals(r->kind)])
        run_body(e, t, graph_totals(r->kind), r->step, "0");
    text_add(t,
             "    for (int first = 0; first < n; first += %lld)\n"
             "        %s_part(m, first, n - first < %lld ? n - first : %lld",
             part, r->name, part, part);
    parts_of_arguments(e, t, r);
    text_add(t, "%s);\n", r->given);
}

/* The function but for its end. prelude: what stands behind its checks. */
static void emit_batch_run(struct emit *e, struct text *t, const struct batch_run *r, const char *prelude)
{
    const struct graph *g = e->m->graph[r->kind]; /* a dump may lack it */
    bool parts = g && g->part;
    if (parts)
        emit_part(e, t, r);
    text_add(t, "\nint %s_%s(%s *m, int n", e->name, r->name, e->name);
    parameters(e, t, r);
    checks(e, t, r->name, r->targets, r->outputs);
    unused(e, t, r->targets);
    text_puts(t, prelude);
    if (parts)
        run_parts(e, t, r);
    else
        run_body(e, t, r->kind, r->step, "0");
    text_puts(t, r->after);
}

void emit_infer(struct emit *e, struct text *t)
{
    const struct batch_run r = { .kind = GRAPH_INFER,
                                 .name = "infer",
                                 .step = "m->calls",
                                 .after = "    m->calls++;\n    return 0;\n}\n",
                                 .outputs = true,
                                 .results = "",
                                 .given = "" };
    static const enum graph_kind kinds[] = { GRAPH_INFER, GRAPH_INFER_TOTALS };

    emit_prologue(e, t, "_infer", "inference");
    emit_kernels(e, t, kinds, 2);
    kernel_table(e, t, GRAPH_INFER);
    emit_batch_run(e, t, &r, arena_printf(e->arena, "    %s_prepare(m);\n", e->name));
}

static void emit_accumulate(struct emit *e, struct text *t)
{
    const struct batch_run r = {
        .kind = GRAPH_TRAIN,
        .name = "accumulate",
        .step = "m->progress.draws",
        .after = "    m->progress.draws++;\n    m->accumulated++;\n    m->stale = 1;\n    return 0;\n}\n",
        .targets = true,
        .results = arena_printf(e->arena, ", %s *loss", e->real),
        .given = ", loss"
    };
    emit_batch_run(
        e, t, &r,
        "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"accumulate: this instance does not train\");\n");
}

static void emit_eval(struct emit *e, struct text *t)
{
    const struct batch_run r = { .kind = GRAPH_EVAL,
                                 .name = "eval",
                                 .step = "m->calls",
                                 .after = "    m->calls++;\n    return 0;\n}\n",
                                 .targets = true,
                                 .results = arena_printf(e->arena, ", %s *loss, %s *metrics", e->real, e->real),
                                 .given = ", loss, metrics" };
    emit_batch_run(
        e, t, &r,
        arena_printf(
            e->arena,
            "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"eval: this instance only infers\");\n"
            "    %s_prepare(m);\n%s",
            e->name, e->metrics ? "" : "    (void)metrics;\n"));
}

static void emit_apply(struct emit *e, struct text *t)
{
    text_add(t, "\nint %s_apply(%s *m)\n{\n    if (!m)\n        return NN_ENULL;\n", e->name, e->name);
    text_puts(
        t,
        "    if (!m->accumulated)\n        return nn_fail(m->error, NN_ESTATE, \"apply: nothing has been accumulated\");\n"
        "    const int n = 1;\n    (void)n;\n");
    run_body(e, t, GRAPH_APPLY, "m->progress.step", "0");
    text_puts(
        t,
        "    m->progress.step++;\n    m->step = (int32_t)m->progress.step;\n    m->accumulated = 0;\n    m->stale = 1;\n    return 0;\n}\n");
}

static void emit_step(struct emit *e, struct text *t)
{
    text_add(t, "\nint %s_train_step(%s *m, int n", e->name, e->name);
    arguments_text(e, t, true, false);
    text_add(t, ", %s *loss)\n{\n    int code = %s_accumulate(m, n", e->real, e->name);
    argument_names(e, t, true, false);
    text_add(t, ", loss);\n    return code ? code : %s_apply(m);\n}\n", e->name);
}

void emit_train(struct emit *e, struct text *t)
{
    static const enum graph_kind kinds[] = { GRAPH_TRAIN, GRAPH_TOTALS, GRAPH_EVAL_TOTALS, GRAPH_APPLY, GRAPH_EVAL };

    emit_prologue(e, t, "_train", "training and evaluation");
    emit_kernels(e, t, kinds, 5);
    kernel_table(e, t, GRAPH_TRAIN);
    emit_accumulate(e, t);
    if (e->has_step) {
        emit_apply(e, t);
        emit_step(e, t);
    }
    emit_eval(e, t);
}
