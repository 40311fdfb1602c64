/* frontend/net.c: the way from a path to a module: files and imports, the constants of the command line, the net, and
 * its three graphs. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/elab.h"
#include "ir/base/files.h"

/* ---- files ---- */

struct file {
    const char *path;
    struct env *env; /* its constants and blocks; NULL while it is being read */
    struct file *next;
};

struct loader {
    struct elab *e;
    struct file *files;
    const struct ast **net;
    int nets;
    size_t capacity;
    bool *used;            /* by -D */
    const char **constant; /* names of all, for what -D misspells */
    int constants;
    size_t constant_capacity;
    int depth, status;
};

static void note_constant(struct loader *l, const char *constant)
{
    void *items = l->constant;
    arena_grow(l->e->arena, &items, &l->constant_capacity, (size_t)l->constants + 1, sizeof *l->constant);
    l->constant = items;
    l->constant[l->constants++] = constant;
}

/* What the command line says of a constant: the last -D of that name, or NULL. */
static const char *option_value(struct loader *l, const char *constant)
{
    const struct frontend_options *o = l->e->o;
    size_t n = strlen(constant);
    const char *value = NULL;
    for (int i = 0; i < o->ndefines; i++)
        if (!strncmp(o->defines[i], constant, n) && o->defines[i][n] == '=') {
            l->used[i] = true;
            value = o->defines[i] + n + 1;
        }
    return value;
}

bool is_literal(const struct ast *x)
{
    switch (x->kind) {
    case A_INT:
    case A_REAL:
    case A_STRING:
    case A_TRUE:
    case A_FALSE:
    case A_NONE: return true;
    case A_UNARY: return is_literal(x->a);
    case A_BINARY: return is_literal(x->a) && is_literal(x->b);
    case A_LIST:
        for (int i = 0; i < x->items; i++)
            if (!is_literal(x->item[i]))
                return false;
        return true;
    default: return false;
    }
}

/* VALUE of -D NAME=VALUE: what it is in a file, where that holds no names; else, as a bare word, a string. */
static struct val define_value(struct elab *e, const char *s, bool *bare)
{
    const char *text = arena_printf(e->arena, "const v = %s;", s);
    struct val v = v_poison();
    diag_hold(e->diag);
    const struct ast *file = parse_file(e->arena, e->names, e->diag, "-D", text);
    if (file && file->items == 1 && file->item[0]->kind == A_CONST && file->item[0]->items == 1 &&
        is_literal(file->item[0]->item[0]->a))
        v = eval(e, file->item[0]->item[0]->a);
    *bare = diag_release(e->diag) || v.kind == V_POISON;
    return *bare ? v_string(name(e->names, s)) : v;
}

static bool is_bare_word(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

/* The constant x as the command line has it. What it is in the model tells what may be meant: `none` is a word where
 * that is a string, a bare word is nothing where that is a number or a list, and true or false stays that. */
static struct val given_constant(struct loader *l, const struct ast *x, const char *value)
{
    struct elab *e = l->e;
    bool bare;
    struct val v = define_value(e, value, &bare);
    diag_hold(e->diag);
    struct val model = eval(e, x->a);
    diag_release(e->diag);
    if (model.kind == V_STRING && (v.kind == V_NONE || v.kind == V_BOOL))
        return v_string(name(e->names, value));
    struct place at = { "-D", 0, 0, 0 };
    bool number = is_number(&model) || model.kind == V_LIST || model.kind == V_BOOL;
    if (number && bare && !is_bare_word(value)) {
        diag_error_hint(e->diag, at, NULL, NULL, "a value is a number, true, false, none, a string, or a list of them",
                        *value ? "-D %s=%s: '%s' is no value" : "-D %s=%s: a value is missing behind '='", x->text,
                        value, value);
        l->status = 2;
        return v_poison();
    }
    bool wrong = model.kind == V_BOOL ? v.kind != V_BOOL : bare && (is_number(&model) || model.kind == V_LIST);
    if (!wrong)
        return v;
    diag_error(e->diag, at, "-D %s=%s: '%s' is %s in the model, and this is %s", x->text, value, x->text,
               describe(e, &model), describe(e, &v));
    l->status = 2;
    return v_poison();
}

static void add_constant(struct loader *l, const struct ast *x)
{
    struct elab *e = l->e;
    for (const struct binding *b = e->env->first; b; b = b->next)
        if (b->name == x->text) {
            error_at(e, x->at, "'%s' is defined twice", x->text);
            return;
        }
    const char *given = option_value(l, x->text);
    struct val v = given ? given_constant(l, x, given) : eval(e, x->a);
    if (v.kind == V_TENSOR)
        error_at(e, x->at, "a constant is a compile-time value, not a tensor");
    note_constant(l, x->text);
    bind(e, x->text, v);
}

static void add_block(struct loader *l, const struct ast *x, bool library)
{
    struct elab *e = l->e;
    for (const struct binding *b = e->env->first; b; b = b->next)
        if (b->name == x->text && b->v.kind == V_BLOCK)
            error_at(e, x->at, "block '%s' is defined twice", x->text);
    for (int i = 0; i < x->items; i++)
        for (int k = 0; k < i; k++)
            if (x->item[i]->text == x->item[k]->text)
                error_at(e, x->item[i]->at, "block '%s' has two arguments '%s'", x->text, x->item[i]->text);
    for (int i = 0; i < x->items; i++)
        if (x->item[i]->b)
            check_kind(e, x->item[i]->b);
    struct block *b = NEW(e->arena, struct block);
    *b = (struct block){ x, e->env, library };
    bind(e, x->text, (struct val){ .kind = V_BLOCK, .block = b });
}

static void add_net(struct loader *l, const struct ast *x)
{
    void *items = l->net;
    for (int i = 0; i < l->nets; i++)
        if (l->net[i]->text == x->text)
            error_at(l->e, x->at, "net '%s' is defined twice", x->text);
    arena_grow(l->e->arena, &items, &l->capacity, (size_t)l->nets + 1, sizeof *l->net);
    l->net = items;
    l->net[l->nets++] = x;
}

static struct env *load(struct loader *l, const char *path, const struct ast *import);

static const char *find_import(struct loader *l, const char *from, const char *wanted)
{
    struct elab *e = l->e;
    const char *why, *path = strchr(from, '/') ? path_join(e->arena, path_folder(e->arena, from), wanted) : wanted;
    size_t length;
    if (file_read(e->arena, path, &length, &why))
        return path;
    for (int i = 0; i < e->o->includes; i++) {
        const char *other = path_join(e->arena, e->o->include[i], wanted);
        if (file_read(e->arena, other, &length, &why))
            return other;
    }
    return path;
}

/* Its constants and blocks are seen as if they stood here. */
static void add_import(struct loader *l, const struct ast *x, const char *from)
{
    struct env *here = l->e->env, *env = load(l, find_import(l, from, x->text), x);
    l->e->env = here;
    if (!env)
        return;
    struct binding *list = NULL;
    for (const struct binding *b = env->first; b; b = b->next) {
        struct binding *copy = NEW(l->e->arena, struct binding);
        *copy = (struct binding){ .name = b->name, .v = b->v, .next = list };
        list = copy;
    }
    for (; list; list = list->next)
        bind(l->e, list->name, list->v);
}

static void add_top(struct loader *l, const struct ast *x, const char *path, bool library)
{
    switch (x->kind) {
    case A_IMPORT: add_import(l, x, path); break;
    case A_CONST:
        for (int i = 0; i < x->items; i++)
            add_constant(l, x->item[i]);
        break;
    case A_BLOCK: add_block(l, x, library); break;
    case A_NET: add_net(l, x); break;
    default: bug("no top-level item");
    }
}

static struct env *elaborate(struct loader *l, const struct ast *tree, const char *path, struct env *parent,
                             bool library)
{
    struct elab *e = l->e;
    struct env *env = env_new(e, parent);
    e->env = env;
    for (int i = 0; i < tree->items; i++)
        add_top(l, tree->item[i], path, library);
    return env;
}

static struct env *load_text(struct loader *l, const char *path, const char *text, struct file *f)
{
    struct elab *e = l->e;
    const struct ast *tree = parse_file(e->arena, e->names, e->diag, path, text);
    if (!tree)
        return NULL;
    struct env *env = elaborate(l, tree, path, e->library, false);
    f->env = env;
    return env;
}

enum { MAX_IMPORTS = 64 };

static struct env *load(struct loader *l, const char *path, const struct ast *import)
{
    struct elab *e = l->e;
    struct place at = import ? import->at : (struct place){ path, 0, 0, 0 };
    for (struct file *f = l->files; f; f = f->next)
        if (!strcmp(f->path, path)) {
            if (!f->env)
                error_at(e, at, "'%s' imports itself, by way of others or directly", path);
            return f->env;
        }
    if (l->depth == MAX_IMPORTS) {
        error_at(e, at, "imports are more than %d deep", MAX_IMPORTS);
        return NULL;
    }
    size_t length;
    const char *why, *text = file_read(e->arena, path, &length, &why);
    if (!text) {
        error_at(e, at, import ? "cannot read '%s': %s" : "cannot read it%.0s: %s", path, why);
        l->status = import ? 1 : 3;
        return NULL;
    }
    if (strlen(text) != length) {
        error_at(e, at, "'%s' holds a zero byte: it is no text", path);
        return NULL;
    }
    size_t mark = strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* of byte order: some editors write one */
    text += mark;
    struct file *f = NEW(e->arena, struct file);
    *f = (struct file){ path, NULL, l->files };
    l->files = f;
    diag_source(e->diag, path, text, length - mark);
    l->depth++;
    struct env *env = load_text(l, path, text, f);
    l->depth--;
    return env;
}

static bool load_library(struct loader *l)
{
    struct elab *e = l->e;
    diag_source(e->diag, library_file, frontend_prelude, strlen(frontend_prelude));
    const struct ast *tree = parse_file(e->arena, e->names, e->diag, library_file, frontend_prelude);
    if (!tree)
        return false;
    e->library = elaborate(l, tree, library_file, NULL, true);
    return true;
}

/* ---- the net ---- */

static const struct ast *choose_net(struct loader *l, const char *path)
{
    struct elab *e = l->e;
    struct place at = { path, 0, 0, 0 };
    const char **names = NEW_ARRAY(e->arena, l->nets + 1, const char *);
    struct text list = text_make(e->arena);
    for (int i = 0; i < l->nets; i++) {
        names[i] = l->net[i]->text;
        text_add(&list, "%s%s", i ? ", " : "", names[i]);
        if (e->o->net && !strcmp(names[i], e->o->net))
            return l->net[i];
    }
    if (l->nets == 1 && !e->o->net)
        return l->net[0];
    if (!l->nets) {
        error_at(e, (struct place){ path, 1, 1, 1 }, "there is no `net` in this file");
        return NULL;
    }
    l->status = 2;
    if (e->o->net)
        error_at(e, at, "no net is called '%s': there is %s", e->o->net, text_string(&list));
    else
        error_at(e, at, "there are several nets: choose one with --net (%s)", text_string(&list));
    return NULL;
}

static const struct binding *find_binding(const struct binding *first, const char *wanted)
{
    while (first && first->name != wanted)
        first = first->next;
    return first;
}

/* Where a setting of the training stands that a net binds to a name; NULL: the name is none of such a setting. */
static const char *setting_hint(struct elab *e, const char *name)
{
    const char *hint = foreign_setting(name);
    return hint ? hint : optimizer_setting(e, name);
}

/* A layer, or a number, text or list that looks like a setting of the training: others may wait for a branch that is not taken. */
static bool is_unread(struct elab *e, const struct binding *b)
{
    enum val_kind k = b->v.kind;
    bool plain = k == V_INT || k == V_REAL || k == V_STRING || k == V_LIST;
    return !b->read && (b->v.kind == V_LAYER || (plain && b->at.line && setting_hint(e, b->name)));
}

/* What the first evaluation did not read leaves the list when another one does. */
static void note_unread(struct elab *e, const struct binding *first)
{
    int kept = 0;
    if (e->mode == MODE_TRAIN) {
        e->unreads = 0;
        for (const struct binding *b = first; b; b = b->next)
            e->unreads += is_unread(e, b);
        e->unread = NEW_ARRAY(e->arena, e->unreads, const struct binding *);
        for (const struct binding *b = first; b; b = b->next)
            if (is_unread(e, b))
                e->unread[kept++] = b;
        return;
    }
    for (int i = 0; i < e->unreads; i++) {
        const struct binding *b = find_binding(first, e->unread[i]->name);
        if (!b || !b->read)
            e->unread[kept++] = e->unread[i];
    }
    e->unreads = kept;
}

static void warn_of_unread(struct elab *e)
{
    for (int i = e->unreads - 1; i >= 0; i--) {
        const struct binding *b = e->unread[i];
        if (strchr(b->name, '.'))
            continue;
        if (b->v.kind == V_LAYER)
            diag_warning(e->diag, b->v.layer->at, "nothing applies the layer '%s'", b->name);
        else
            diag_warning_hint(e->diag, b->at, setting_hint(e, b->name), "nothing reads '%s'", b->name);
    }
}

static void run_net(struct elab *e, const struct ast *net, enum mode mode, struct instance *root)
{
    static const enum graph_kind kinds[] = { GRAPH_TRAIN, GRAPH_EVAL, GRAPH_INFER };
    struct env *env = e->env;
    e->mode = mode;
    e->training = mode == MODE_TRAIN;
    e->graph = e->m->graph[kinds[mode]] = graph_new(e->m, kinds[mode]);
    e->env = env_new(e, env);
    e->instance = root;
    root->run++;
    root->counters = NULL;
    root->declared = NULL;
    e->in_net = true;
    e->batch_seen = false;
    e->batch_name = NULL;
    e->loss_count = 0;
    e->operations = e->iterations = 0;
    e->within = net->b;
    run_statements(e, net->b);
    e->within = NULL;
    if (e->loss_count) {
        e->at = net->at;
        struct value *sum = e->losses[0];
        struct build b = builder(e);
        for (int i = 1; i < e->loss_count; i++)
            sum = build_binary(&b, OP_add, sum, e->losses[i]);
        b.at = sum->def ? sum->def->at : net->at;
        build_effect(&b, OP_loss, sum, NULL);
    }
    note_unread(e, e->env->first);
    e->env = env;
}

/* Of the paths of parameters that can be meant, and of those that they lie under. */
static const char *nearest_path(struct elab *e, const char *word, bool trained)
{
    const char **path = NULL;
    size_t count = 0, capacity = 0;
    for (int i = 0; i < e->m->vars; i++) {
        const char *whole = e->m->var[i]->name;
        bool meant = e->m->var[i]->role == ROLE_PARAM || (e->m->var[i]->role == ROLE_FROZEN && !trained);
        for (size_t n = 1; meant && n <= strlen(whole); n++)
            if (!whole[n] || whole[n] == '.') {
                void *items = path;
                arena_grow(e->arena, &items, &capacity, count + 1, sizeof *path);
                path = items;
                path[count++] = arena_stringn(e->arena, whole, n);
            }
    }
    return diag_nearest(word, path, count);
}

static bool parameters_under(const struct elab *e, const char *path)
{
    size_t n = strlen(path);
    for (int i = 0; i < e->m->vars; i++)
        if (e->m->var[i]->role == ROLE_PARAM && !strncmp(e->m->var[i]->name, path, n) && e->m->var[i]->name[n] == '.')
            return true;
    return false;
}

void nothing_matches(struct elab *e, const struct pattern *p, const char *format)
{
    const char *near = nearest_path(e, p->glob, p->of);
    char text[200];
    if (p->of && parameters_under(e, p->glob))
        near = arena_printf(e->arena, "%s.*", p->glob);
    snprintf(text, sizeof text, format, p->glob);
    error_hint(e, p->at, NULL, p->glob, diag_meant(e->arena, near), "%s", text);
}

static void freeze(struct elab *e, const struct pattern *p)
{
    bool any = false;
    size_t n = strlen(p->glob);
    const char *under = name_printf(e->names, "%s.*", p->glob);
    for (int i = 0; i < e->m->vars; i++) {
        struct var *v = e->m->var[i];
        bool parameter = v->role == ROLE_PARAM || v->role == ROLE_FROZEN;
        if (!parameter)
            continue;
        if (!strncmp(v->name, p->glob, n) && (!v->name[n] || v->name[n] == '.'))
            any = true, v->role = ROLE_FROZEN;
        else if (glob_match(p->glob, v->name) || glob_match(under, v->name))
            any = true, v->role = ROLE_FROZEN;
    }
    if (!any)
        nothing_matches(e, p, "no parameter lies under '%.100s'");
}

static void freeze_all(struct elab *e)
{
    for (int i = 0; i < e->patterns; i++)
        if (!e->pattern[i].of)
            freeze(e, &e->pattern[i]);
}

static bool is_target(enum role role)
{
    return role == ROLE_TARGET;
}

static bool is_learnt(enum role role)
{
    return role != ROLE_TARGET && role != ROLE_INPUT;
}

static void forget(struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->results; i++)
            n->result[i]->id = 0;
}

/* Whether `v` is computed from such a variable; value->id: 0 not known yet (forget), 1 no, 2 yes. */
static bool comes_from(struct value *v, bool (*is)(enum role role), int depth)
{
    if (v->var)
        return is(v->var->role);
    if (!v->def || depth > 10000)
        return false;
    if (v->id != 1 && v->id != 2) {
        v->id = 1;
        for (int i = 0; i < v->def->operands && v->id == 1; i++)
            if (comes_from(operand(v->def, i), is, depth + 1))
                v->id = 2;
    }
    return v->id == 2;
}

/* Inference has no targets: what is checked of them goes. */
static void drop_target_checks(struct graph *g)
{
    forget(g);
    for (struct node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (n->op == OP_bound && comes_from(operand(n, 0), is_target, 0))
            node_remove(n);
    }
}

/* The target that v, which comes from one, is computed from, and the operation that reads it (NULL: v is the target). */
static const struct var *target_behind(struct value *v, const struct node **reader)
{
    for (*reader = NULL; !v->var;) {
        const struct node *n = *reader = v->def;
        int i = 0;
        while (!comes_from(operand(n, i), is_target, 0))
            i++;
        v = operand(n, i);
    }
    return v->var;
}

/* No output may need a target. */
static void check_outputs(struct elab *e, struct graph *g)
{
    for (struct node *n = g->first; n; n = n->next) {
        const struct node *reader;
        if (n->op != OP_output || !comes_from(operand(n, 0), is_target, 0))
            continue;
        const struct var *target = target_behind(operand(n, 0), &reader);
        bool elsewhere = reader && reader->at.line != n->at.line;
        if (elsewhere)
            diag_enter(e->diag, reader->at, arena_printf(e->arena, "target '%s' is read here", target->name));
        error_at(e, n->at, "output '%s' depends on target '%s', which inference does not have", attr_word(n, "name"),
                 target->name);
        if (elsewhere)
            diag_leave(e->diag);
    }
}

/* The target that is a label of so many classes, by what is checked of it; NULL where there is none or are several. */
static const struct var *target_of_classes(const struct module *m, int64_t classes)
{
    const struct var *found = NULL;
    for (const struct node *n = m->graph[GRAPH_TRAIN] ? m->graph[GRAPH_TRAIN]->first : NULL; n; n = n->next) {
        const struct value *v = n->op == OP_bound ? operand(n, 0) : NULL;
        while (v && v->def && (v->def->op == OP_cast || v->def->op == OP_reshape))
            v = operand(v->def, 0);
        if (!v || !v->var || v->var->role != ROLE_TARGET || attr_int(n, "low") || attr_int(n, "high") != classes)
            continue;
        if (found && found != v->var)
            return NULL;
        found = v->var;
    }
    return found;
}

/* An output that is the largest of as many learnt numbers as a label has classes holds numbers of that label. */
static void name_labels(const struct module *m)
{
    forget(m->graph[GRAPH_INFER]);
    for (struct node *n = m->graph[GRAPH_INFER]->first; n; n = n->next) {
        const struct node *of = n->op == OP_output ? operand(n, 0)->def : NULL;
        if (!of || of->op != OP_argmax || !comes_from(operand(of, 0), is_learnt, 0))
            continue;
        const struct dim classes = operand(of, 0)->type.dim[attr_int(of, "axis")];
        const struct var *label = classes.n ? NULL : target_of_classes(m, classes.k);
        for (int i = 0; i < n->attrs && label; i++)
            if (!strcmp(n->attr[i].name, "labels"))
                n->attr[i].word = label->name;
    }
}

static bool var_read(const struct module *m, const struct var *v)
{
    for (int k = 0; k < GRAPH_KINDS; k++)
        for (int i = 0; m->graph[k] && i < m->graph[k]->var_values; i++)
            if (m->graph[k]->var_value[i]->var == v && value_used(m->graph[k]->var_value[i]))
                return true;
    return false;
}

/* Metrics belong to evaluation, which a net without a loss does not have. */
static void warn_of_metrics(struct elab *e, const struct graph *eval)
{
    for (const struct node *n = eval->first; n; n = n->next)
        if (n->op == OP_metric)
            diag_warning(e->diag, n->at, "nothing computes the metric '%s': without a loss there is no evaluation",
                         attr_word(n, "name"));
}

/* A state is there for its updates too. */
static void warn_of_unread_var(struct elab *e, const struct var *v)
{
    bool given = v->role == ROLE_INPUT || v->role == ROLE_TARGET,
         made = v->role == ROLE_PARAM || v->role == ROLE_FROZEN;
    if ((given || made) && !var_read(e->m, v))
        diag_warning(e->diag, v->at, given ? "nothing needs the %s '%s'" : "nothing reads the %s '%s'",
                     v->role == ROLE_FROZEN ? "frozen param" : role_name(v->role), v->name);
}

static void check_module(struct elab *e, const struct ast *net)
{
    struct module *m = e->m;
    int inputs = 0, outputs = 0;
    bool loss = m->graph[GRAPH_TRAIN] != NULL;
    for (int i = 0; i < m->vars; i++) {
        inputs += m->var[i]->role == ROLE_INPUT;
        warn_of_unread_var(e, m->var[i]);
    }
    for (struct node *n = m->graph[GRAPH_INFER]->first; n; n = n->next)
        outputs += n->op == OP_output;
    if (!outputs && !loss)
        error_at(e, net->at, "net '%s' has neither an output nor a loss: there is nothing to compute", net->text);
    else if (!outputs && e->o->infer_only)
        error_at(e, net->at, "net '%s' has no output: there is nothing to infer (--mode infer)", net->text);
    if (!inputs)
        error_at(e, net->at, "net '%s' has no input: there is at least one", net->text);
    if (m->optimizer && !loss)
        error_at(e, m->optimizer->at, "an optimizer without a loss has nothing to do");
    else if (e->o->train_only && !loss)
        error_at(e, net->at, "net '%s' has no loss: there is nothing to train (--mode train)", net->text);
    if (loss)
        check_optimizers(e);
}

static bool build_graphs(struct elab *e, const struct ast *net)
{
    struct instance *root = NEW(e->arena, struct instance);
    root->path = "";
    root->own = net->text;
    run_net(e, net, MODE_TRAIN, root);
    bool loss = e->loss_count;
    run_net(e, net, MODE_EVAL, root); /* behind errors, too: metrics stand there alone */
    if (diag_errors(e->diag))
        return false;
    run_net(e, net, MODE_INFER, root);
    if (diag_errors(e->diag))
        return false;
    drop_target_checks(e->m->graph[GRAPH_INFER]);
    check_outputs(e, e->m->graph[GRAPH_INFER]);
    name_labels(e->m);
    freeze_all(e);
    warn_of_unread(e);
    if (!loss) {
        warn_of_metrics(e, e->m->graph[GRAPH_EVAL]);
        e->m->graph[GRAPH_TRAIN] = e->m->graph[GRAPH_EVAL] = NULL;
    }
    check_module(e, net);
    if (e->o->infer_only)
        e->m->graph[GRAPH_TRAIN] = e->m->graph[GRAPH_EVAL] = NULL;
    for (int i = 0; i < e->m->vars; i++)
        e->m->var[i]->data = NULL;
    return !diag_errors(e->diag);
}

/* What -D may set: the constants, where those are few enough to say, and how there is one. */
static const char *constants_there(struct loader *l, const char *given)
{
    enum { MOST = 12 };
    struct text t = text_make(l->e->arena);

    text_add(&t, "%s", !l->constants ? "it has none; " : l->constants <= MOST ? "its constants: " : "");
    for (int i = 0; i < l->constants && l->constants <= MOST; i++)
        text_add(&t, "%s%s", l->constant[i], i < l->constants - 1 ? ", " : "; ");
    text_add(&t, "one is declared before the nets: const %.*s = ...;", (int)strcspn(given, "="), given);
    return text_string(&t);
}

static bool is_batch_name(const struct ast *net, const char *word)
{
    for (int i = 0; i < net->b->items; i++)
        if (net->b->item[i]->kind == A_BATCH && !strcmp(net->b->item[i]->text, word))
            return true;
    return false;
}

static bool check_defines(struct loader *l, const struct ast *net)
{
    for (int i = 0; i < l->e->o->ndefines; i++) {
        if (l->used[i])
            continue;
        const char *given = l->e->o->defines[i], *word = arena_stringn(l->e->arena, given, strcspn(given, "="));
        const char *near = diag_nearest(word, l->constant, (size_t)l->constants);
        const char *form =
            !*word                 ? "a name is missing before '='"
            : strpbrk(word, " \t") ? "no blanks stand before '='"
            : is_batch_name(net, word)
                ? arena_printf(l->e->arena, "it is the batch dimension: --batch %s", given + strlen(word) + 1)
                : NULL;
        diag_error_hint(l->e->diag, (struct place){ "-D", 0, 0, 0 }, NULL, word,
                        form   ? form
                        : near ? diag_meant(l->e->arena, near)
                               : constants_there(l, given),
                        "-D %s sets no constant of the model", given);
        l->status = 2;
        return false;
    }
    return true;
}

struct module *frontend_load(struct arena *a, struct names *names, struct diag *d, const char *path,
                             const struct frontend_options *o, int *status)
{
    struct elab *e = NEW(a, struct elab);
    *e = (struct elab){ .arena = a, .names = names, .diag = d, .o = o };
    struct loader l = { .e = e, .status = 1, .used = NEW_ARRAY(a, o->ndefines + 1, bool) };
    struct instance nowhere = { .path = "" };
    e->instance = &nowhere;
    e->m = module_new(a, names, d, "constants", 1); /* what constants are evaluated in; tensors there are errors */
    e->m->speaker = "";
    e->graph = graph_new(e->m, GRAPH_TRAIN);
    e->m->graph[GRAPH_TRAIN] = e->graph;
    struct env *file = load_library(&l) ? load(&l, path, NULL) : NULL;
    const struct ast *net = file && !diag_errors(d) ? choose_net(&l, path) : NULL;
    if (net && check_defines(&l, net)) {
        e->m = module_new(a, names, d, net->text, o->batch ? o->batch : 1);
        e->m->f64 = o->f64;
        e->m->at = net->at;
        e->m->speaker = "";
        e->env = file;
        if (build_graphs(e, net)) {
            e->m->speaker = NULL;
            *status = 0;
            return e->m;
        }
    }
    *status = l.status;
    return NULL;
}
