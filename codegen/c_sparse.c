/* codegen/c_sparse.c: what NET.c has for sparse matrices: where their entries lie, how they start, the check of places in
 * files, and NET_evolve. The work is done by runtime/nn_sparse.h. */
#include "codegen/c_emit.h"

static int matrices(const struct emit *e)
{
    int count = 0;
    for (const struct sparse *s = e->m->sparse; s; s = s->next)
        count++;
    return count;
}

/* What the optimizer keeps for each value. */
static void moments(struct emit *e, struct text *t, const struct sparse *s, int i)
{
    int count = 0;
    for (int k = 0; k < e->m->vars; k++) {
        const struct var *v = e->m->var[k];
        if (v->role == ROLE_OPTIMIZER && v->of == s->values && type_equal(v->type, s->values->type))
            text_add(t, "        to[%d].moment[%d] = (%s *)(void *)(m->optimizer + %s);\n", i, count++, e->real,
                     e->var_id[v->index]);
    }
    if (count)
        text_add(t, "        to[%d].moments = %d;\n", i, count);
}

static void one_matrix(struct emit *e, struct text *t, const struct sparse *s, int i)
{
    static const char *const rule[] = { "NN_INIT_CONSTANT", "NN_INIT_UNIFORM", "NN_INIT_NORMAL" };
    text_add(t,
             "    to[%d] = (nn_sparse){ .values = (%s *)(void *)(m->param + %s),\n"
             "                         .rows = (int32_t *)(void *)(m->state + %s),\n"
             "                         .columns = (int32_t *)(void *)(m->state + %s),\n"
             "                         .count = %lld, .out = %lld, .in = %lld, .zeta = ",
             i, e->real, e->var_id[s->values->index], e->var_id[s->rows->index], e->var_id[s->columns->index],
             (long long)s->values->type.dim[0].k, (long long)s->out, (long long)s->in);
    text_real(t, s->values->role == ROLE_FROZEN ? 0 : s->zeta);
    text_add(t, ",\n                         .init = { 0, 0, %s, ", rule[s->values->init.rule]);
    text_real(t, s->values->init.a);
    text_puts(t, ", ");
    text_real(t, s->values->init.b);
    text_add(t, ", 0x80000000u + %du },\n                         .stream = 0x80000000u + %du };\n", s->values->index,
             s->rows->index);
}

/* Before set_initial_values, which asks for the first places. */
void emit_sparse_start(struct emit *e, struct text *t)
{
    int i = 0;
    if (!e->m->sparse)
        return;
    text_add(
        t,
        "\n/* The sparse matrices; what is frozen does not evolve. */\nstatic void sparse_matrices(const %s *m, nn_sparse *to)\n{\n",
        e->name);
    for (const struct sparse *s = e->m->sparse; s; s = s->next)
        one_matrix(e, t, s, i++);
    struct text rest = text_make(e->arena);
    i = 0;
    for (const struct sparse *s = e->m->sparse; s && e->has_loss; s = s->next)
        moments(e, &rest, s, i++);
    if (rest.length)
        text_add(t, "    if (m->optimizer) {\n%s    }\n", text_string(&rest));
    text_puts(t, "}\n");
}

void emit_sparse_places(struct emit *e, struct text *t)
{
    if (e->m->sparse)
        text_add(t,
                 "    nn_sparse matrix[%d];\n    sparse_matrices(m, matrix);\n"
                 "    for (int i = 0; i < %d; i++)\n        nn_start_places(&matrix[i], seed);\n",
                 matrices(e), matrices(e));
}

/* The number of a variable among the tensors. */
static int tensor_number(const struct emit *e, const struct var *v)
{
    int number = 0;
    for (int i = 0; i < v->index; i++)
        number += is_tensor(e->m->var[i]);
    return number;
}

void emit_sparse_table(struct emit *e, struct text *t)
{
    if (!e->m->sparse)
        return;
    text_puts(t, "\n/* Which tensors hold places, and of what matrices. */\nstatic const nn_places places[] = {\n");
    for (const struct sparse *s = e->m->sparse; s; s = s->next)
        text_add(t, "    { %d, %d, %lld, %lld },\n", tensor_number(e, s->rows), tensor_number(e, s->columns),
                 (long long)s->out, (long long)s->in);
    text_puts(t, "};\n\n");
}

const char *sparse_check(struct emit *e)
{
    if (!e->m->sparse)
        return "";
    return arena_printf(e->arena,
                        "    int wrong = nn_places_check(path, m->tensor, places, %d, m->error, NN_ERROR_BYTES);\n"
                        "    if (wrong)\n        return wrong;\n",
                        matrices(e));
}

/* What NET_evolve writes places to: two numbers for each entry that goes. */
int64_t sparse_scratch(const struct emit *e)
{
    int64_t most = 0;
    for (const struct sparse *s = e->m->sparse; s; s = s->next) {
        int64_t bytes = 8 * ((int64_t)(s->zeta * (double)s->values->type.dim[0].k) + 2);
        most = bytes > most ? bytes : most;
    }
    return most;
}

void emit_evolve(struct emit *e, struct text *t)
{
    if (!has_evolve(e))
        return;
    text_add(
        t,
        "\nint %s_evolve(%s *m)\n{\n    if (!m)\n        return NN_ENULL;\n"
        "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"evolve: this instance does not train\");\n",
        e->name, e->name);
    if (e->has_step)
        text_puts(t, "    if (m->accumulated)\n        return nn_fail(m->error, NN_ESTATE, \"evolve: gradients are "
                     "accumulated: apply comes first\");\n");
    text_add(t,
             "    nn_sparse matrix[%d];\n    sparse_matrices(m, matrix);\n    m->progress.draws++;\n"
             "    for (int i = 0; i < %d; i++)\n"
             "        nn_evolve(&matrix[i], m->progress.seed, m->progress.draws, NN_AT(int32_t, 0));\n"
             "    m->stale = 1;\n    return 0;\n}\n",
             matrices(e), matrices(e));
}

bool has_evolve(const struct emit *e)
{
    return e->m->sparse && e->has_loss;
}
