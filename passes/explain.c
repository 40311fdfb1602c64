/* passes/explain.c: --explain, what a pass changed, told in lines of the model.
 *
 *     fuse: groups: one kernel for what can share a loop
 *       infer
 *         lenet.net:8  5 operations
 *           into %3: slice, 2 broadcast, add, max
 *
 * It looks at each graph before and after the pass and compares: operations are counted line by line; groups, moves and
 * places of values are told by identity. Values are named as in the dump after the pass. */
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "passes/shared.h"

/* An operation as it stood. */
struct seen {
    const struct node *group; /* the group around it, or NULL */
    enum op op;
    struct place at;
    bool unread;
};

/* Something that is followed by identity: a group, a place in the order of a graph, an offset in the arena. */
struct item {
    const void *what;
    const char *name;
    struct place at;
    int64_t number;
};

struct items {
    struct item *item;
    int count;
    size_t capacity;
};

struct scene {
    struct seen *op;
    int ops;
    size_t capacity;
    struct items groups, order, places;
};

struct explain {
    struct arena *arena;
    const char *passes;
    struct text *to;
    struct scene scene[GRAPH_KINDS];
    int roles[ROLES]; /* variables of each */
    const char *told; /* the passes that have run, separated by commas */
};

/* ---- what stands there ---- */

static void add_item(struct explain *x, struct items *list, struct item new)
{
    void *items = list->item;
    arena_grow(x->arena, &items, &list->capacity, (size_t)list->count + 1, sizeof new);
    list->item = items;
    list->item[list->count++] = new;
}

static const struct item *find_item(const struct items *list, const void *what)
{
    for (int i = 0; i < list->count; i++)
        if (list->item[i].what == what)
            return &list->item[i];
    return NULL;
}

/* By its first result, or by what it does to the outside: "accumulate @grad/fc1.weight". */
static const char *name_of(struct arena *a, const struct node *n)
{
    if (n->results)
        return n->result[0]->data;
    for (const struct node *b = n->op == OP_fused ? n->body[0]->first : NULL; b; b = b->next)
        if (op_is(b->op, EFFECT) && b->operands)
            return arena_printf(a, "%s %s", op_info(b->op)->name, (const char *)operand(b, 0)->data);
    return op_info(n->op)->name;
}

/* Whether nothing that has an effect depends on it; its users come later and are marked already, in node->id. */
static bool is_unread(const struct node *n)
{
    for (int i = 0; i < n->results; i++)
        for (const struct use *u = n->result[i]->uses; u; u = u->next)
            if (u->user == n->graph->yield_node || u->user->id)
                return false;
    return !node_has_effect(n);
}

static void see_places(struct explain *x, struct scene *s, struct value *const *value, int count, struct place at)
{
    for (int i = 0; i < count; i++)
        if (value[i]->offset >= 0)
            add_item(x, &s->places, (struct item){ value[i], value[i]->data, at, value[i]->offset });
}

static void see_operation(struct explain *x, struct scene *s, const struct node *n, const struct node *group)
{
    void *items = s->op;
    arena_grow(x->arena, &items, &s->capacity, (size_t)s->ops + 1, sizeof *s->op);
    s->op = items;
    s->op[s->ops++] = (struct seen){ group, n->op, n->at, !n->id };
}

/* A group counts as what is in it; a scan as itself and what is in it. */
static void see_graph(struct explain *x, struct scene *s, const struct graph *g, const struct node *group)
{
    for (struct node *n = g->last; n; n = n->previous)
        n->id = !is_unread(n);
    for (const struct node *n = g->first; n; n = n->next) {
        see_places(x, s, n->result, n->results, n->at);
        if (g->kind != GRAPH_BODY)
            add_item(x, &s->order, (struct item){ n, name_of(x->arena, n), n->at, s->order.count });
        if (n->op == OP_fused)
            add_item(x, &s->groups, (struct item){ n, name_of(x->arena, n), n->at, 0 });
        else
            see_operation(x, s, n, group);
        for (int i = 0; i < n->bodies; i++) {
            see_places(x, s, n->body[i]->param, n->body[i]->params, n->at);
            see_graph(x, s, n->body[i], n->op == OP_fused ? n : group);
        }
    }
}

static struct scene scene_of(struct explain *x, const struct graph *g)
{
    struct scene s = { 0 };
    if (!g)
        return s;
    spell_values(g);
    see_graph(x, &s, g, NULL);
    return s;
}

/* ---- lines ---- */

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->line <= 0 || y->line <= 0 || !x->file || !y->file) /* what has no line comes last */
        return (y->line > 0 && y->file) - (x->line > 0 && x->file);
    int files = strcmp(x->file, y->file);
    return files ? files : (x->line > y->line) - (x->line < y->line);
}

static bool same_line(struct place a, struct place b)
{
    return !compare_places(&a, &b);
}

/* The lines that any operation of the two came from, each once, in order. */
static struct place *lines_of(struct explain *x, const struct scene *before, const struct scene *after, int *count)
{
    const struct scene *both[] = { before, after };
    struct place *line = NEW_ARRAY(x->arena, before->ops + after->ops + after->order.count + 1, struct place);
    int n = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < both[k]->ops; i++)
            line[n++] = both[k]->op[i].at;
    for (int i = 0; i < after->order.count; i++)
        line[n++] = after->order.item[i].at;
    qsort(line, (size_t)n, sizeof *line, compare_places);
    *count = 0;
    for (int i = 0; i < n; i++)
        if (!*count || !same_line(line[*count - 1], line[i]))
            line[(*count)++] = line[i];
    return line;
}

/* ---- what changed ---- */

/* How many operations of each kind came from a line; of a group alone, or of those that are read by nothing alone. */
struct tally {
    int of[OP_COUNT], all;
};

static struct tally tally(const struct scene *s, struct place line, const struct node *group, bool unread)
{
    struct tally t = { .all = 0 };
    for (int i = 0; i < s->ops; i++) {
        const struct seen *o = &s->op[i];
        if (!same_line(o->at, line) || (group && o->group != group) || (unread && !o->unread))
            continue;
        t.of[o->op]++;
        t.all++;
    }
    return t;
}

/* "    into %3: slice, 2 broadcast": what `more` has beyond `less`; nothing where that is nothing. */
static void put_more(struct text *t, const char *what, const char *name, const struct tally *more,
                     const struct tally *less)
{
    const char *before = NULL;
    for (int op = 0; op < OP_COUNT; op++) {
        int count = more->of[op] - (less ? less->of[op] : 0);
        if (count <= 0)
            continue;
        if (!before)
            text_add(t, "      %s%s:", what, name);
        text_puts(t, before ? before : "");
        before = ",";
        text_add(t, count > 1 ? " %d %s" : " %.0d%s", count > 1 ? count : 0, op_info((enum op)op)->name);
    }
    if (before)
        text_putc(t, '\n');
}

/* Groups that were not there before. */
static void put_groups(struct text *t, const struct scene *before, const struct scene *after, struct place line)
{
    for (int i = 0; i < after->groups.count; i++) {
        const struct item *g = &after->groups.item[i];
        if (find_item(&before->groups, g->what))
            continue;
        struct tally inside = tally(after, line, g->what, false);
        put_more(t, "into ", g->name, &inside, NULL);
    }
}

static void put_places(struct text *t, const struct scene *before, const struct scene *after, struct place line)
{
    const char *separator = "      placed: ";
    for (int i = 0; i < after->places.count; i++) {
        const struct item *v = &after->places.item[i], *old = find_item(&before->places, v->what);
        if (!same_line(v->at, line) || (old && old->number == v->number))
            continue;
        text_add(t, "%s%s at %lld", separator, v->name, (long long)v->number);
        separator = ", ";
    }
    text_puts(t, *separator == ',' ? "\n" : "");
}

/* Which of the operations that stood there before have to move to give the order after: all but a longest run of them
 * that kept its order. moved[i]: after->item[i] did. */
static bool *find_moves(struct explain *x, const struct items *before, const struct items *after)
{
    int n = after->count, last = -1;
    int *longest = NEW_ARRAY(x->arena, n + 1, int), *from = NEW_ARRAY(x->arena, n + 1, int);
    const struct item **old = NEW_ARRAY(x->arena, n + 1, const struct item *);
    bool *moved = NEW_ARRAY(x->arena, n + 1, bool);
    for (int i = 0; i < n; i++) {
        old[i] = find_item(before, after->item[i].what);
        moved[i] = old[i] != NULL;
        longest[i] = 1;
        from[i] = -1;
        for (int k = 0; k < i && old[i]; k++)
            if (old[k] && old[k]->number < old[i]->number && longest[k] >= longest[i]) {
                longest[i] = longest[k] + 1;
                from[i] = k;
            }
        if (old[i] && (last < 0 || longest[i] > longest[last]))
            last = i;
    }
    for (; last >= 0; last = from[last])
        moved[last] = false;
    return moved;
}

static void put_moves(struct text *t, const struct scene *before, const struct scene *after, struct place line,
                      const bool *moved)
{
    const char *separator = "      moved: ";
    for (int i = 0; i < after->order.count; i++) {
        const struct item *n = &after->order.item[i];
        if (!moved[i] || !same_line(n->at, line))
            continue;
        text_add(t, "%s%s from %lld to %d", separator, n->name,
                 (long long)find_item(&before->order, n->what)->number + 1, i + 1);
        separator = ", ";
    }
    text_puts(t, *separator == ',' ? "\n" : "");
}

/* ---- telling ---- */

static void put_line_name(struct text *t, struct place line)
{
    if (line.line > 0 && line.file)
        text_add(t, "    %s:%d", line.file, line.line);
    else
        text_puts(t, "    no line of the model");
}

/* What became of one line; nothing where nothing did. */
static void explain_line(struct explain *x, struct text *t, const struct scene *before, const struct scene *after,
                         struct place line, const bool *moved)
{
    struct tally old = tally(before, line, NULL, false), new = tally(after, line, NULL, false);
    struct tally old_unread = tally(before, line, NULL, true), new_unread = tally(after, line, NULL, true);
    struct text body = text_make(x->arena);
    put_more(&body, "gone", "", &old, &new);
    put_more(&body, "new", "", &new, &old);
    put_more(&body, "read by nothing now", "", &new_unread, &old_unread);
    put_groups(&body, before, after, line);
    put_moves(&body, before, after, line, moved);
    put_places(&body, before, after, line);
    if (!body.length)
        return;
    put_line_name(t, line);
    if (old.all != new.all)
        text_add(t, "  %d -> %d operations\n", old.all, new.all);
    else
        text_add(t, "  %d operation%s\n", new.all, new.all == 1 ? "" : "s");
    text_puts(t, text_string(&body));
}

static void explain_graph(struct explain *x, const struct graph *g, const struct scene *before,
                          const struct scene *after)
{
    struct text t = text_make(x->arena);
    int count;
    const struct place *line = lines_of(x, before, after, &count);
    const bool *moved = find_moves(x, &before->order, &after->order);
    for (int i = 0; i < count; i++)
        explain_line(x, &t, before, after, line[i], moved);
    if (!t.length)
        return;
    text_add(x->to, "  %s", graph_name(g->kind));
    if (g->arena_bytes >= 0)
        text_add(x->to, " (arena %lld bytes, at least %lld)", (long long)g->arena_bytes, (long long)g->lower_bound);
    text_add(x->to, "\n%s", text_string(&t));
}

static void count_roles(const struct module *m, int *roles)
{
    memset(roles, 0, sizeof(int) * ROLES);
    for (int i = 0; i < m->vars; i++)
        roles[m->var[i]->role]++;
}

static void explain_variables(struct explain *x, const int *now)
{
    const char *separator = "  new variables:";
    for (int r = 0; r < ROLES; r++)
        if (now[r] > x->roles[r]) {
            text_add(x->to, "%s %d %s", separator, now[r] - x->roles[r], role_name((enum role)r));
            separator = ",";
        }
    text_puts(x->to, *separator == ',' ? "\n" : "");
}

struct explain *explain_new(struct arena *a, const char *passes, struct text *to)
{
    struct explain *x = NEW(a, struct explain);
    *x = (struct explain){ .arena = a, .passes = passes, .to = to, .told = "" };
    return x;
}

void explain_pass(void *context, struct module *m, const char *pass, const char *what)
{
    struct explain *x = context;
    bool asked = pass && list_has(x->passes, pass);
    int roles[ROLES];
    count_roles(m, roles);
    size_t head = 0;
    if (asked) {
        text_add(x->to, "%s: %s\n", pass, what);
        head = x->to->length;
        x->told = arena_printf(x->arena, "%s,%s", x->told, pass);
    }
    for (int k = 0; k < GRAPH_KINDS; k++) {
        struct scene now = scene_of(x, m->graph[k]);
        if (asked && m->graph[k])
            explain_graph(x, m->graph[k], &x->scene[k], &now);
        x->scene[k] = now;
    }
    if (asked)
        explain_variables(x, roles);
    if (asked && x->to->length == head)
        text_puts(x->to, "  changes no operation\n");
    memcpy(x->roles, roles, sizeof roles);
}

void explain_end(struct explain *x)
{
    const char *list = x->passes;
    size_t length;
    for (const char *at; (at = next_name(&list, &length));) {
        const char *pass = arena_stringn(x->arena, at, length);
        if (!list_has(x->told, pass))
            text_add(x->to, "%s: does not run\n", pass);
    }
}
