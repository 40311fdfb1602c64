/* frontend/form.c: forms: how an operation of another library is written here, with what its call has, for hints.
 *
 * In a form the words x, image, a and b stand for the call's tensors: the first and, b, the second. Between two '$' stands what
 * else it may give: the name that this has there (or several, by '|'; with '...' behind it a list of all numbers from there on;
 * `b` for the second tensor, `tensors` for all, `layers` for a chain of all), '=', and what stands there where it gives none. What ends in ':' before the
 * name is said with what is given alone. */
#include <string.h>

#include "frontend/elab.h"
#include "frontend/meant.h"

bool is_constant(const struct elab *e, const struct ast *x)
{
    const struct val *v = x->kind == A_NAME ? look_up(e, x->text, false) : NULL;

    switch (x->kind) {
    case A_NAME: return v && v->kind != V_TENSOR && v->kind != V_POISON && !is_callable(v);
    case A_UNARY: return is_constant(e, x->a);
    case A_BINARY:
    case A_INDEX: return is_constant(e, x->a) && is_constant(e, x->b);
    case A_MEMBER: return !strcmp(x->text, "shape") || !strcmp(x->text, "rank");
    case A_CALL: return is_size_call(x);
    case A_LIST:
    case A_TUPLE:
        for (int i = 0; i < x->items; i++)
            if (!is_constant(e, x->item[i]))
                return false;
        return true;
    default: return is_literal(x);
    }
}

bool is_among(const char *names, size_t length, const char *word)
{
    for (size_t i = 0, n; i < length; i += n + 1) {
        n = strcspn(names + i, "|=");
        if (n == strlen(word) && !strncmp(names + i, word, n))
            return true;
    }
    return false;
}

/* What a call gives by one of these names or, where it gives nothing by them, as constant number `place`, which is counted
 * up; NULL: nothing. */
static const struct ast *given(const struct elab *e, const struct ast *call, const char *names, size_t length,
                               int *place)
{
    for (int i = 0; i < call->items; i++)
        if (call->item[i]->kind == A_ARG && is_among(names, length, call->item[i]->text))
            return call->item[i]->a;
    int left = (*place)++;
    for (int i = 0; i < call->items; i++)
        if (call->item[i]->kind != A_ARG && is_constant(e, call->item[i]) && !left--)
            return call->item[i];
    return NULL;
}

/* Adds the list of the numbers that a call gives one by one, perhaps behind a tensor's name; or says nothing. */
static bool say_numbers(struct elab *e, struct text *t, const struct ast *call)
{
    int first = call->items && call->item[0]->kind == A_NAME && !is_constant(e, call->item[0]);
    struct ast list = { .kind = A_LIST, .item = call->item + first, .items = call->items - first };

    if (list.items == 1 && (list.item[0]->kind == A_LIST || list.item[0]->kind == A_TUPLE))
        list = (struct ast){ .kind = A_LIST, .item = list.item[0]->item, .items = list.item[0]->items };
    return list.items && is_constant(e, &list) && say(e, t, &list);
}

/* Whether an expression is a tensor, as far as that is seen without reckoning it. */
static bool is_tensor(const struct elab *e, const struct ast *x)
{
    const struct val *v = x->kind == A_NAME ? look_up(e, x->text, false) : NULL;

    switch (x->kind) {
    case A_NAME: return v && (v->kind == V_TENSOR || v->kind == V_TUPLE);
    case A_BINARY: return is_tensor(e, x->a) || is_tensor(e, x->b);
    case A_UNARY:
    case A_SWAP:
    case A_CHAIN:
    case A_INDEX: return is_tensor(e, x->a);
    case A_MEMBER: return x->a->kind == A_NAME && (v = look_up(e, x->a->text, false)) && v->kind == V_LAYER;
    case A_CALL:
        for (int i = 0; i < x->items; i++)
            if (is_tensor(e, x->item[i]->kind == A_ARG ? x->item[i]->a : x->item[i]))
                return true;
        return x->a->kind == A_MEMBER && is_tensor(e, x->a->a);
    default: return false;
    }
}

enum { TENSORS = 16 };

/* A form that is being filled with what stands where its word is used. */
struct filling {
    struct elab *e;
    struct text text;
    const struct usage *use;
    const struct ast
        *tensor[TENSORS];      /* as they are written; NULL: one that is not there, and its own word stands for it */
    const char *name[TENSORS]; /* what the hint binds them to, or NULL */
    int tensors;
    bool quoted; /* words for tensors stand within quotes alone */
    const char *names;
    size_t names_length;     /* of the last blank */
    const struct ast *given; /* in it */
    int place;
};

static void add_tensors(struct filling *f, const struct ast *x)
{
    static const char named[] = "input|inputs|tensors|other|x|mask|index|target";
    bool list = x->kind == A_LIST || x->kind == A_TUPLE;

    for (int i = 0; i < x->items && list; i++)
        add_tensors(f, x->item[i]);
    if (x->kind == A_ARG && is_among(named, strlen(named), x->text))
        add_tensors(f, x->a);
    else if (!list && x->kind != A_ARG && f->tensors < TENSORS && is_tensor(f->e, x))
        f->tensor[f->tensors++] = x;
}

static struct filling filling(struct elab *e, const struct usage *u, bool quoted)
{
    struct filling f = { .e = e, .text = text_make(e->arena), .use = u, .names = "", .quoted = quoted };

    if (u->piped || u->object)
        f.tensor[f.tensors++] = u->object;
    for (int i = 0; u->call && !quoted && i < u->call->items; i++)
        add_tensors(&f, u->call->item[i]);
    return f;
}

/* Which of the tensors a word of a form stands for; -1: none. */
static int tensor_of_word(const char *word, size_t length)
{
    static const char *const words[] = { "x", "image", "a", "b" };

    for (int i = 0; i < 4; i++)
        if (strlen(words[i]) == length && !strncmp(words[i], word, length))
            return i == 3;
    return -1;
}

/* A place in a form: BEFORE:NAMES=FALLBACK, or BEFORE:NAMES...=FALLBACK for a list. */
struct blank {
    const char *before, *names, *fallback, *end;
    size_t before_length, length; /* of the names */
    bool list;
};

static struct blank read_blank(const char *text)
{
    const char *end = strchr(text, '$'), *colon = memchr(text, ':', (size_t)(end - text)),
               *names = colon ? colon + 1 : text;
    size_t length = strcspn(names, ".="), equals = strcspn(names, "=");
    return (struct blank){ text,   names,          names + equals + 1, end, colon ? (size_t)(colon - text) : 0,
                           length, length < equals };
}

/* Whether a form's text has a word here; its length. */
static size_t word_at(const char *form, const char *here)
{
    bool within = here > form && (strchr(WORD_LETTERS "0123456789.", here[-1]));
    return within ? 0 : strspn(here, WORD_LETTERS);
}

/* Whether the text around what stands from here to `end` lets it stand without parentheses. */
static bool stands_apart(const char *form, const char *here, const char *end)
{
    while (here > form && here[-1] == ' ')
        here--;
    return here > form && strchr("(,", here[-1]) && *end && strchr("),", *end);
}

static bool say_tensor(struct filling *f, struct text *t, int k, bool apart)
{
    const struct ast *x = f->tensor[k];

    if (f->name[k])
        text_puts(t, f->name[k]);
    else if (x && apart)
        return say(f->e, t, x);
    return f->name[k] || (x && say_operand(f->e, t, x));
}

static bool say_tensors(struct filling *f, struct text *t)
{
    for (int i = 0; i < f->tensors; i++) {
        text_puts(t, i ? ", " : "");
        if (!say_tensor(f, t, i, true))
            return false;
    }
    return f->tensors > 0;
}

/* Layers that a call is given, or a list in it, one behind the other. */
static bool say_layers(struct elab *e, struct text *t, const struct ast *call)
{
    bool list = call->items == 1 && (call->item[0]->kind == A_LIST || call->item[0]->kind == A_TUPLE);
    const struct ast *layers = list ? call->item[0] : call;

    for (int i = 0; i < layers->items; i++) {
        text_puts(t, i ? " |> " : "");
        if (layers->item[i]->kind == A_ARG || !say(e, t, layers->item[i]))
            return false;
    }
    return layers->items;
}

/* What the call has in a blank; what has two places is given once. */
static bool say_blank(struct filling *f, struct text *t, struct blank b, bool apart)
{
    int k = tensor_of_word(b.names, b.length);
    const struct ast *call = f->use->call;

    if (k >= 0)
        return k < f->tensors && say_tensor(f, t, k, apart);
    if (is_among(b.names, b.length, "tensors"))
        return say_tensors(f, t);
    if (is_among(b.names, b.length, "layers"))
        return call && say_layers(f->e, t, call);
    if (!call || b.list)
        return call && say_numbers(f->e, t, call);
    if (b.length != f->names_length || strncmp(b.names, f->names, b.length))
        f->given = given(f->e, call, b.names, b.length, &f->place);
    f->names = b.names;
    f->names_length = b.length;
    return f->given && say(f->e, t, f->given);
}

static void fill_words(struct filling *f, const char *form, const char *from, const char *end);

/* From a blank's first '$'; gives what is behind its last. */
static const char *fill_blank(struct filling *f, const char *form, const char *from)
{
    struct blank b = read_blank(from + 1);
    struct text said = text_make(f->e->arena);

    if (say_blank(f, &said, b, stands_apart(form, from, b.end + 1)))
        text_add(&f->text, "%.*s%s", (int)b.before_length, b.before, text_string(&said));
    else
        fill_words(f, form, b.fallback, b.end);
    return b.end + 1;
}

static const char *fill_word(struct filling *f, const char *form, const char *from, size_t length, bool quoted)
{
    int k = quoted || !f->quoted ? tensor_of_word(from, length) : -1;
    struct text said = text_make(f->e->arena);

    if (k >= 0 && k < f->tensors && say_tensor(f, &said, k, stands_apart(form, from, from + length)))
        text_puts(&f->text, text_string(&said));
    else
        text_putn(&f->text, from, length);
    return from + length;
}

static void fill_words(struct filling *f, const char *form, const char *from, const char *end)
{
    bool quoted = false;

    while (from < end) {
        size_t length = word_at(form, from);
        quoted ^= *from == '\'';
        if (*from == '$')
            from = fill_blank(f, form, from);
        else if (length)
            from = fill_word(f, form, from, length, quoted);
        else
            text_putc(&f->text, *from++);
    }
}

/* How often a form has the word of a tensor. */
static int uses_of(const char *form, int tensor)
{
    int uses = 0;

    for (const char *here = form; *here; here++)
        uses += tensor_of_word(here, word_at(form, here)) == tensor;
    return uses;
}

/* Whether an expression said twice makes the same value twice: what is called may be a layer, or random. */
static bool is_lasting(const struct ast *x)
{
    return !x ||
           (x->kind != A_CALL && x->kind != A_CHAIN && (!x->a || is_lasting(x->a)) && (!x->b || is_lasting(x->b)));
}

/* What is called and has several places is bound to a name first. */
static void bind_tensors(struct filling *f, const char *form)
{
    static const char *const names[] = { "y", "z", "u", "v", "w", "t" };
    size_t next = 0;

    for (int k = 0; k < f->tensors && k < 2; k++) {
        struct text said = text_make(f->e->arena);
        if (is_lasting(f->tensor[k]) || uses_of(form, k) < 2 || !say(f->e, &said, f->tensor[k]))
            continue;
        while (next < 6 && look_up(f->e, name(f->e->names, names[next]), false))
            next++;
        if (next == 6)
            return;
        f->name[k] = names[next++];
        text_add(&f->text, "%s = %s; ", f->name[k], text_string(&said));
    }
}

const char *form_filled(struct elab *e, const char *form, const struct usage *u, bool quoted)
{
    struct filling f = filling(e, u, quoted);

    if (f.tensors > 2 && uses_of(form, 1) && !strstr(form, "$tensors"))
        f.tensors = 0; /* the form is of two */
    if (!quoted && f.tensors == 1 && uses_of(form, 1) && !strchr(form, '$') && u->call)
        f.tensor[f.tensors++] = given(e, u->call, "", 0, &f.place); /* a number */
    bind_tensors(&f, form);
    fill_words(&f, form, form, form + strlen(form));
    return text_string(&f.text);
}

const char *form_chained(struct elab *e, const char *word, const char *form, const struct usage *u)
{
    const struct usage unnamed = { .call = u->call };
    const char *said = form_filled(e, form, &unnamed, false), *open = strchr(said, '(');
    const char *own = strstr(said, "image") ? "image" : "x", *rest = open ? open + 1 + strlen(own) : said;
    size_t letters = strspn(said, WORD_LETTERS "0123456789");
    bool once = uses_of(said, 0) == 1, first = once && open == said + letters && !strncmp(open + 1, own, strlen(own));

    if (uses_of(said, 1) || !uses_of(said, 0) || strstr(said, "; "))
        return NULL;
    if (once && !strncmp(said, own, letters) && !strncmp(said + letters, " |> ", 4))
        return arena_printf(e->arena, "it is written %s", said + letters + 4);
    if (first && *rest == ')')
        return arena_printf(e->arena, "it is written %.*s%s", (int)letters, said, rest + 1);
    if (first && *rest == ',')
        return arena_printf(e->arena, "it is written %.*s(%s", (int)letters, said, rest + 2);
    const char *besides = strstr(said, ", which ");
    return arena_printf(e->arena, "a block of the file does it, applied as |> %s: block %s(%s) { return %.*s; }%s",
                        word, word, strstr(said, "image") ? "image" : "x",
                        (int)(besides ? (size_t)(besides - said) : strlen(said)), said, besides ? besides : "");
}
