/* codegen/c_header.c: NET.h, the face of a model, and NET_app.c, its program. Behind the public part stands what the
 * generated files share, seen only where they ask for it (NET_INTERNAL). */
#include <string.h>

#include "codegen/c_emit.h"

void argument_text(struct emit *e, struct text *t, const char *name, enum dtype d, bool given, bool typed)
{
    if (typed)
        text_add(t, ", %s%s *%s", given ? "const " : "", c_type(e, d), name);
    else
        text_add(t, ", %s", name);
}

void given_text(struct emit *e, struct text *t, const bool *given, bool typed)
{
    for (int i = 0; i < e->m->vars; i++)
        if (given[i])
            argument_text(e, t, e->var_id[i], e->m->var[i]->type.dtype, true, typed);
    for (int i = 0; i < e->outputs; i++)
        if (given[e->m->vars + i])
            argument_text(e, t, e->output_id[i], operand(e->output[i], 0)->type.dtype, false, typed);
}

/* Inputs, then targets, then outputs: as parameters of a function behind others where `typed`, else as arguments of a
 * call. */
static void ports(struct emit *e, struct text *t, bool targets, bool outputs, bool typed)
{
    for (int pass = 0; pass <= targets; pass++)
        for (int i = 0; i < e->m->vars; i++) {
            const struct var *v = e->m->var[i];
            if (v->role == (pass ? ROLE_TARGET : ROLE_INPUT))
                argument_text(e, t, e->var_id[v->index], v->type.dtype, true, typed);
        }
    for (int i = 0; i < e->outputs && outputs; i++)
        argument_text(e, t, e->output_id[i], operand(e->output[i], 0)->type.dtype, false, typed);
}

void arguments_text(struct emit *e, struct text *t, bool targets, bool outputs)
{
    ports(e, t, targets, outputs, true);
}

void argument_names(struct emit *e, struct text *t, bool targets, bool outputs)
{
    ports(e, t, targets, outputs, false);
}

/* A declaration behind what is said of it, and one with it on its line. */
static void declare(struct text *t, const char *what, const char *about)
{
    if (about)
        text_add(t, "/* %s */\n", about);
    text_puts(t, what);
    text_puts(t, "\n");
}

static void declare_short(struct text *t, const char *what, const char *about)
{
    text_add(t, "%-55s /* %s */\n", what, about);
}

static const char *with(struct emit *e, const char *before, bool targets, bool outputs, const char *after)
{
    struct text t = text_make(e->arena);
    text_puts(&t, before);
    arguments_text(e, &t, targets, outputs);
    text_puts(&t, after);
    return text_string(&t);
}

static void shape_comment(struct emit *e, struct text *t)
{
    struct module *m = e->m;
    text_puts(t, "/* The arguments, in C order:\n");
    for (int i = 0; i < m->vars; i++)
        if (m->var[i]->role == ROLE_INPUT || (m->var[i]->role == ROLE_TARGET && e->has_loss))
            text_add(t, " *   %-7s %s : %s\n", role_name(m->var[i]->role), e->var_id[m->var[i]->index],
                     type_text(e->arena, m->var[i]->type, m->f64));
    for (int i = 0; i < e->outputs; i++)
        text_add(t, " *   output  %s : %s\n", e->output_id[i],
                 type_text(e->arena, operand(e->output[i], 0)->type, m->f64));
    for (int i = 0; i < e->metrics; i++)
        text_add(t, " *   metric  %s (metrics[%d])\n", attr_word(e->metric[i], "name"), i);
    text_puts(t,
              " * Functions return 0 or a negative NN_E... (nn_strerror); after an error the model is as it was. */\n");
}

/* Of the stack, besides a kernel's arrays: frames, and what compilers that optimise keep there of registers. */
enum { FRAMES = 32 << 10 };

static void sizes(struct emit *e, struct text *t)
{
    text_add(t, "#define %s_BATCH %lld\n", e->upper, (long long)e->m->batch);
    text_add(t, "#ifdef NN_PROFILE\n#define %s_PROFILE_BYTES %d\n#else\n#define %s_PROFILE_BYTES 0\n#endif\n", e->upper,
             (16 * (profile_rows(e, GRAPH_INFER) + profile_rows(e, GRAPH_TRAIN) + 2) + 63) / 64 * 64, e->upper);
    text_add(t, "#define %s_INFER_BYTES (%lld + %s_PROFILE_BYTES)\n", e->upper, (long long)e->infer_bytes, e->upper);
    if (e->has_loss)
        text_add(t, "#define %s_TRAIN_BYTES (%lld + %s_PROFILE_BYTES)\n", e->upper, (long long)e->train_bytes,
                 e->upper);
    text_add(t, "#define %s_STACK_BYTES %lld     /* what a call takes of the stack, compiled with -O1 or more */\n",
             e->upper, (long long)e->stack_bytes + FRAMES);
}

static void declare_life(struct emit *e, struct text *t)
{
    struct arena *a = e->arena;
    const char *s = e->name;
    if (!e->constant) {
        declare_short(t, arena_printf(a, "%s *%s_new(uint64_t seed);", s, s),
                      "one allocation; parameters initialised; NULL: no memory");
        declare_short(t, arena_printf(a, "void %s_free(%s *m);", s, s),
                      arena_printf(a, "of one that %s_place made it does nothing", s));
    }
    declare_short(t, arena_printf(a, "size_t %s_bytes(int train);", s),
                  e->constant ? "the memory of an instance, for place" : "the size of that allocation");
    declare(t, arena_printf(a, "%s *%s_place(void *memory, size_t bytes, int train, uint64_t seed);", s, s),
            "in memory of the caller's, 64-byte aligned; NULL: too small");
}

static void declare_runs(struct emit *e, struct text *t)
{
    const char *s = e->name;
    if (e->o->infer)
        declare(t, with(e, arena_printf(e->arena, "int %s_infer(%s *m, int n", s, s), false, true, ");"), NULL);
    if (e->has_step) {
        declare(t,
                with(e, arena_printf(e->arena, "int %s_train_step(%s *m, int n", s, s), true, false,
                     arena_printf(e->arena, ", %s *loss);", e->real)),
                "accumulate, then apply; loss may be NULL");
    }
    if (e->has_loss) {
        declare(t,
                with(e, arena_printf(e->arena, "int %s_accumulate(%s *m, int n", s, s), true, false,
                     arena_printf(e->arena, ", %s *loss);", e->real)),
                "adds gradients");
        if (e->has_step)
            declare(t, arena_printf(e->arena, "int %s_apply(%s *m);", s, s),
                    "the optimizer's step over what was accumulated");
        declare(t,
                with(e, arena_printf(e->arena, "int %s_eval(%s *m, int n", s, s), true, false,
                     arena_printf(e->arena, ", %s *loss, %s *metrics);", e->real, e->real)),
                "both may be NULL");
    }
}

static void declare_checkpoints(struct emit *e, struct text *t)
{
    const char *s = e->name;
    text_add(
        t,
        "/* Also optimizer state, step and random stream: resume goes on bit for bit as if never stopped. Gradients are\n"
        " * not in it: %sresume clears them. */\n"
        "int %s_checkpoint(const %s *m, const char *path);\nint %s_resume(%s *m, const char *path);\n",
        e->has_step ? "between accumulate and apply there is no checkpoint (NN_ESTATE), and " : "", s, s, s, s);
}

static void declare_evolve(struct emit *e, struct text *t)
{
    text_add(
        t,
        "/* For the end of an epoch: rewires the sparse layers. Of each, the fraction zeta of the smallest positive and\n"
        " * of the largest negative weights goes, and as many grow at random in free places, as new ones start and\n"
        " * with the optimizer's state 0. Not between accumulate and apply (NN_ESTATE). */\n"
        "int %s_evolve(%s *m);\n",
        e->name, e->name);
}

static void declare_files(struct emit *e, struct text *t)
{
    struct arena *a = e->arena;
    const char *s = e->name, *error = arena_printf(a, "const char *%s_error(const %s *m);", s, s);
    if (e->constant) {
        declare_short(t, error, "the last failure in words");
        return;
    }
    declare_short(t, arena_printf(a, "int %s_save(const %s *m, const char *path);", s, s),
                  "safetensors: parameters and states");
    declare_short(t, arena_printf(a, "int %s_load(%s *m, const char *path);", s, s),
                  e->has_loss ? "by name and shape; gradients are cleared" : "by name and shape");
    declare_short(t, error, "the last failure in words");
    if (e->has_loss)
        declare_checkpoints(e, t);
    if (e->has_step)
        declare_short(t, arena_printf(a, "void %s_set_lr(%s *m, double lr);", s, s),
                      "from now on; negative: the model's own");
    if (has_evolve(e))
        declare_evolve(e, t);
    declare_short(t, arena_printf(a, "const nn_tensor *%s_tensors(%s *m, size_t *count);", s, s),
                  "every parameter and state");
    declare_short(t, arena_printf(a, "void %s_changed(%s *m);", s, s), "after writing parameters through it");
    if (e->has_loss)
        declare_short(t, arena_printf(a, "%s *%s_gradients(%s *m, size_t *count);", e->real, s, s),
                      "all gradients, contiguous");
    declare_short(t, arena_printf(a, "extern const nn_model %s_model;", s), "all of the above through one table");
}

/* Offsets in bytes of every variable within its segment: enumerators, and macros where C's enumerators, which are int, do
 * not reach. */
static void offsets(struct emit *e, struct text *enumerators, struct text *macros)
{
    for (int i = 0; i < e->m->vars; i++) {
        const struct var *v = e->m->var[i];
        if (v->role == ROLE_INPUT || v->role == ROLE_TARGET || v->role == ROLE_STEP || v->role == ROLE_FIRST)
            continue;
        if (e->constant && (v->role != ROLE_PREPARED || e->constant[v->index]))
            continue;
        long long offset = (v->role == ROLE_RANGE ? v->of : v)->offset;
        if (offset <= INT32_MAX)
            text_add(enumerators, "    %s = %lld,\n", e->var_id[v->index], offset);
        else
            text_add(macros, "#define %s %lld\n", e->var_id[v->index], offset);
    }
}

static bool goes_in_parts(const struct emit *e)
{
    for (int i = 0; i < e->graphs; i++)
        if (e->emitted[i]->part)
            return true;
    return false;
}

/* What the generated files compute with. It comes before the net's name is a type. */
static void internal_includes(struct emit *e, struct text *t)
{
    text_add(t, "#ifdef %s_INTERNAL\n", e->upper);
    runtime_include(e, t, "nn_core.h");
    runtime_include(e, t, "nn_schedule.h");
    if (e->m->sparse)
        runtime_include(e, t, "nn_sparse.h");
    text_puts(t, "#endif\n");
}

static void internal(struct emit *e, struct text *t)
{
    const char *s = e->name;
    text_add(t, "\n#ifdef %s_INTERNAL\n/* For the generated files alone. */\nstruct %s {\n", e->upper, s);
    text_puts(
        t,
        "    unsigned char *param, *state, *prepared, *grad, *optimizer, *arena;   /* NULL: not in this instance */\n"
        "    nn_progress progress;\n"
        "    uint64_t calls;             /* of infer and eval, for their random numbers */\n"
        "    int32_t step, bad;          /* steps applied; the first element out of range, from 1, or 0 */\n"
        "    int accumulated, stale;     /* calls since apply; prepared values are to be made again */\n"
        "    int owned;                  /* its memory was allocated by new */\n"
        "    char error[NN_ERROR_BYTES];\n");
    if (goes_in_parts(e))
        text_puts(
            t, "    unsigned char *total;       /* where a batch goes in parts: what is known of all its samples */\n"
               "    int32_t first;              /* the first sample of the part that runs */\n");
    if (!e->constant)
        text_add(t, "    nn_tensor tensor[%d];\n", e->tensors > 0 ? e->tensors : 1);
    text_puts(t, "#ifdef NN_PROFILE\n");
    text_add(t, "    nn_kernel_time infer_time[%d], train_time[%d];\n", profile_rows(e, GRAPH_INFER) + 1,
             profile_rows(e, GRAPH_TRAIN) + 1);
    text_puts(t, "#endif\n};\n\n");
    text_add(t, "enum { %s_HEADER_BYTES = %lld + %s_PROFILE_BYTES };\n", e->upper, (long long)e->header_bytes,
             e->upper);
    struct text o = text_make(e->arena), far = text_make(e->arena);
    offsets(e, &o, &far);
    if (o.length)
        text_add(t, "enum {      /* bytes from the start of a segment */\n%s};\n", text_string(&o));
    text_puts(t, text_string(&far));
    declare_weights(e, t);
    text_puts(t, "#define NN_AT(type, offset) ((type *)(void *)(m->arena + (offset)))\n");
    text_add(t, "void %s_prepare(%s *m);\n", s, s);
    if (e->o->infer)
        text_add(t, "extern const nn_kernel_info %s_infer_kernels[];\n", s);
    if (e->has_loss)
        text_add(t, "extern const nn_kernel_info %s_train_kernels[];\n", s);
    text_puts(t, "#endif\n");
}

void emit_header(struct emit *e, struct text *t)
{
    text_add(t, "/* %s.h: the model `%s`, compiled by netc. */\n#ifndef %s_H\n#define %s_H\n\n", e->name, e->name,
             e->upper, e->upper);
    runtime_names(e, t);
    runtime_include(e, t, "netrt.h");
    internal_includes(e, t);
    text_add(t, "\n#ifdef __cplusplus\n%s", name_of_cpp(e->name) ? "#error \"" : "");
    if (name_of_cpp(e->name))
        text_add(t, "'%s' is a word of C++: this model can be called from C alone\"\n", e->name);
    text_puts(t, "extern \"C\" {\n#endif\n\n");
    text_add(t, "typedef struct %s %s;\n\n", e->name, e->name);
    sizes(e, t);
    text_putc(t, '\n');
    declare_life(e, t);
    text_putc(t, '\n');
    shape_comment(e, t);
    declare_runs(e, t);
    text_putc(t, '\n');
    declare_files(e, t);
    text_puts(t, "\n#ifdef __cplusplus\n}\n#endif\n");
    internal(e, t);
    text_puts(t, "\n#endif\n");
}

void emit_app(struct emit *e, struct text *t)
{
    text_add(t, "/* %s_app.c: the program of the model `%s`; its body is the runtime's. */\n", e->name, e->name);
    runtime_features(e, t, RUNTIME_APP);
    text_add(t, "#include \"%s.h\"\n\n", e->name);
    runtime_zlib(e, t);
    text_add(
        t,
        "int main(int argc, char **argv)\n{\n#ifdef NN_NO_ZLIB\n    return nn_app_main_plain(&%s_model, argc, argv);\n"
        "#else\n    return nn_app_main(&%s_model, argc, argv);\n#endif\n}\n",
        e->name, e->name);
    runtime_app(e, t);
}

/* The head of a generated .c file. */
void emit_prologue(struct emit *e, struct text *t, const char *suffix, const char *what)
{
    text_add(t, "/* %s%s.c: %s. Compiled by netc from the model `%s`. */\n", e->name, suffix, what, e->name);
    if (!*suffix)
        runtime_features(e, t, RUNTIME_LIBRARY);
    if (e->m->f64)
        text_puts(t, "#define NN_DOUBLE\n");
    if (e->o->portable)
        text_puts(t, "#define NN_PORTABLE\n");
    text_add(t, "#define %s_INTERNAL\n#include \"%s.h\"\n", e->upper, e->name);
}
