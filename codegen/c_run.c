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
    if (kind == GRAPH_TRAIN)
        kernel_rows(t, e->graph[GRAPH_TOTALS].rows);
    if (kind == GRAPH_TRAIN && e->has_step) {
        const struct kernel_row clear = { .name = "nn_zero",
                                          .origin = "gradients",
                                          .bytes = (double)e->segment[SEGMENT_GRAD] };
        kernel_rows(t, e->graph[GRAPH_APPLY].rows);
        kernel_rows(t, &clear);
    }
    text_puts(t, "    { 0, 0, 0, 0 }\n};\n");
}

/* Kernels of training in front of a graph's own: see profile_rows. */
static int rows_before(const struct emit *e, enum graph_kind kind)
{
    int totals = kind == GRAPH_APPLY ? e->graph[GRAPH_TOTALS].count : 0;
    return kind == GRAPH_TRAIN ? 0 : e->graph[GRAPH_TRAIN].count + totals;
}

static void run_body(struct emit *e, struct text *t, enum graph_kind kind, const char *step, const char *first)
{
    int before = rows_before(e, kind);
    text_add(t, "    const nn_context context = { m->progress.seed, %s, m->progress.lr, %s };\n    (void)context;\n",
             step, first);
    if (kind == GRAPH_INFER || kind == GRAPH_TRAIN)
        text_add(t, "    NN_TIMING(m->%s_time);\n", graph_name(kind));
    else if (kind == GRAPH_APPLY || kind == GRAPH_TOTALS)
        text_add(t, "    NN_TIMING(m->train_time + %d);\n", before);
    else
        text_puts(t, "    NN_UNTIMED;\n");
    text_puts(t, text_string(&e->graph[kind].calls));
}

void emit_infer(struct emit *e, struct text *t)
{
    emit_prologue(e, t, "_infer", "inference");
    text_puts(t, text_string(&e->graph[GRAPH_INFER].kernels));
    kernel_table(e, t, GRAPH_INFER);
    text_add(t, "\nint %s_infer(%s *m, int n", e->name, e->name);
    arguments_text(e, t, false, true);
    text_puts(t, ")\n{\n");
    checks(e, t, "infer", false, true);
    unused(e, t, false);
    text_add(t, "    %s_prepare(m);\n", e->name);
    run_body(e, t, GRAPH_INFER, "m->calls++", "0");
    text_puts(t, "    return 0;\n}\n");
}

/* What a sample takes of an argument. */
static long long each(const struct var *v)
{
    return (long long)type_count(v->type, 1);
}

static const struct graph *in_parts(const struct emit *e)
{
    const struct graph *g = e->m->graph[GRAPH_TRAIN];
    return g->part ? g : NULL;
}

/* The kernels of the train graph on some of a batch's samples, those from `first` on. */
static void emit_part(struct emit *e, struct text *t)
{
    text_add(t,
             "\n/* Some of a batch's samples, from number first on: adds their part of gradients and loss. */\n"
             "static void accumulate_part(%s *m, int first, int n",
             e->name);
    arguments_text(e, t, true, false);
    text_add(t, ", %s *loss)\n{\n", e->real);
    unused(e, t, true);
    text_add(t, "    m->first = first;\n");
    run_body(e, t, GRAPH_TRAIN, "m->progress.draws", "(uint64_t)first");
    text_puts(t, "}\n");
}

static void emit_parts(struct emit *e, struct text *t)
{
    if (e->m->graph[GRAPH_TOTALS])
        run_body(e, t, GRAPH_TOTALS, "m->progress.draws", "0");
    text_add(
        t,
        "    for (int first = 0; first < n; first += %lld)\n        accumulate_part(m, first, n - first < %lld ? n - first : %lld",
        (long long)in_parts(e)->part, (long long)in_parts(e)->part, (long long)in_parts(e)->part);
    for (int targets = 0; targets < 2; targets++)
        for (int i = 0; i < e->m->vars; i++) {
            const struct var *v = e->m->var[i];
            if (v->role == (targets ? ROLE_TARGET : ROLE_INPUT))
                text_add(t, ",\n                        %s + (size_t)first * %lld", e->var_id[v->index], each(v));
        }
    text_puts(t, ", loss);\n");
}

static void emit_accumulate(struct emit *e, struct text *t)
{
    if (in_parts(e))
        emit_part(e, t);
    text_add(t, "\nint %s_accumulate(%s *m, int n", e->name, e->name);
    arguments_text(e, t, true, false);
    text_add(t, ", %s *loss)\n{\n", e->real);
    checks(e, t, "accumulate", true, false);
    unused(e, t, true);
    text_puts(
        t,
        "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"accumulate: this instance does not train\");\n");
    if (in_parts(e))
        emit_parts(e, t);
    else
        run_body(e, t, GRAPH_TRAIN, "m->progress.draws", "0");
    text_puts(t, "    m->progress.draws++;\n    m->accumulated++;\n    m->stale = 1;\n    return 0;\n}\n");
}

static void emit_eval(struct emit *e, struct text *t)
{
    text_add(t, "\nint %s_eval(%s *m, int n", e->name, e->name);
    arguments_text(e, t, true, false);
    text_add(t, ", %s *loss, %s *metrics)\n{\n", e->real, e->real);
    checks(e, t, "eval", true, false);
    unused(e, t, true);
    text_add(
        t,
        "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"eval: this instance only infers\");\n    %s_prepare(m);\n",
        e->name);
    if (!e->metrics)
        text_puts(t, "    (void)metrics;\n");
    run_body(e, t, GRAPH_EVAL, "m->calls++", "0");
    text_puts(t, "    return 0;\n}\n");
}

static void emit_apply(struct emit *e, struct text *t)
{
    text_add(t, "\nint %s_apply(%s *m)\n{\n    if (!m)\n        return NN_ENULL;\n", e->name, e->name);
    text_puts(
        t,
        "    if (!m->accumulated)\n        return nn_fail(m->error, NN_ESTATE, \"apply: nothing has been accumulated\");\n"
        "    const int n = 1;\n    (void)n;\n");
    run_body(e, t, GRAPH_APPLY, "m->progress.step", "0");
    text_add(t, "    nn_zero(m->grad, %lld);\n    NN_TIMED(%d);\n", (long long)e->segment[SEGMENT_GRAD],
             e->graph[GRAPH_APPLY].count);
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
    emit_prologue(e, t, "_train", "training and evaluation");
    text_puts(t, text_string(&e->graph[GRAPH_TRAIN].kernels));
    text_puts(t, text_string(&e->graph[GRAPH_TOTALS].kernels));
    if (e->has_step)
        text_puts(t, text_string(&e->graph[GRAPH_APPLY].kernels));
    text_puts(t, text_string(&e->graph[GRAPH_EVAL].kernels));
    kernel_table(e, t, GRAPH_TRAIN);
    emit_accumulate(e, t);
    if (e->has_step) {
        emit_apply(e, t);
        emit_step(e, t);
    }
    emit_eval(e, t);
}
