/* codegen/c_shared.c: loops that kernels of a file have in common are functions which all of them call. Kernels of layers of one
 * shape differ in what is read and in what becomes of the result, seldom in what is between:
 *
 *     for (int t = 0; t < used; t++) {                  k9_winograd_t(used, image, v);
 *         ...                                      =>   k9_winograd_i3(used, u, v, m);
 *     }
 *     for (int i3 = 0; i3 < 6; i3++)
 *         ...
 *
 * A stage is a loop beside another one. Whether a second kernel has it is known behind the last kernel; until then its text
 * stands between marks, with what the function would be called, and take:
 *
 *     MARK number END kind END name END given END head END text MARK_END
 *
 * The number tells what a stage does: it is that of its text with all names replaced. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/c_kernel.h"
#include "codegen/loop_work.h"
#include "codegen/codegen.h"

enum { MARK = 1, END = 2, MARK_END = 3, KERNEL = 4 };

/* ---- marks ---- */

struct stage {
    size_t number;
    struct part {
        const char *s;
        size_t length;
    } kind, name, given, head, body;
};

/* Gives where it goes on behind s, up to `end`. */
static const char *take_part(const char *s, char end, struct part *p)
{
    *p = (struct part){ s, strcspn(s, (char[]){ end, '\0' }) };
    return s + p->length + 1;
}

/* A body ends where as many stages have ended as have begun. */
static const char *take_stage(const char *s, struct stage *stage)
{
    int within = 1;

    stage->number = (size_t)strtoull(s + 1, NULL, 10);
    s = take_part(strchr(s, END) + 1, END, &stage->kind);
    s = take_part(s, END, &stage->name);
    s = take_part(s, END, &stage->given);
    s = take_part(s, END, &stage->head);
    stage->body.s = s;
    for (; within; s++)
        within += *s == MARK ? 1 : *s == MARK_END ? -1 : 0;
    stage->body.length = (size_t)(s - 1 - stage->body.s);
    return s;
}

/* ---- words ---- */

struct names *c_number_names(const struct lkernel *k)
{
    struct names *words = names_new(k->arena);

    for (int i = 0; i < k->names_given; i++)
        name(words, k->used[i].name);
    return words;
}

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t word_length(const char *s)
{
    size_t n = 0;

    while (in_word(s[n]))
        n++;
    return n;
}

/* Which of the kernel's names a word is; NULL: none. */
static int *place_of(const struct c_kernel *c, struct c_words *w, const char *s, size_t length)
{
    if (!length || isdigit((unsigned char)*s) || !strncmp(s, "nn_", 3))
        return NULL;
    size_t number = name_number(c->words, namen(c->words, s, length));

    return number < (size_t)c->k->names_given ? &w->as[number] : NULL;
}

static void read_words(const struct c_kernel *c, struct c_words *w, const char *s, const char *end)
{
    while (s < end) {
        if (*s == MARK) {
            struct stage stage;
            s = take_stage(s, &stage);
            text_add(&w->alike, "$%zu", stage.number);
            read_words(c, w, stage.given.s, stage.given.s + stage.given.length);
            continue;
        }
        size_t length = word_length(s);
        int *as = place_of(c, w, s, length);
        if (as && !*as)
            *as = ++w->count;
        if (as)
            text_add(&w->alike, "$%d", *as);
        else if (*s != ' ' || (w->alike.length && w->alike.s[w->alike.length - 1] != '\n'))
            text_putn(&w->alike, s, length ? length : 1);
        s += length ? length : 1;
    }
}

struct c_words c_words(const struct c_kernel *c, const struct text *t)
{
    struct c_words w = { NEW_ARRAY(c->k->arena, c->k->names_given + 1, int), 0, text_make(c->k->arena) };

    read_words(c, &w, text_string(t), text_string(t) + t->length);
    return w;
}

bool c_has_word(const struct c_kernel *c, const struct c_words *w, const char *name)
{
    size_t number = name_number(c->words, name);

    return number < (size_t)c->k->names_given && w->as[number];
}

/* ---- in a kernel ---- */

enum { LEAST = 10 }; /* statements of a stage */

static int statements(const struct lblock *b)
{
    int count = 0;

    for (const struct ls *s = b->first; s; s = s->next)
        count += 1 + statements(&s->body) + statements(&s->other);
    return count;
}

/* Loops of which the function at hand has its part. */
static bool has_parts(const struct lblock *b)
{
    for (const struct ls *s = b->first; s; s = s->next)
        if (s->way == WAY_PART || has_parts(&s->body) || has_parts(&s->other))
            return true;
    return false;
}

bool c_may_share(const struct c_kernel *c, const struct lblock *b, const struct ls *loop)
{
    int loops = 0;

    if (!c->shared || c->lanes || c->busy || loop->way != WAY_PLAIN)
        return false;
    for (const struct ls *s = b->first; s; s = s->next)
        loops += s->kind == LS_LOOP;
    return loops > 1 && statements(&loop->body) >= LEAST && !c_needs_run(&loop->body) &&
           !block_in_threads(&loop->body) && !has_parts(&loop->body);
}

void c_shared_loop(struct c_kernel *c, const struct ls *loop)
{
    struct arena *arena = c->k->arena;
    struct text body = text_make(arena), head = text_make(arena), given = text_make(arena);
    const char *name = arena_printf(arena, "%s_%s", c->k->name, loop->var->name);
    const char *kind = arena_printf(arena, "static NN_PART %svoid ", c_tight(&loop->body));
    struct c_kernel stage = *c;

    stage.t = &body;
    stage.uses_n = false;
    stage.uses_param = 0;
    c_loop(&stage, loop);
    struct c_words words = c_words(c, &body);
    struct passed p = { .words = &words, .parameters = &head, .given = &given, .column = strlen(kind) + strlen(name) };
    if (!c_pass(&p, c, &stage, loop) || !head.length) {
        text_puts(c->t, text_string(&body));
        return;
    }
    const char *parameters = text_string(&head) + strspn(text_string(&head), ",\n ");
    struct text whole = text_make(arena);
    text_add(&whole, "(%s)\n{\n", parameters);
    c_bound(&whole, &stage, &loop->body);
    read_words(c, &words, text_string(&whole), text_string(&whole) + whole.length);
    text_puts(&words.alike, kind);
    text_add(c->t, "%c%zu%c%s%c%s%c%s%c%s%c", MARK, name_number(c->shared, text_string(&words.alike)), END, kind, END,
             name, END, text_string(&given) + 2, END, text_string(&whole), END);
    text_putn(c->t, text_string(&body), body.length);
    text_putc(c->t, MARK_END);
}

/* ---- in a file ---- */

void c_begin_kernel(struct text *t)
{
    text_putc(t, KERNEL);
}

struct sharing {
    struct text *out;
    int *uses;          /* by number */
    struct part *named; /* where there are several */
};

/* What is within a stage that is there already is not there again. */
static void count_uses(struct sharing *x, struct part p)
{
    const char *end = p.s + p.length;

    for (const char *s = memchr(p.s, MARK, p.length); s; s = memchr(s, MARK, (size_t)(end - s))) {
        struct stage stage;
        s = take_stage(s, &stage);
        if (!x->uses[stage.number]++)
            count_uses(x, stage.body);
    }
}

static void expand(struct sharing *x, struct text *to, struct part p);

static void put_part(struct text *t, struct part p)
{
    text_putn(t, p.s, p.length);
}

static size_t indentation(const char *s)
{
    return strspn(s, " ");
}

/* The function, at a function's indentation. */
static void define(struct sharing *x, const struct stage *stage)
{
    struct text body = text_make(x->out->arena);
    size_t deep = indentation(stage->body.s) - 4;

    expand(x, &body, stage->body);
    x->named[stage->number] = stage->name;
    text_putc(x->out, '\n');
    put_part(x->out, stage->kind);
    put_part(x->out, stage->name);
    put_part(x->out, stage->head);
    for (const char *line = text_string(&body); *line;) {
        size_t length = strcspn(line, "\n") + 1, blank = *line == ' ' ? deep : 0;
        text_putn(x->out, line + blank, length - blank);
        line += length;
    }
    text_puts(x->out, "}\n");
}

static void call_stage(struct sharing *x, struct text *to, const struct stage *stage)
{
    if (!x->named[stage->number].s)
        define(x, stage);
    text_putn(to, stage->body.s, indentation(stage->body.s));
    put_part(to, x->named[stage->number]);
    text_putc(to, '(');
    put_part(to, stage->given);
    text_puts(to, ");\n");
}

static void expand(struct sharing *x, struct text *to, struct part p)
{
    const char *s = p.s, *end = p.s + p.length;

    for (const char *mark; (mark = memchr(s, MARK, (size_t)(end - s)));) {
        struct stage stage;
        text_putn(to, s, (size_t)(mark - s));
        s = take_stage(mark, &stage);
        if (x->uses[stage.number] > 1)
            call_stage(x, to, &stage);
        else
            expand(x, to, stage.body);
    }
    text_putn(to, s, (size_t)(end - s));
}

/* Before each kernel, which begins at a mark, stands what it is the first to call. */
static void expand_kernels(struct sharing *x, const char *s)
{
    while (*s) {
        struct text kernel = text_make(x->out->arena);
        struct part p;
        s += *s == KERNEL;
        p = (struct part){ s, strcspn(s, (char[]){ KERNEL, '\0' }) };
        expand(x, &kernel, p);
        text_puts(x->out, text_string(&kernel));
        s += p.length;
    }
}

void c_kernels(struct text *to, const char *const *kernels, int count, const struct names *shared)
{
    struct sharing x = { to, NEW_ARRAY(to->arena, names_count(shared) + 1, int),
                         NEW_ARRAY(to->arena, names_count(shared) + 1, struct part) };

    for (int i = 0; i < count; i++)
        count_uses(&x, (struct part){ kernels[i], strlen(kernels[i]) });
    for (int i = 0; i < count; i++)
        expand_kernels(&x, kernels[i]);
}
