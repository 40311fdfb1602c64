/* codegen/loop_pipeline.c: runs the loop passes of loops.def, and replaces expressions for them. */
#include "codegen/loop_pass.h"

#include <string.h>

#include "ir/loop_index.h"

static const struct loop_pass {
    const char *name, *what;
    int level;
    loop_pass_fn *run;
} passes[] = {
#define LOOP_PASS(name, level, what) { #name, what, level, loop_##name },
#include "codegen/loops.def"
#undef LOOP_PASS
};

enum { PASSES = sizeof passes / sizeof *passes };

static const struct loop_pass *find(const char *name, size_t length)
{
    for (int i = 0; i < PASSES; i++) {
        if (strlen(passes[i].name) == length && !strncmp(passes[i].name, name, length))
            return &passes[i];
    }
    return NULL;
}

/* Whether the name is in a list separated by commas. */
static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);

    while (list && *list) {
        size_t word = strcspn(list, ",");
        if (word == length && !strncmp(list, name, length))
            return true;
        list += word + (list[word] == ',');
    }
    return false;
}

static bool runs(const struct loop_pass *p, int level, const char *disable)
{
    return level >= p->level && !listed(disable, p->name);
}

bool loops_has(const char *name, int level, const char *disable)
{
    return runs(find(name, strlen(name)), level, disable);
}

void loops_run(struct lkernel *k, int level, const char *disable)
{
    for (int i = 0; i < PASSES; i++) {
        if (runs(&passes[i], level, disable))
            passes[i].run(k);
    }
}

void loops_only(struct lkernel *k, const char *list)
{
    while (list && *list) {
        size_t word = strcspn(list, ",");
        const struct loop_pass *pass = find(list, word);
        if (pass)
            pass->run(k);
        list += word + (list[word] == ',');
    }
}

void loops_print(struct text *t)
{
    text_puts(t, "lower               every group becomes a kernel of loops\n");
    for (int i = 0; i < PASSES; i++)
        text_add(t, "%-14s -O%d  %s\n", passes[i].name, passes[i].level, passes[i].what);
}

const char *const *loops_names(void)
{
    static const char *const names[] = {
        "lower",
#define LOOP_PASS(name, level, what) #name,
#include "codegen/loops.def"
#undef LOOP_PASS
        "loops",
        NULL,
    };

    return names;
}

bool loops_wanted(const char *list)
{
    for (const char *const *name = loops_names(); *name; name++) {
        if (listed(list, *name))
            return true;
    }
    return false;
}

/* Blanks and comments may stand before the first word. */
bool loops_text(const char *text)
{
    for (;;) {
        text += strspn(text, " \t\r\n");
        if (*text != '#')
            return !strncmp(text, "kernel ", 7);
        text += strcspn(text, "\n");
    }
}

/* --- replacing expressions ---------------------------------------------------------------------------------------- */

void rewrite_set(struct rewrite *r, const struct lx *x, struct lx *with)
{
    arena_grow(r->k->arena, (void **)&r->known, &r->capacity, (size_t)x->id + 1, sizeof *r->known);
    r->known[x->id] = with;
}

struct lx *rewrite_value(struct rewrite *r, struct lx *x)
{
    struct lx *arg[MAX_RANK], *y = x;
    bool changed = false;

    if ((size_t)x->id < r->capacity && r->known[x->id])
        return r->known[x->id];
    for (int i = 0; i < x->args; i++) {
        arg[i] = rewrite_value(r, x->arg[i]);
        changed |= arg[i] != x->arg[i];
    }
    if (changed) {
        struct lx like = *x;
        like.arg = arg;
        y = lx_make(r->k, &like);
    }
    y = r->rule ? r->rule(r, y) : y;
    rewrite_set(r, x, y);
    return y;
}

void rewrite_block(struct rewrite *r, struct lblock *b)
{
    for (struct ls *s = b->first; s; s = s->next) {
        for (int i = 0; s->kind == LS_STORE && i < s->buf->rank; i++)
            s->index[i] = rewrite_value(r, s->index[i]);
        if (s->kind == LS_LOOP) {
            s->begin = rewrite_value(r, s->begin);
            s->end = rewrite_value(r, s->end);
        }
        if (s->value)
            s->value = rewrite_value(r, s->value);
        rewrite_block(r, &s->body);
        rewrite_block(r, &s->other);
    }
}
