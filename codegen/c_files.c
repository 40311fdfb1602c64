/* codegen/c_files.c: all files that --emit asks for, as a list that is written at once. */
#include <string.h>

#include "codegen/c_emit.h"

bool emit_wanted(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (*list) {
        size_t next = strcspn(list, ",");
        if (next == length && !strncmp(list, word, next))
            return true;
        list += next + (list[next] == ',');
    }
    return false;
}

static bool wanted(const struct emit *e, const char *what)
{
    return emit_wanted(e->o->emit, what);
}

static void add_file(struct emit *e, const char *suffix, void (*write)(struct emit *, struct text *))
{
    struct text t = text_make(e->arena);
    write(e, &t);
    e->files[e->file_count++] =
        (struct file_out){ path_join(e->arena, e->o->folder, arena_printf(e->arena, "%s%s", e->name, suffix)),
                           text_string(&t), t.length };
}

static void emit_ir(struct emit *e, struct text *t)
{
    print_module(t, e->m);
}

/* The graphs that this mode has, in order of their kinds. */
static void find_graphs(struct emit *e)
{
    bool train = e->o->train && e->m->graph[GRAPH_TRAIN];
    const bool asked[GRAPH_KINDS] = { [GRAPH_INFER] = e->o->infer, [GRAPH_INFER_TOTALS] = e->o->infer,
                                      [GRAPH_PREPARE] = true,      [GRAPH_APPLY] = train,
                                      [GRAPH_TRAIN] = train,       [GRAPH_TOTALS] = train,
                                      [GRAPH_EVAL] = train,        [GRAPH_EVAL_TOTALS] = train };
    for (int k = 0; k < GRAPH_KINDS; k++)
        if (asked[k] && e->m->graph[k])
            e->emitted[e->graphs++] = e->m->graph[k];
}

static bool emit_graphs(struct emit *e)
{
    bool ok = true;

    e->lowering = arena_new();
    e->shared = names_new(e->arena);
    for (int i = 0; i < e->graphs && ok; i++)
        ok = emit_graph(e, e->emitted[i]);
    for (int i = 0; i < e->graphs && ok; i++)
        emit_runs(e, e->emitted[i]->kind);
    arena_free(e->lowering);
    return ok;
}

/* Options that say something this model or this compiler cannot do. */
static bool check_options(struct emit *e)
{
    struct place at = e->m->at;
    const char *reserved = name_reserved(e->m->name);
    if (reserved) {
        diag_error(e->m->diag, at, "a net cannot be called '%s': it is %s, and names the C that comes out", e->m->name,
                   reserved);
        return false;
    }
    if (!e->o->infer && !e->m->graph[GRAPH_TRAIN]) {
        diag_error(e->m->diag, at, "net '%s' has no loss: there is nothing to train (--mode train)", e->m->name);
        return false;
    }
    return true;
}

/* -v: what each graph costs. */
static void log_graphs(struct emit *e)
{
    int64_t parameters = 0;
    for (int i = 0; i < e->m->vars; i++)
        if (e->m->var[i]->role == ROLE_PARAM || e->m->var[i]->role == ROLE_FROZEN)
            parameters += type_count(e->m->var[i]->type, e->m->batch);
    text_add(e->o->log, "%-10s %lld parameters", e->name, (long long)parameters);
    if (e->o->infer)
        text_add(e->o->log, ", %lld bytes an instance that infers", (long long)e->infer_bytes);
    if (e->has_loss)
        text_add(e->o->log, ", %lld bytes an instance that trains", (long long)e->train_bytes);
    text_puts(e->o->log, "\n");
    for (int k = 0; k < GRAPH_KINDS; k++) {
        const struct graph *g = e->m->graph[k];
        if (!g || !e->graph[k].count)
            continue;
        double bytes = 0;
        for (const struct kernel_row *r = e->graph[k].rows; r; r = r->next)
            bytes += r->bytes;
        text_add(
            e->o->log,
            "%-10s %4d kernels, %.0f multiply-adds, %.0f bytes read and written, arena %lld bytes (at least %lld)\n",
            graph_name(g->kind), e->graph[k].count, e->graph[k].macs, bytes, (long long)g->arena_bytes,
            (long long)g->lower_bound);
        if (g->part)
            text_add(e->o->log, "%-10s a batch goes in %lld part%s of at most %lld samples\n", graph_name(g->kind),
                     (long long)graph_parts(g), graph_parts(g) == 1 ? "" : "s", (long long)g->part);
        if (k == GRAPH_TRAIN)
            log_kept(e, g);
    }
}

/* Whether this line defines something called so: static void k3_conv(...), or } tensor_rows[] = {. */
static bool defines(const char *line, const char *name)
{
    size_t length = strcspn(line, "\n"), word = strlen(name);
    if (strncmp(line, "static ", 7) && strncmp(line, "} ", 2))
        return false;
    for (size_t i = 1; i + word < length; i++)
        if (strchr(" *", line[i - 1]) && !strncmp(line + i, name, word) && strchr("([", line[i + word]))
            return true;
    return false;
}

/* False where the C has something else that is called as the net is. What stands behind a #define of the name, the
 * runtime's, is spelt otherwise. */
static bool name_is_free(const struct emit *e)
{
    const char *aside = arena_printf(e->arena, "#define %s ", e->name);
    for (size_t i = 0; i < e->file_count; i++)
        for (const char *line = e->files[i].data; *line && strncmp(line, aside, strlen(aside));
             line += strcspn(line, "\n"), line += *line == '\n') {
            if (!defines(line, e->name))
                continue;
            diag_error(e->m->diag, e->m->at,
                       "a net cannot be called '%s': the C that comes out calls something else so", e->name);
            return false;
        }
    return true;
}

static void add_c(struct emit *e)
{
    add_file(e, ".h", emit_header);
    add_file(e, ".c", emit_model);
    if (e->o->infer)
        add_file(e, "_infer.c", emit_infer);
    if (e->has_loss)
        add_file(e, "_train.c", emit_train);
}

/* The page shows the C, which is written itself only where that was asked for. */
static void add_page(struct emit *e, bool keep_c)
{
    add_file(e, ".html", emit_html);
    if (!keep_c) {
        e->files[0] = e->files[e->file_count - 1];
        e->file_count = 1;
    }
}

bool emit_module(struct module *m, const struct emit_options *o, struct file_out **files, size_t *count)
{
    struct emit *e = NEW(m->arena, struct emit);
    *e = (struct emit){ .m = m, .o = o, .arena = m->arena };
    e->files = NEW_ARRAY(m->arena, 12, struct file_out);
    e->name = m->name;
    if (!check_options(e))
        return false;
    layout_module(e);
    find_graphs(e);
    if (!emit_graphs(e))
        return false;
    if (o->log)
        log_graphs(e);
    bool c = wanted(e, "c") || wanted(e, "app"), html = wanted(e, "html");
    if (c || html)
        add_c(e);
    if (!name_is_free(e))
        return false;
    if (html)
        add_page(e, c);
    if (wanted(e, "app"))
        add_file(e, "_app.c", emit_app);
    if (wanted(e, "ir"))
        add_file(e, ".ir", emit_ir);
    if (wanted(e, "dot"))
        add_file(e, ".dot", emit_dot);
    if (wanted(e, "json"))
        add_file(e, ".json", emit_json);
    *files = e->files;
    *count = e->file_count;
    return true;
}
