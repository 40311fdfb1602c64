/* frontend/spelt.c: statements and calls that cannot be read, as they are written here, with the file's own words: for hints.
 * By text alone. */
#include <string.h>

#include "frontend/frontend.h"
#include "frontend/meant.h"

#define NAME_LETTERS WORD_LETTERS "0123456789"

enum { PARTS = 16, LONGEST = 200 };

/* A piece of the file's text. */
struct piece {
    const char *from, *end;
};

static struct piece trimmed(struct piece s)
{
    while (s.from < s.end && strchr(" \t\r\n", *s.from))
        s.from++;
    while (s.end > s.from && strchr(" \t\r\n", s.end[-1]))
        s.end--;
    return s;
}

static size_t word_length(const char *from)
{
    return strchr(WORD_LETTERS, *from) && *from ? strspn(from, NAME_LETTERS) : 0;
}

static bool is_name(struct piece s)
{
    return s.end > s.from && word_length(s.from) == (size_t)(s.end - s.from);
}

static bool is_keyword(struct arena *a, struct piece s)
{
    return is_keyword_word(arena_stringn(a, s.from, (size_t)(s.end - s.from)));
}

static bool is(struct piece s, const char *word)
{
    return strlen(word) == (size_t)(s.end - s.from) && !strncmp(s.from, word, strlen(word));
}

/* From here to the first of these characters that stands in no brackets and no string; else to the end of the statement on its
 * line. */
static struct piece up_to(const char *from, const char *ends)
{
    struct piece s = { from, from };
    int depth = 0;

    for (; *s.end && !strchr(";#\n{}", *s.end); s.end++) {
        if (!depth && strchr(ends, *s.end))
            break;
        if (*s.end == '"')
            s.end += strcspn(s.end + 1, "\"\n") + 1;
        if (!*s.end || *s.end == '\n')
            break;
        depth += strchr("([", *s.end) != NULL;
        depth -= strchr(")]", *s.end) != NULL;
        if (depth < 0)
            break;
    }
    return s;
}

/* Whether one pair of brackets stands around it all. */
static bool is_bracketed(struct piece s)
{
    return s.end - s.from > 2 && strchr("([", *s.from) && up_to(s.from + 1, "").end == s.end - 1 &&
           strchr(")]", s.end[-1]);
}

/* What commas separate, or blanks between names alone; 0: there is too much. */
static int parts_of(struct piece s, struct piece *part)
{
    int parts = 0;
    size_t letters = 0;

    if (is_bracketed(s))
        s = (struct piece){ s.from + 1, s.end - 1 };
    for (const char *c = s.from; c < s.end; c++)
        letters += strchr(NAME_LETTERS " ", *c) != NULL;
    bool blanks = letters == (size_t)(s.end - s.from);
    for (const char *from = s.from; from < s.end && parts < PARTS;) {
        struct piece next = up_to(from, blanks ? " " : ",");
        if (next.end > s.end)
            next.end = s.end;
        part[parts] = trimmed(next);
        parts += part[parts].end > part[parts].from;
        from = next.end + 1;
    }
    return parts < PARTS ? parts : 0;
}

static void put(struct text *t, struct piece s)
{
    text_putn(t, s.from, (size_t)(s.end - s.from));
}

/* ---- outputs, losses and metrics ---- */

/* The name of what is called, where a call is all there is; else an example. k: which one it is. */
static void put_name(struct text *t, struct piece value, int k)
{
    size_t length = word_length(value.from);
    struct piece call = { value.from + length, value.end };

    if (length && call.from < call.end && *call.from == '(' && is_bracketed(call))
        text_putn(t, value.from, length);
    else
        text_add(t, k ? "NAME_%d" : "NAME", k);
}

/* One of what stands behind a keyword, as a statement of its own. */
static void put_statement(struct text *t, const char *keyword, struct piece s, int k)
{
    struct piece name = up_to(s.from, "=");
    bool bound = name.end < s.end && name.end[1] != '=', value = !strcmp(keyword, "loss");

    text_add(t, "%s ", keyword);
    if (!value && !bound && !(is_name(s) && !strcmp(keyword, "output"))) {
        put_name(t, s, k);
        text_puts(t, " = ");
    }
    put(t, s);
    text_puts(t, ";");
}

static const char *values_hint(struct parse *p, const char *keyword, struct piece rest)
{
    static const char *const said[][3] = {
        { "output", "each output is a statement of its own", "an output has a name" },
        { "metric", "each metric is a statement of its own", "a metric has a name" },
        { "loss", "several losses add up", NULL },
    };
    struct text t = text_make(p->arena);
    struct piece part[PARTS];
    int parts = parts_of(rest, part), k = 0;

    struct piece typed = trimmed(up_to(rest.from, ":"));
    if (!strcmp(keyword, "output") && typed.end < rest.end && is_name(typed))
        return arena_printf(p->arena, "an output has the type of its value: output %.*s;",
                            (int)(typed.end - typed.from), typed.from);
    while (strcmp(said[k][0], keyword))
        k++;
    if (!parts || !said[k][parts > 1 ? 1 : 2] || (parts == 1 && is_name(part[0]) && k) || *part[0].from == '"' ||
        (!k && strchr("0123456789", *part[0].from)))
        return NULL;
    const char *equals = up_to(part[0].from, "=").end;
    if (parts == 1 && *equals == '=' && equals[1] != '=')
        return NULL; /* it has one */
    for (int i = 0; i < parts; i++) {
        if (is_keyword(p->arena, trimmed(up_to(part[i].from, "=(.["))))
            return NULL;
        text_puts(&t, i ? " " : "");
        put_statement(&t, keyword, part[i], i);
    }
    return arena_printf(p->arena, "%s: %s", said[k][parts > 1 ? 1 : 2], text_string(&t));
}

/* ---- what has a type ---- */

/* A declaration as it is meant. */
struct declaration {
    struct piece name[PARTS], type, dims, initial;
    int names;
};

/* The brackets from here: what stands in them, and behind them; false: they do not close. */
static bool read_dims(struct piece *dims, const char **from)
{
    static const char open[] = "[(<", close[] = "])>";
    const char *end = strchr(open, **from) ? strpbrk(*from + 1, ";\n]>)") : NULL;

    if (!end || *end != close[strchr(open, **from) - open])
        return false;
    *dims = trimmed((struct piece){ *from + 1, end });
    *from = end + 1;
    return true;
}

/* zeros([3, 4]) and zeros(3, 4), as what a parameter begins as has its shape elsewhere. */
static void read_initial(struct declaration *d, struct piece s)
{
    size_t length = word_length(s.from);
    struct piece word = { s.from, s.from + length }, given = { word.end, s.end };
    bool shaped = is(word, "zeros") || is(word, "ones");

    d->initial = s;
    if (d->dims.from || !length || !is_bracketed(given))
        return;
    struct piece inner = trimmed((struct piece){ given.from + 1, given.end - 1 });
    if (!is_bracketed(inner) && !shaped)
        return;
    d->initial = word;
    d->dims = is_bracketed(inner) ? (struct piece){ inner.from + 1, inner.end - 1 } : inner;
}

/* A word of the declaration: its type, or one of its names. */
static void add_word(struct arena *a, struct declaration *d, struct piece word)
{
    bool known = element_named(arena_stringn(a, word.from, (size_t)(word.end - word.from)));

    if (known)
        d->type = word;
    else if (d->names < PARTS)
        d->name[d->names++] = word;
}

/* Names, a type's name and brackets, with ':', ',' or '=' or nothing between them, in any order, and what a parameter begins
 * as. False where there is more. */
static bool read_declaration(struct arena *a, const char *from, struct declaration *d)
{
    for (;;) {
        from += strspn(from, " \t:,");
        size_t length = word_length(from), equals = *from == '=' ? 1 + strspn(from + 1, " \t") : 0;
        struct piece word = { from, from + length }, value = trimmed(up_to(from + equals, ""));
        if (length)
            add_word(a, d, word);
        from = word.end;
        if (length || (!d->dims.from && *from && strchr("[(<", *from) && read_dims(&d->dims, &from)))
            continue;
        if (!equals || !d->names)
            break;
        struct piece type = { value.from, value.from + word_length(value.from) };
        if (d->type.from || !element_named(arena_stringn(a, type.from, (size_t)(type.end - type.from)))) {
            read_initial(d, value);
            from = value.end;
            break;
        }
        from++; /* in the place of ':' */
    }
    from += strspn(from, " \t");
    return d->names && strchr(";#\r\n", *from);
}

/* What the file calls the batch dimension. */
static struct piece batch_name(const struct parse *p)
{
    const char *batch = strstr(p->text, "batch "), *from = batch ? batch + strcspn(batch, " ") : "";
    size_t length = word_length(from += strspn(from, " "));

    if (!length)
        from = "N", length = 1;
    return (struct piece){ from, from + length };
}

/* n: the batch dimension, where it leads. */
static void put_dims(struct text *t, const struct declaration *d, const struct piece *n)
{
    static const char *const words[] = { "None", "none", "-1", "batch_size", "batch", "?" };
    struct piece dims = d->dims, first = trimmed(up_to(dims.from ? dims.from : "", ","));
    bool leads = false;

    for (size_t i = 0; i < sizeof words / sizeof *words && n; i++)
        leads |= is(first, words[i]);
    if (n && (leads || !dims.from))
        put(t, *n);
    if (dims.from)
        put(t, leads ? (struct piece){ first.end, dims.end } : dims);
    else if (!d->type.from)
        text_puts(t, n ? ", 3" : "3, 4"); /* as for example */
}

static const char *declaration_hint(struct parse *p, const char *keyword, const char *from)
{
    struct text t = text_make(p->arena);
    struct declaration d = { .names = 0 };
    struct piece n = batch_name(p);
    bool frozen = !strcmp(keyword, "frozen"), batch = !strcmp(keyword, "input") || !strcmp(keyword, "target");

    if (frozen)
        from += strspn(from, " \t") + strlen("param");
    if (!read_declaration(p->arena, from, &d))
        return NULL;
    const char *type = d.type.from ? arena_stringn(p->arena, d.type.from, (size_t)(d.type.end - d.type.from)) : "f32";
    for (int i = 0; i < d.names; i++) {
        if (is_keyword(p->arena, d.name[i]))
            return NULL;
        text_add(&t, "%s%s%s ", i ? " " : "", keyword, frozen ? " param" : "");
        put(&t, d.name[i]);
        text_add(&t, " : %s[", element_named(type));
        put_dims(&t, &d, batch ? &n : NULL);
        text_puts(&t, batch ? "]" : "] = ");
        bool number = d.initial.from && strchr("-.0123456789", *d.initial.from);
        text_puts(&t, !batch && number ? "constant(" : "");
        if (!batch && d.initial.from)
            put(&t, d.initial);
        text_puts(&t, !batch && number ? ")" : "");
        text_puts(&t, batch || d.initial.from ? ";" : "zeros;");
    }
    return arena_printf(p->arena, "it is '%s'", text_string(&t));
}

/* ---- statements of other forms ---- */

/* `batch 64` and `batch = 64`. */
static const char *batch_hint(struct parse *p, struct piece rest)
{
    rest.from += strspn(rest.from, "= ");
    return rest.end > rest.from && strspn(rest.from, "0123456789") == (size_t)(rest.end - rest.from)
               ? arena_printf(p->arena, "it is 'batch N = %.*s;', with the name that stands for the batch dimension",
                              (int)(rest.end - rest.from), rest.from)
               : NULL;
}

/* `if training:` and `if training {`. */
static const char *if_hint(struct parse *p, const char *from)
{
    struct piece condition = trimmed(up_to(from, ":"));

    if (condition.end == condition.from || *condition.from == '(')
        return NULL;
    return arena_printf(p->arena, "it is 'if (%.*s) { ... }'", (int)(condition.end - condition.from), condition.from);
}

/* `net t(x) {`: what comes in is a statement. */
static const char *net_hint(struct parse *p, struct piece rest)
{
    size_t length = word_length(rest.from);

    return length && rest.from[length] == '('
               ? arena_printf(p->arena,
                              "it is 'net %.*s { ... }', and what comes in a statement: 'input x : f32[N, 3];'",
                              (int)length, rest.from)
               : NULL;
}

/* How a statement is said by its keyword. */
static const char *other_hint(struct parse *p, struct piece word, struct piece rest)
{
    return is(word, "batch") ? batch_hint(p, rest)
           : is(word, "if")  ? if_hint(p, rest.from)
           : is(word, "net") ? net_hint(p, rest)
                             : NULL;
}

const char *spelt_statement(struct parse *p, const char *start)
{
    static const char *const values[] = { "output", "metric", "loss" }, *const typed[] = { "input", "target", "param",
                                                                                           "state", "frozen" };
    size_t length = word_length(start);
    struct piece word = { start, start + length }, rest = trimmed(up_to(word.end, ""));

    if (rest.end == rest.from || rest.end - rest.from > LONGEST)
        return NULL;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (is(word, values[i]))
            return values_hint(p, values[i], rest);
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        if (is(word, typed[i]))
            return declaration_hint(p, typed[i], word.end);
    return other_hint(p, word, rest);
}

const char *spelt_bound(struct parse *p, const char *keyword)
{
    static const char *const values[] = { "output", "metric", "loss" };
    struct piece word = { keyword, keyword + word_length(keyword) };
    const char *equals = word.end + strspn(word.end, " \t");
    struct piece rest = trimmed(up_to(equals + 1, ""));
    struct text t = text_make(p->arena);

    if (*equals != '=' || equals[1] == '=' || rest.end == rest.from || rest.end - rest.from > LONGEST ||
        !strchr(";#\n", *rest.end))
        return NULL;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (!is(word, values[i]) || *rest.from == '[' || *rest.from == '"')
            continue;
        put_statement(&t, values[i], rest, 0);
        return arena_printf(p->arena, "it is '%s'", text_string(&t));
    }
    return is(word, "batch") ? batch_hint(p, rest) : NULL;
}

const char *spelt_choice(struct parse *p, const char *here)
{
    const char *start = statement_start(p->text, here), *equals = up_to(start, "=").end,
               *otherwise = strstr(here, " else ");
    struct piece yes = trimmed((struct piece){ *equals == '=' && equals < here ? equals + 1 : start, here });
    const char *end = up_to(here, "").end;

    if (!otherwise || otherwise > end || !is((struct piece){ here, here + word_length(here) }, "if"))
        return NULL;
    struct piece condition = trimmed((struct piece){ here + strlen("if"), otherwise }),
                 no = trimmed((struct piece){ otherwise + strlen(" else "), end });
    bool chain = memchr(yes.from, '|', (size_t)(yes.end - yes.from));
    return arena_printf(p->arena, "a choice is written %.*s ? %s%.*s%s : %.*s", (int)(condition.end - condition.from),
                        condition.from, chain ? "(" : "", (int)(yes.end - yes.from), yes.from, chain ? ")" : "",
                        (int)(no.end - no.from), no.from);
}

const char *spelt_formals(struct parse *p, const char *here)
{
    struct text t = text_make(p->arena);
    const char *start = statement_start(p->text, here), *open = memchr(start, '(', (size_t)(here - start)),
               *name = here;
    const char *close = open ? up_to(open + 1, "").end : here;

    while (name > start && !strchr(",(", name[-1]))
        name--;
    if (!open || *close != ')' || !is((struct piece){ start, start + word_length(start) }, "block") ||
        memchr(start, ';', (size_t)(close - start)))
        return NULL;
    struct piece tensors = trimmed((struct piece){ start, name - 1 });
    put(&t, name - 1 > open ? tensors : (struct piece){ start, open + 1 });
    text_puts(&t, "; ");
    put(&t, trimmed((struct piece){ name, close }));
    text_puts(&t, ")");
    return arena_printf(p->arena, "what has a kind or a default is a constant, and stands behind ';': %s",
                        text_string(&t));
}

const char *spelt_return(struct parse *p, const char *brace)
{
    const char *start = statement_start(p->text, brace);
    struct piece value = trimmed(up_to(start, "="));
    const char *open = start;

    while (open > p->text && open[-1] != '{' && open[-1] != '}')
        open--;
    const char *head = open > p->text ? open - 1 : start;
    while (head > p->text && !strchr("{}\n", head[-1]))
        head--;
    head += strspn(head, " \t");
    if (*value.end == '=' || value.end == value.from ||
        !is((struct piece){ head, head + word_length(head) }, "block") ||
        is_keyword(p->arena, (struct piece){ start, start + word_length(start) }))
        return NULL;
    return arena_printf(p->arena, "a block returns its value: return %.*s;", (int)(value.end - value.from), value.from);
}

/* ---- calls without parentheses ---- */

/* Whether something of this name can be called, as far as a text tells that: an operation, a block, or what a chain leads into. */
static bool is_called(const struct parse *p, struct piece word)
{
    const char *name = arena_stringn(p->arena, word.from, (size_t)(word.end - word.from)), *before = word.from;
    const char *head = arena_printf(p->arena, "block %s(", name);

    while (before > p->text && strchr(" \t\r\n", before[-1]))
        before--;
    return (before - p->text >= 2 && !strncmp(before - 2, "|>", 2)) || builtin_find(name) ||
           strstr(frontend_prelude, head) || strstr(p->text, head);
}

const char *spelt_call(struct parse *p, const char *here)
{
    struct text t = text_make(p->arena);
    size_t length;
    const char *name = word_before(p, here, &length);
    struct piece given = trimmed(up_to(here, "|"));
    bool typed = goes_on_as_name(p, place_in(p, here)) && name == statement_start(p->text, name); /* f32 y = x */

    if (!length || typed || name + length == here || memchr(name, '\n', (size_t)(here - name)) || !word_length(name) ||
        !strchr(NAME_LETTERS "\"[-.", *here) || !is_called(p, (struct piece){ name, name + length }))
        return NULL;
    text_add(&t, "arguments stand in parentheses: %.*s(", (int)length, name);
    for (const char *c = given.from; c < given.end; c++) {
        bool apart = *c == ' ' && c[1] && strchr(NAME_LETTERS "\"[", c[1]) && strchr(NAME_LETTERS "\"]", c[-1]);
        text_putc(&t, *c);
        if (apart)
            t.length--, text_puts(&t, ", ");
    }
    text_puts(&t, ")");
    return given.end - given.from < LONGEST ? text_string(&t) : NULL;
}

/* ---- brackets that are open ---- */

const char *open_bracket(const struct parse *p, const char *here)
{
    const char *open[PARTS];
    int depth = 0;

    for (const char *c = statement_start(p->text, here); c < here && *c; c++) {
        if (*c == '"')
            c += strcspn(c + 1, "\"\n") + 1;
        if (*c == '#')
            c += strcspn(c, "\n");
        if (!*c || c >= here)
            break;
        if (strchr("([", *c) && depth++ < PARTS)
            open[depth - 1] = c;
        depth -= strchr(")]", *c) && depth;
    }
    return depth && depth <= PARTS ? open[depth - 1] : NULL;
}
