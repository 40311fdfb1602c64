/* codegen/c_model.c: NET.c, everything about a model that is not arithmetic on a batch: its memory, its tensors and how
 * they start, files, prepared values, and the table nn_model. */
#include <string.h>

#include "codegen/c_emit.h"

static const char *nn_role(enum role r)
{
    return r == ROLE_PARAM ? "NN_PARAM" : r == ROLE_FROZEN ? "NN_FROZEN" : "NN_STATE";
}

static const char *nn_dtype(const struct emit *e, enum dtype d)
{
    switch (d) {
    case DT_REAL: return e->m->f64 ? "NN_F64" : "NN_F32";
    case DT_I32: return "NN_I32";
    case DT_U8: return "NN_U8";
    default: return "NN_BOOL";
    }
}

static void shape(struct text *t, const char *id, struct type type)
{
    text_add(t, "static const int64_t %s[] = { ", id);
    for (int i = 0; i < type.rank; i++)
        text_add(t, "%s%lld", i ? ", " : "", (long long)(type.dim[i].n ? -type.dim[i].k : type.dim[i].k));
    text_puts(t, type.rank ? " };\n" : "0 };\n");
}

/* labels: the target an output's numbers are of, or "none". */
static void port(struct emit *e, struct text *shapes, struct text *rows, const char *kind, int i, const char *name,
                 struct type type, const char *labels)
{
    const char *of = strcmp(labels, "none") ? arena_printf(e->arena, "\"%s\"", labels) : "NULL";
    const char *id = arena_printf(e->arena, "%s_shape_%d", kind, i);
    shape(shapes, id, type);
    text_add(rows, "    { \"%s\", %s, %d, %s, %s },\n", name, nn_dtype(e, type.dtype), type.rank, id, of);
}

static int ports(struct emit *e, struct text *t, enum role role, const char *kind)
{
    struct text shapes = text_make(e->arena), rows = text_make(e->arena);
    int count = 0;
    for (int i = 0; i < e->m->vars; i++)
        if (e->m->var[i]->role == role)
            port(e, &shapes, &rows, kind, count++, e->m->var[i]->name, e->m->var[i]->type, "none");
    if (count)
        text_add(t, "\n%sstatic const nn_port %s_ports[] = {\n%s};\n", text_string(&shapes), kind, text_string(&rows));
    return count;
}

static void output_ports(struct emit *e, struct text *t)
{
    struct text shapes = text_make(e->arena), rows = text_make(e->arena);
    for (int i = 0; i < e->outputs; i++)
        port(e, &shapes, &rows, "output", i, attr_word(e->output[i], "name"), operand(e->output[i], 0)->type,
             attr_word(e->output[i], "labels"));
    if (e->outputs)
        text_add(t, "\n%sstatic const nn_port output_ports[] = {\n%s};\n", text_string(&shapes), text_string(&rows));
    if (!e->metrics)
        return;
    text_puts(t, "\nstatic const char *const metric_names[] = { ");
    for (int i = 0; i < e->metrics; i++)
        text_add(t, "%s\"%s\"", i ? ", " : "", attr_word(e->metric[i], "name"));
    text_puts(t, " };\n");
}

/* The table of parameters and states: what the instance's nn_tensor records are made from. */
static void tensor_table(struct emit *e, struct text *t)
{
    struct text rows = text_make(e->arena);
    int i = 0;
    for (int v = 0; v < e->m->vars; v++) {
        const struct var *x = e->m->var[v];
        if (!is_tensor(x))
            continue;
        const char *id = arena_printf(e->arena, "shape_%d", i++);
        shape(t, id, x->type);
        text_add(&rows, "    { \"%s\", %s, %s, %d, %s, %s, %s },\n", x->name, nn_dtype(e, x->type.dtype),
                 nn_role(x->role), x->type.rank, id, e->var_id[x->index], x->grad ? e->var_id[x->grad->index] : "-1");
    }
    text_puts(
        t,
        "\n/* Parameters and states in order of creation: where each lies, and where its gradient (-1: it has none). */\n"
        "static const struct {\n    const char *name;\n    nn_dtype dtype;\n    nn_role role;\n    int rank;\n"
        "    const int64_t *shape;\n    long data, grad;\n} tensor_rows[] = {\n");
    text_puts(t, i ? text_string(&rows) : "    { \"\", NN_F32, NN_PARAM, 0, 0, 0, 0 },\n");
    text_puts(t, "};\n");
}

/* How each starts; the stream is the variable's number, kept apart from those of random operations. */
static void init_table(struct emit *e, struct text *t)
{
    static const char *const rule[] = { "NN_INIT_CONSTANT", "NN_INIT_UNIFORM", "NN_INIT_NORMAL",
                                        "NN_INIT_CONSTANT" /* places: sparse_matrices */ };
    text_puts(t, "\nstatic const nn_init initial_values[] = {\n");
    for (int i = 0; i < e->m->vars; i++) {
        const struct var *v = e->m->var[i];
        if (!is_tensor(v))
            continue;
        text_add(t, "    { %s, %lld, %s, ", e->var_id[v->index], (long long)type_count(v->type, e->m->batch),
                 rule[v->init.rule]);
        text_real(t, v->init.a);
        text_puts(t, ", ");
        text_real(t, v->init.b);
        text_add(t, ", 0x80000000u + %du },\n", v->index);
    }
    text_puts(t, e->tensors ? "};\n" : "    { 0, 0, NN_INIT_CONSTANT, 0.0, 0.0, 0 },\n};\n");
}

/* The slices that start as zeros and are not trained; gives their number. */
static int blank_table(struct emit *e, struct text *t)
{
    int blanks = 0, tensor = 0;
    for (int i = 0; i < e->m->vars; i++) {
        const struct var *v = e->m->var[i];
        if (!is_tensor(v))
            continue;
        if (v->init.blank) {
            int64_t each = type_count(v->type, e->m->batch) / v->type.dim[0].k;
            text_puts(t, blanks++
                             ? ""
                             : "\n/* What starts as zeros and is not trained: tensor, first element, elements. */\n"
                               "static const nn_blank blanks[] = {\n");
            text_add(t, "    { %d, %lld, %lld },\n", tensor, (long long)(v->init.row * each), (long long)each);
        }
        tensor++;
    }
    text_puts(t, blanks ? "};\n" : "");
    return blanks;
}

static void fill_tensors(struct emit *e, struct text *t)
{
    int blanks = blank_table(e, t);
    emit_sparse_start(e, t);
    text_add(
        t,
        "\n/* The instance's tensors, and their first values. */\nstatic void set_initial_values(%s *m, uint64_t seed)\n{\n",
        e->name);
    text_add(
        t,
        "    for (int i = 0; i < %d; i++) {\n"
        "        unsigned char *at = (tensor_rows[i].role == NN_STATE ? m->state : m->param) + tensor_rows[i].data;\n"
        "        void *grad = m->grad && tensor_rows[i].grad >= 0 ? m->grad + tensor_rows[i].grad : NULL;\n"
        "        m->tensor[i] = (nn_tensor){ tensor_rows[i].name, tensor_rows[i].dtype, tensor_rows[i].role,\n"
        "                                    tensor_rows[i].rank, tensor_rows[i].shape, at, grad };\n"
        "        if (tensor_rows[i].dtype == %s)\n"
        "            nn_initialise((nn_real *)(void *)at, &initial_values[i], seed);\n"
        "    }\n",
        e->tensors, nn_dtype(e, DT_REAL));
    if (blanks)
        text_add(t,
                 "    for (int i = 0; i < %d; i++)\n"
                 "        nn_zero((nn_real *)m->tensor[blanks[i].tensor].data + blanks[i].first,\n"
                 "                (size_t)blanks[i].count * sizeof(nn_real));\n",
                 blanks);
    emit_sparse_places(e, t);
    text_puts(t, "}\n");
}

static void segment_lines(struct emit *e, struct text *t)
{
    for (int s = 0; s < SEGMENTS; s++) {
        bool training = s >= SEGMENT_GRAD;
        if ((training && !e->has_loss) || (e->constant && s != SEGMENT_PREPARED))
            continue;
        if (s == SEGMENT_GRAD)
            text_puts(t, "    if (train) {\n");
        const char *indent = training ? "        " : "    ";
        if (s != SEGMENT_TOTAL || e->segment[s])
            text_add(t, "%sm->%s = at;\n", indent, segment_name(s));
        if (e->segment[s])
            text_add(t, "%sat += %lld;\n", indent, (long long)e->segment[s]);
        if (s == SEGMENTS - 1)
            text_puts(t, "    }\n");
    }
    text_puts(t, "    m->arena = at;\n");
}

static void place(struct emit *e, struct text *t)
{
    const char *s = e->name, *u = e->upper;
    text_add(t, "\nsize_t %s_bytes(int train)\n{\n", s);
    text_add(t,
             e->has_loss ? "    return train ? (size_t)%s_TRAIN_BYTES : (size_t)%s_INFER_BYTES;\n}\n"
                         : "    (void)train;\n    return %s_INFER_BYTES;\n}\n",
             u, u);
    text_add(
        t,
        "\n%s *%s_place(void *memory, size_t bytes, int train, uint64_t seed)\n{\n"
        "    NN_STATIC_ASSERT(sizeof(struct %s) <= %s_HEADER_BYTES, \"the header is larger than was reserved\");\n"
        "    if (!memory || (uintptr_t)memory %% 64 != 0 || bytes < %s_bytes(train))\n        return NULL;\n"
        "    struct %s *m = (struct %s *)memory;\n    unsigned char *at = (unsigned char *)memory + %s_HEADER_BYTES;\n"
        "    nn_zero(memory, %s_HEADER_BYTES);\n",
        s, s, s, u, s, s, s, u, u);
    segment_lines(e, t);
    if (!e->constant)
        text_puts(t, "    nn_zero(m->param, (size_t)(at - m->param));     /* the arena needs no first values */\n");
    text_puts(t, "    m->progress.seed = seed;\n    m->progress.lr = -1;\n    m->stale = 1;\n");
    text_add(t, "%s    return m;\n}\n", e->constant ? "" : "    set_initial_values(m, seed);\n");
}

static void heap(struct emit *e, struct text *t)
{
    const char *s = e->name;
    text_add(
        t,
        "\n#ifndef NN_CORE_ONLY\n%s *%s_new(uint64_t seed)\n{\n    void *memory = nn_alloc(%s_bytes(%d));\n"
        "    struct %s *m = memory ? %s_place(memory, %s_bytes(%d), %d, seed) : NULL;\n    if (m)\n        m->owned = 1;\n"
        "    return m;\n}\n\nvoid %s_free(%s *m)\n{\n    if (m && m->owned)\n        nn_free(m);\n}\n#endif\n",
        s, s, s, e->has_loss, s, s, s, e->has_loss, e->has_loss, s, s);
}

static void prepare(struct emit *e, struct text *t)
{
    struct graph_c *c = &e->graph[GRAPH_PREPARE];
    bool any = e->m->graph[GRAPH_PREPARE] && c->calls.length;
    if (any)
        emit_kernels(e, t, &(enum graph_kind){ GRAPH_PREPARE }, 1);
    text_add(
        t,
        "\n/* What %s from parameters and states alone; again only after those changed. */\nvoid %s_prepare(%s *m)\n{\n",
        e->has_loss ? "inference and evaluation compute" : "inference computes", e->name, e->name);
    text_puts(t, "    if (!m->stale)\n        return;\n");
    if (any) {
        text_puts(
            t,
            "    const int n = 1;\n    const nn_context context = { 0, 0, -1, 0 };\n    (void)n;\n    (void)context;\n    NN_UNTIMED;\n");
        text_puts(t, text_string(&c->calls));
    }
    text_puts(t, "    m->stale = 0;\n}\n");
}

static void error(struct emit *e, struct text *t)
{
    text_add(t, "\nconst char *%s_error(const %s *m)\n{\n    return m ? m->error : \"a null pointer\";\n}\n", e->name,
             e->name);
}

static void accessors(struct emit *e, struct text *t)
{
    const char *s = e->name;
    text_add(
        t,
        "\nconst nn_tensor *%s_tensors(%s *m, size_t *count)\n{\n    if (count)\n        *count = m ? %d : 0;\n    return m ? m->tensor : NULL;\n}\n",
        s, s, e->tensors);
    text_add(t, "\nvoid %s_changed(%s *m)\n{\n    if (m)\n        m->stale = 1;\n}\n", s, s);
    if (e->has_step)
        text_add(t,
                 "\nvoid %s_set_lr(%s *m, double lr)\n{\n    if (m)\n        m->progress.lr = lr >= 0 ? lr : -1;\n}\n",
                 s, s);
    if (e->has_loss)
        text_add(
            t,
            "\n%s *%s_gradients(%s *m, size_t *count)\n{\n    if (count)\n        *count = m && m->grad ? %lld : 0;\n"
            "    return m ? (%s *)(void *)m->grad : NULL;\n}\n",
            e->real, s, s, (long long)(e->segment[SEGMENT_GRAD] / e->real_bytes), e->real);
}

/* The optimizer's variables as tensors, for checkpoints. */
static void extra_table(struct emit *e, struct text *t, int *count)
{
    struct text rows = text_make(e->arena);
    for (int i = 0; i < e->m->vars; i++) {
        const struct var *v = e->m->var[i];
        if (v->role != ROLE_OPTIMIZER)
            continue;
        const char *id = arena_printf(e->arena, "extra_shape_%d", *count);
        shape(t, id, v->type);
        text_add(&rows, "    { \"%s\", %d, %s, %s },\n", v->name, v->type.rank, id, e->var_id[v->index]);
        ++*count;
    }
    if (*count)
        text_add(
            t,
            "\n/* The optimizer's state. */\nstatic const struct {\n    const char *name;\n    int rank;\n    const int64_t *shape;\n"
            "    long data;\n} extra_rows[] = {\n%s};\n",
            text_string(&rows));
}

/* What gives the optimizer's variables as tensors, where there are any. */
static void extra_tensors(struct emit *e, struct text *t, int extras)
{
    if (extras)
        text_add(
            t,
            "\nstatic void extra_list(const %s *m, nn_tensor *to)\n{\n"
            "    for (int i = 0; i < %d; i++)\n"
            "        to[i] = (nn_tensor){ extra_rows[i].name, %s, NN_STATE, extra_rows[i].rank, extra_rows[i].shape,\n"
            "                             m->optimizer + extra_rows[i].data, NULL };\n}\n",
            e->name, extras, nn_dtype(e, DT_REAL));
}

static void checkpoint_files(struct emit *e, struct text *t)
{
    const char *s = e->name;
    int extras = 0;
    extra_table(e, t, &extras);
    text_add(t, "\nstatic const char setup_fingerprint[] = \"%s-%016llx\";\n", s,
             (unsigned long long)e->m->fingerprint);
    extra_tensors(e, t, extras);
    const char *made = extras ? arena_printf(e->arena, "    nn_tensor extra[%d];\n    extra_list(m, extra);\n", extras)
                              : "",
               *given = extras ? arena_printf(e->arena, "extra, %d", extras) : "NULL, 0",
               *pending = e->has_step
                              ? "    if (m->accumulated)\n        return nn_fail(error, NN_ESTATE, \"checkpoint: "
                                "gradients are accumulated: apply comes first\");\n"
                              : "";
    text_add(
        t,
        "\nint %s_checkpoint(const %s *m, const char *path)\n{\n    if (!m)\n        return NN_ENULL;\n"
        "    char *error = ((struct %s *)(uintptr_t)m)->error;     /* the message is not part of the model's value */\n"
        "    if (!path)\n        return nn_fail_null(error, \"checkpoint\", \"path\");\n"
        "    if (!m->grad)\n        return nn_fail(error, NN_ESTATE, \"checkpoint: this instance does not train\");\n%s%s"
        "    return nn_checkpoint_save(path, setup_fingerprint, m->tensor, %d, %s, &m->progress, error, NN_ERROR_BYTES);\n}\n",
        s, s, s, pending, made, e->tensors, given);
    text_add(
        t,
        "\nint %s_resume(%s *m, const char *path)\n{\n    if (!m)\n        return NN_ENULL;\n"
        "    if (!path)\n        return nn_fail_null(m->error, \"resume\", \"path\");\n"
        "    if (!m->grad)\n        return nn_fail(m->error, NN_ESTATE, \"resume: this instance does not train\");\n%s%s"
        "    int code = nn_checkpoint_load(path, setup_fingerprint, m->tensor, %d, %s, &m->progress, m->error, NN_ERROR_BYTES);\n"
        "    if (code)\n        return code;\n"
        "    m->step = (int32_t)m->progress.step;\n    m->stale = 1;\n    clear_accumulated(m);\n    return 0;\n}\n",
        s, s, sparse_check(e), made, e->tensors, given);
}

static void files(struct emit *e, struct text *t)
{
    const char *s = e->name;
    text_puts(t, "\n#ifndef NN_CORE_ONLY\n");
    emit_sparse_table(e, t);
    if (e->has_loss)
        text_add(t,
                 "/* What was accumulated were the gradients of other parameters. */\n"
                 "static void clear_accumulated(%s *m)\n{\n    if (m->grad)\n        nn_zero(m->grad, %lld);\n"
                 "    m->accumulated = 0;\n}\n\n",
                 s, (long long)e->segment[SEGMENT_GRAD]);
    text_add(
        t,
        "int %s_save(const %s *m, const char *path)\n{\n    if (!m)\n        return NN_ENULL;\n"
        "    char *error = ((struct %s *)(uintptr_t)m)->error;     /* the message is not part of the model's value */\n"
        "    if (!path)\n        return nn_fail_null(error, \"save\", \"path\");\n"
        "    return nn_tensors_save(path, m->tensor, %d, NULL, error, NN_ERROR_BYTES);\n}\n",
        s, s, s, e->tensors);
    text_add(t,
             "\nint %s_load(%s *m, const char *path)\n{\n    if (!m)\n        return NN_ENULL;\n"
             "    if (!path)\n        return nn_fail_null(m->error, \"load\", \"path\");\n%s"
             "    int code = nn_tensors_load(path, m->tensor, %d, m->error, NN_ERROR_BYTES);\n"
             "    if (code)\n        return code;\n    m->stale = 1;\n%s    return 0;\n}\n",
             s, s, sparse_check(e), e->tensors, e->has_loss ? "    clear_accumulated(m);\n" : "");
    if (e->has_loss)
        checkpoint_files(e, t);
}

static void pass_ports(struct emit *e, struct text *t, bool targets)
{
    int at = 0;
    for (int pass = 0; pass <= targets; pass++)
        for (int i = 0; i < e->m->vars; i++)
            if (e->m->var[i]->role == (pass ? ROLE_TARGET : ROLE_INPUT))
                text_add(t, ", (const %s *)in[%d]", c_type(e, e->m->var[i]->type.dtype), at++);
}

static void generic_run(struct emit *e, struct text *t, const char *name, const char *rest, const char *given)
{
    text_add(t,
             "\nstatic int %s_generic(void *m, int n, const void *const *in%s)\n{\n    return %s_%s((struct %s *)m, n",
             name, rest, e->name, name, e->name);
    pass_ports(e, t, true);
    text_add(t, "%s);\n}\n", given);
}

static void generic_runs(struct emit *e, struct text *t)
{
    const char *r = e->real;
    if (e->o->infer) {
        text_add(
            t,
            "\nstatic int infer_generic(void *m, int n, const void *const *in, void *const *out)\n{\n    return %s_infer((struct %s *)m, n",
            e->name, e->name);
        pass_ports(e, t, false);
        for (int i = 0; i < e->outputs; i++)
            text_add(t, ", (%s *)out[%d]", c_type(e, operand(e->output[i], 0)->type.dtype), i);
        text_puts(t, ");\n}\n");
    }
    const char *loss = arena_printf(e->arena, ", (%s *)loss", r);
    if (e->has_step)
        generic_run(e, t, "train_step", ", void *loss", loss);
    if (e->has_loss) {
        generic_run(e, t, "accumulate", ", void *loss", loss);
        generic_run(e, t, "eval", ", void *loss, void *metrics", arena_printf(e->arena, "%s, (%s *)metrics", loss, r));
    }
}

static void generic_rest(struct emit *e, struct text *t)
{
    const char *s = e->name;
    text_add(t, "\nstatic void *create_generic(uint64_t seed)\n{\n    return %s_new(seed);\n}\n", s);
    text_add(t, "\nstatic void destroy_generic(void *m)\n{\n    %s_free((struct %s *)m);\n}\n", s, s);
    text_add(
        t,
        "\nstatic int save_generic(const void *m, const char *path)\n{\n    return %s_save((const struct %s *)m, path);\n}\n",
        s, s);
    text_add(t,
             "\nstatic int load_generic(void *m, const char *path)\n{\n    return %s_load((struct %s *)m, path);\n}\n",
             s, s);
    text_add(t, "\nstatic const char *error_generic(const void *m)\n{\n    return %s_error((const struct %s *)m);\n}\n",
             s, s);
    text_add(
        t,
        "\nstatic const nn_tensor *tensors_generic(void *m, size_t *count)\n{\n    return %s_tensors((struct %s *)m, count);\n}\n",
        s, s);
    text_add(t, "\nstatic void changed_generic(void *m)\n{\n    %s_changed((struct %s *)m);\n}\n", s, s);
    text_add(t, "\nstatic nn_progress *progress_generic(void *m)\n{\n    return &((struct %s *)m)->progress;\n}\n", s);
    text_add(
        t,
        "\nstatic nn_kernel_time *profile_generic(void *m, int train)\n{\n#ifdef NN_PROFILE\n"
        "    return train ? ((struct %s *)m)->train_time : ((struct %s *)m)->infer_time;\n#else\n    (void)m;\n    (void)train;\n    return NULL;\n#endif\n}\n",
        s, s);
    if (e->has_loss) {
        text_add(
            t,
            "\nstatic int checkpoint_generic(const void *m, const char *path)\n{\n    return %s_checkpoint((const struct %s *)m, path);\n}\n",
            s, s);
        text_add(
            t,
            "\nstatic int resume_generic(void *m, const char *path)\n{\n    return %s_resume((struct %s *)m, path);\n}\n",
            s, s);
        text_add(
            t,
            "\nstatic void *gradients_generic(void *m, size_t *count)\n{\n    return %s_gradients((struct %s *)m, count);\n}\n",
            s, s);
    }
    if (has_evolve(e))
        text_add(t, "\nstatic int evolve_generic(void *m)\n{\n    return %s_evolve((struct %s *)m);\n}\n", s, s);
    if (e->has_step) {
        text_add(t, "\nstatic int apply_generic(void *m)\n{\n    return %s_apply((struct %s *)m);\n}\n", s, s);
        text_add(t, "\nstatic void set_lr_generic(void *m, double lr)\n{\n    %s_set_lr((struct %s *)m, lr);\n}\n", s,
                 s);
    }
}

static bool has_blanks(const struct emit *e)
{
    for (int i = 0; i < e->m->vars; i++)
        if (is_tensor(e->m->var[i]) && e->m->var[i]->init.blank)
            return true;
    return false;
}

static void graph_info(struct emit *e, struct text *t, const char *field, enum graph_kind kind, bool there,
                       int64_t arena)
{
    if (!there)
        return;
    text_add(t, "    .%s = { %lld, %s_%s_BYTES, %lld, %d, %s_%s_kernels },\n", field, (long long)e->graph[kind].macs,
             e->upper, kind == GRAPH_INFER ? "INFER" : "TRAIN", (long long)arena, profile_rows(e, kind), e->name,
             graph_name(kind));
}

static void model_table(struct emit *e, struct text *t, int inputs, int targets)
{
    int64_t parameters = 0;
    for (int i = 0; i < e->m->vars; i++)
        if (e->m->var[i]->role == ROLE_PARAM || e->m->var[i]->role == ROLE_FROZEN)
            parameters += type_count(e->m->var[i]->type, e->m->batch);
    text_add(t, "\nconst nn_model %s_model = {\n    .name = \"%s\",\n    .batch = %lld,\n    .real = %s,\n", e->name,
             e->name, (long long)e->m->batch, nn_dtype(e, DT_REAL));
    text_add(
        t,
        "    .inputs = %d,\n    .input = %s,\n    .targets = %d,\n    .target = %s,\n    .outputs = %d,\n    .output = %s,\n",
        inputs, inputs ? "input_ports" : "NULL", targets, targets ? "target_ports" : "NULL", e->outputs,
        e->outputs ? "output_ports" : "NULL");
    text_add(t, "    .metrics = %d,\n    .metric = %s,\n    .parameters = %lld,\n", e->metrics,
             e->metrics ? "metric_names" : "NULL", (long long)parameters);
    graph_info(e, t, "infer_graph", GRAPH_INFER, e->o->infer, e->infer_arena);
    graph_info(e, t, "train_graph", GRAPH_TRAIN, e->has_loss, e->train_arena);
    text_puts(
        t,
        "    .create = create_generic,\n    .destroy = destroy_generic,\n    .save = save_generic,\n    .load = load_generic,\n"
        "    .error = error_generic,\n    .tensors = tensors_generic,\n    .changed = changed_generic,\n"
        "    .progress = progress_generic,\n    .profile = profile_generic,\n    .build_info = NN_ARITHMETIC,\n");
    if (e->o->infer)
        text_puts(t, "    .infer = infer_generic,\n");
    if (e->has_loss)
        text_puts(
            t,
            "    .accumulate = accumulate_generic,\n    .eval = eval_generic,\n    .checkpoint = checkpoint_generic,\n"
            "    .resume = resume_generic,\n    .gradients = gradients_generic,\n");
    if (has_evolve(e))
        text_puts(t, "    .evolve = evolve_generic,\n");
    if (has_blanks(e))
        text_puts(t, "    .blank = blanks,\n    .blanks = (int)(sizeof blanks / sizeof *blanks),\n");
    if (e->has_step)
        text_puts(
            t, "    .train_step = train_step_generic,\n    .apply = apply_generic,\n    .set_lr = set_lr_generic,\n");
    text_puts(t, "};\n#endif\n");
}

/* The model whose weights are constants: no heap, no files, nothing to change. */
static void emit_constant_model(struct emit *e, struct text *t)
{
    emit_prologue(e, t, "", "memory and weights");
    place(e, t);
    prepare(e, t);
    error(e, t);
    emit_weights(e, t);
    runtime_library(e, t);
}

void emit_model(struct emit *e, struct text *t)
{
    if (e->constant) {
        emit_constant_model(e, t);
        return;
    }
    emit_prologue(e, t, "", "memory, tensors, files");
    text_putc(t, '\n');
    tensor_table(e, t);
    init_table(e, t);
    fill_tensors(e, t);
    place(e, t);
    heap(e, t);
    prepare(e, t);
    error(e, t);
    accessors(e, t);
    emit_evolve(e, t);
    files(e, t);
    int inputs = ports(e, t, ROLE_INPUT, "input"), targets = ports(e, t, ROLE_TARGET, "target");
    output_ports(e, t);
    generic_runs(e, t);
    generic_rest(e, t);
    model_table(e, t, inputs, targets);
    runtime_library(e, t);
}
