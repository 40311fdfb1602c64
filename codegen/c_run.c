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
    if (kind == GRAPH_TRAIN && e->has_step) {
        const struct kernel_row clear = { .name = "nn_zero",
                                          .origin = "gradients",
                                          .bytes = (double)e->segment[SEGMENT_GRAD] };
        kernel_rows(t, e->graph[GRAPH_APPLY].rows);
        kernel_rows(t, &clear);
    }
    text_puts(t, "    { 0, 0, 0, 0 }\n};\n");
}

static void run_body(struct emit *e, struct text *t, enum graph_kind kind, const char *step)
{
    text_add(t, "    const nn_context context = { m->progress.seed, %s, m->progress.lr };\n    (void)context;\n", step);
    if (kind == GRAPH_INFER || kind == GRAPH_TRAIN)
        text_add(t, "    NN_TIMING(m->%s_time);\n", graph_name(kind));
    else if (kind == GRAPH_APPLY)
        text_add(t, "    NN_TIMING(m->train_time + %d);\n", e->graph[GRAPH_TRAIN].count);
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
    run_body(e, t, GRAPH_INFER, "m->calls++");
    text_puts(t, "    return 0;\n}\n");
}

static void emit_accumulate(struct emit *e, struct text *t)
{
    text_add(t, "\nint %s_accumulate(%s *m, int n", e->name, e->name);
    arguments_text(e, t, true, false);
    text_add(t, ", %s *loss)\n{\n", e->real);
    checks(e, t, "accumulate", true, false);
    unused(e, t, true);
    text_puts(
        t,
        "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"accumulate: this instance does not train\");\n");
    run_body(e, t, GRAPH_TRAIN, "m->progress.draws");
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
    run_body(e, t, GRAPH_EVAL, "m->calls++");
    text_puts(t, "    return 0;\n}\n");
}

static void emit_apply(struct emit *e, struct text *t)
{
    text_add(t, "\nint %s_apply(%s *m)\n{\n    if (!m)\n        return NN_ENULL;\n", e->name, e->name);
    text_puts(
        t,
        "    if (!m->accumulated)\n        return nn_fail(m->error, NN_ESTATE, \"apply: nothing has been accumulated\");\n"
        "    const int n = 1;\n    (void)n;\n");
    run_body(e, t, GRAPH_APPLY, "m->progress.step");
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
