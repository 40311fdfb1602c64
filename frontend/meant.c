/* frontend/meant.c: what a piece of a file that went wrong was meant to be, by its text alone. grammar.y asks, where it knows
 * what it found and what it expected. */
#include "frontend/meant.h"

#include <string.h>

/* ---- places in the text ---- */

const char *text_at(const char *text, struct place at)
{
    for (int line = 1; line < at.line && *text; text++)
        line += *text == '\n';
    for (int column = 1; column < at.column && *text && *text != '\n'; column++)
        for (text++; (*text & 0xc0) == 0x80; text++) /* a character of several bytes */
            ;
    return text;
}

/* Where the statement begins that `end` lies in. */
const char *statement_start(const char *text, const char *end)
{
    const char *start = text;
    bool quoted = false;

    for (; text < end; text++) {
        if (*text == '"')
            quoted = !quoted;
        if (*text == '#' && !quoted)
            text += strcspn(text, "\n");
        if (!quoted && strchr(";{}", *text) && text < end)
            start = text + 1;
    }
    for (;;) {
        start += strspn(start, " \t\r\n");
        if (*start != '#')
            return start;
        start += strcspn(start, "\n");
    }
}

/* The word that ends before `end`, but for blanks. */
const char *word_before(const struct parse *p, const char *end, size_t *length)
{
    while (end > p->text && strchr(" \t\r\n", end[-1]))
        end--;
    const char *start = end;
    while (start > p->text && strchr(WORD_LETTERS "0123456789", start[-1]))
        start--;
    *length = (size_t)(end - start);
    return start;
}

/* What follows a word that names something. */
bool goes_on_as_name(const struct parse *p, struct place at)
{
    const char *rest = text_at(p->text, at);
    rest += strspn(rest, WORD_LETTERS);
    rest += strspn(rest, " \t");
    return (*rest == '=' && rest[1] != '=') || *rest == ',' || *rest == '[' || *rest == '.';
}

bool first_of_line(const struct parse *p, struct place at)
{
    const char *start = text_at(p->text, at);
    while (start > p->text && strchr(" \t", start[-1]))
        start--;
    return start == p->text || start[-1] == '\n';
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && !strncmp(text, word, length);
}

/* ---- hints ---- */

#define OPTIMIZER_FORM "it is 'optimizer adam(lr = 1e-3);'"

/* A word that stands where a keyword does, with something behind it that nothing joins it with. */
static const char *word_hint(struct parse *p, const char *word)
{
    static const char *const keywords[] = { "param",  "frozen", "state",     "update", "for",    "return",
                                            "yield",  "batch",  "input",     "target", "output", "loss",
                                            "metric", "freeze", "optimizer", "if" };
    static const char *const binds[] = { "let", "var", "val",    "const",  "auto", "float",
                                         "int", "f32", "tensor", "Tensor", "i32" };

    for (size_t i = 0; i < sizeof binds / sizeof *binds; i++)
        if (!strcmp(word, binds[i]))
            return "a name is bound without a word before it: name = ...";
    const char *near = diag_nearest(word, keywords, sizeof keywords / sizeof *keywords);
    return diag_meant(p->arena, near);
}

static int characters(const char *from, const char *to)
{
    int count = 0;
    for (; from < to; from++)
        count += (*from & 0xc0) != 0x80;
    return count;
}

const char *foreign_word(const struct parse *p, struct place *at, const char **hint)
{
    static const struct {
        const char *word;
        bool before; /* what does not belong there is what follows it */
        const char *hint;
    } rows[] = {
        { "and", false, "it is written '&&'" },
        { "or", false, "it is written '||'" },
        { "is", false, "it is written '=='" },
        { "if", false, "a choice is written condition ? a : b" },
        { "for", false, "a list is written out, [1, 2], or a range, 0..4: 'for i in 0..4 { ... }' is a statement" },
        { "as", false, "f32(x) and i32(x) convert" },
        { "not", true, "it is written '!'" },
        { "lambda", true, "a function is a block of the file: block name(x) { return ...; }" },
        { "def", true, "a function is a block of the file: block name(x) { return ...; }" },
        { "class", true, "a module is a block of the file: block name(x) { return ...; }" },
        { "while", true, "'for i in 0..4 { ... }' is unrolled, and 'scan' runs over an axis" },
        { "elif", true, "it is written 'else if (...) { ... }'" },
        { "forward", true, "what a net computes stands between its braces: leave it out" },
        { "with", true, "what is held fixed is stop_gradient(x), or named by 'freeze'" },
        { "print", true, "'output NAME = ...;' makes a value one of the net's results" },
        { "assert", true, "shapes are checked as the net is compiled: leave it out" },
        { "del", true, "memory is planned as the net is compiled: leave it out" },
        { "scheduler", true, SCHEDULE_HINT },
        { "lr_scheduler", true, SCHEDULE_HINT },
        { "schedule", true, SCHEDULE_HINT },
    };
    const char *end = text_at(p->text, *at);
    size_t length = strspn(end, WORD_LETTERS "0123456789"), before;
    const char *word = word_before(p, end, &before);
    if (*end == '{') { /* while (...) { */
        word = statement_start(p->text, end);
        before = strspn(word, WORD_LETTERS "0123456789");
    }
    if (memchr(word, '\n', (size_t)(end - word)))
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !first_of_line(p, *at); i++) {
        if (rows[i].before ? !is_word(word, before, rows[i].word) : !is_word(end, length, rows[i].word))
            continue;
        *hint = rows[i].hint;
        at->column -= rows[i].before ? characters(word, end) : 0;
        at->length = (int)strlen(rows[i].word);
        return rows[i].word;
    }
    return NULL;
}

const char *semicolon_hint(struct parse *p, struct place at)
{
    const char *end = text_at(p->text, at), *start = statement_start(p->text, end);
    size_t length = strspn(start, WORD_LETTERS "0123456789");
    const char *word = arena_stringn(p->arena, start, length),
               *rest = start + length + strspn(start + length, " \t\r\n");
    const char *hint = length && rest == end ? word_hint(p, word) : NULL;

    if (hint)
        return hint;
    if (!strcmp(word, "freeze") && *end == '[')
        return "an element's path is written with a dot, as in 'freeze stage.0;'";
    if (!strcmp(word, "output"))
        return "it is 'output NAME;' or 'output NAME = ...;'";
    if (*end == ',')
        return keyword_form(word, length) ? keyword_form(word, length) : "several values stand in parentheses: (x, y)";
    if (!strcmp(word, "block"))
        return keyword_form(word, length);
    if (*end == ':')
        return end[1] == '=' ? "a name is bound by NAME = ..."
                             : "types stand at inputs, targets, parameters and states alone";
    if (*end == ')')
        return "is this ')' one too many?";
    return "is a ';' missing before this?";
}

/* How a statement goes on behind its keyword. */
static const char *statement_form(const char *word, size_t length)
{
    static const struct {
        const char *word, *hint;
    } rows[] = {
        { "import", "it is 'import \"blocks.net\";', with the file's path in quotes" },
        { "batch", "it is 'batch N = 32;', with the name that stands for the batch dimension" },
        { "if", "it is 'if (depth > 2) { ... }'" },
        { "for", "it is 'for i in 0..4 { ... }'" },
        { "input", "it is 'input NAME : f32[N, 3];'" },
        { "target", "it is 'target NAME : f32[N, 3];'" },
        { "param", "it is 'param NAME : f32[3, 4] = zeros;'" },
        { "state", "it is 'state NAME : f32[3] = zeros;'" },
        { "update", "it is 'update NAME = ...;'" },
        { "metric", "it is 'metric NAME = ...;'" },
        { "output", "it is 'output NAME;' or 'output NAME = ...;'" },
        { "freeze", "it is 'freeze fc, \"stage.*.bias\";', with patterns in quotes" },
        { "net", "it is 'net NAME { ... }'" },
        { "block", "it is 'block NAME(x; k : int = 3) { ... return ...; }'" },
        { "const", "it is 'const NAME = ...;'" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is_word(word, length, rows[i].word))
            return rows[i].hint;
    return NULL;
}

const char *bound_member_hint(struct parse *p, const char *member)
{
    return !strcmp(member, "requires_grad") ? "what is not trained is named by 'freeze'"
           : !strcmp(member, "weight") || !strcmp(member, "bias") || !strcmp(member, "data")
               ? "what a parameter begins as is said where its layer is made: weight_init, bias_init"
               : arena_printf(p->arena, "a name stands alone: %s", member);
}

const char *keyword_form(const char *word, size_t length)
{
    return is_word(word, length, "loss")        ? "it is 'loss EXPRESSION;'"
           : is_word(word, length, "optimizer") ? OPTIMIZER_FORM
                                                : statement_form(word, length);
}

/* How the statement is written that cannot go on like this. */
const char *statement_hint(struct parse *p, struct place at)
{
    const char *end = text_at(p->text, at), *start = statement_start(p->text, end);
    return statement_form(start, start < end ? strspn(start, WORD_LETTERS "0123456789") : 0);
}

/* A word of the language where a value stands: a statement that is called, or a name that is taken. */
const char *keyword_hint(struct parse *p, struct place at)
{
    const char *word = text_at(p->text, at);
    size_t length = strspn(word, WORD_LETTERS "0123456789");
    const char *rest = word + length + strspn(word + length, " \t"), *form = keyword_form(word, length);
    bool calls = *rest == '(', goes_on = *rest && strchr(WORD_LETTERS "0123456789\"", *rest);

    if (is_word(word, length, "optimizer"))
        return SCHEDULE_HINT;
    if (is_word(word, length, "net") && *rest == '.')
        return "all parameters are trained but those that 'freeze' names: leave it out";
    form = calls ? form : statement_hint(p, at);
    return form || goes_on || calls ? form : "what is named needs another word";
}

/* `scan` where another name was meant, or its parentheses hold something else. */
const char *scan_hint(struct parse *p, struct place at, bool within)
{
    size_t length;
    const char *end = text_at(p->text, at), *before = word_before(p, end, &length);

    if (!length && before > p->text && before[-1] == '(')
        before = word_before(p, before - 1, &length);
    within |= length == strlen("scan") && !strncmp(before, "scan", length);
    return within ? "'scan' is a keyword of the language, as in scan (x_t in x; h = h0) { ... yield h; }" : NULL;
}

/* A ';' between the arguments of a call, as between the formals of a block. */
const char *argument_hint(struct parse *p, struct place at, const char *found)
{
    const char *rest = text_at(p->text, at);

    if (strcmp(found, "';'"))
        return NULL;
    rest += 1 + strcspn(rest + 1, ";(){}\n");
    if (*rest != ')')
        return NULL;
    p->answered = rest;
    return "the arguments of a call are separated by ',' alone";
}

/* A ':' or ',' within the brackets behind a value, as where tensors are sliced by them. */
const char *slice_hint(struct parse *p, struct place at, const char *found, bool within)
{
    const char *end = text_at(p->text, at);

    while (end > p->text && strchr(" \t\r\n", end[-1]))
        end--;
    within |= end > p->text && end[-1] == '[';
    return within && (!strcmp(found, "':'") || !strcmp(found, "','") || !strcmp(found, "'..'"))
               ? "slice(x, axis, begin, end) takes part of a tensor"
               : NULL;
}

/* An operator of another language, whose second character stands where a value is expected. */
static const char *operator_hint(const char *text, const char *here)
{
    static const struct {
        const char *is, *hint;
    } rows[] = {
        { "->", "a chain is written x |> f" },
        { ">>", "a chain is written x |> f" },
        { "=>", "a chain is written x |> f" },
        { "<>", "it is written '!='" },
        { "==", "it is written '=='" },
        { "++", "a name is bound anew, as in `y = y + 1`" },
        { "/*", COMMENT_HINT },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows && here > text; i++)
        if (!strncmp(here - 1, rows[i].is, 2))
            return rows[i].hint;
    return NULL;
}

/* What stands in the place of a value is written otherwise in another language. */
const char *value_hint(struct parse *p, struct place at, const char *found)
{
    const char *here = text_at(p->text, at), *sign = operator_hint(p->text, here);
    const char *hint = here > p->text && here[-1] == '(' ? argument_hint(p, at, found) : NULL;
    size_t length;
    const char *word = word_before(p, here, &length);

    if (!hint)
        hint = *here == '\'' ? "a string stands between double quotes" : sign;
    if (hint)
        return hint;
    return length && word == statement_start(p->text, here) ? keyword_form(word, length)
                                                            : slice_hint(p, at, found, false);
}

/* What a word was meant to be that stands where an item of the file does. */
const char *item_hint(struct parse *p, struct place at, bool keyword, bool backward)
{
    static const char *const keywords[] = { "import", "const", "block", "net", "backward" };
    static const struct {
        const char *word, *keyword;
    } others[] = {
        { "include", "import" }, { "use", "import" },  { "from", "import" },    { "require", "import" },
        { "let", "const" },      { "var", "const" },   { "val", "const" },      { "def", "block" },
        { "fn", "block" },       { "fun", "block" },   { "func", "block" },     { "layer", "block" },
        { "module", "block" },   { "class", "block" }, { "function", "block" }, { "model", "net" },
        { "network", "net" },    { "graph", "net" },
    };
    const char *start = text_at(p->text, at);
    size_t letters = strspn(start, WORD_LETTERS), length = letters ? strspn(start, WORD_LETTERS "0123456789") : 0;
    const char *word = arena_stringn(p->arena, start, length),
               *rest = start + length + strspn(start + length, " \t\r\n");

    if (*start == '/')
        return COMMENT_HINT;
    if (length && keyword)
        return "statements stand in a net or a block: net NAME { ... }";
    if (*rest == '=')
        return arena_printf(p->arena, "a constant of the file is 'const %s = ...;'", word);
    const char *meant = length ? diag_nearest(word, keywords, backward ? 5 : 4) : NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        meant = strcmp(word, others[i].word) ? meant : others[i].keyword;
    return diag_meant(p->arena, meant);
}
