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

static int characters(const char *from, const char *to)
{
    int count = 0;
    for (; from < to; from++)
        count += (*from & 0xc0) != 0x80;
    return count;
}

/* How many bytes of a line stand before its comment, and the blanks before that. */
static size_t said_length(const char *line)
{
    size_t length = 0;
    bool quoted = false;

    for (size_t i = 0; line[i] && line[i] != '\n' && (quoted || line[i] != '#'); i++) {
        if (line[i] == '"' && !(i && line[i - 1] == '\\'))
            quoted = !quoted;
        if (!strchr(" \t\r", line[i]))
            length = i + 1;
    }
    return length;
}

bool missing_before(const struct parse *p, struct place *at)
{
    const char *line = text_at(p->text, *at);

    if (!first_of_line(p, *at) || !strchr(WORD_LETTERS "0123456789\"}", *line)) /* the end of the text is found, too */
        return false;
    while (line > p->text && line[-1] != '\n')
        line--;
    for (int number = at->line - 1; number; number--) {
        for (line--; line > p->text && line[-1] != '\n';)
            line--;
        size_t length = said_length(line);
        if (!length)
            continue;
        *at = (struct place){ at->file, number, 1 + characters(line, line + length), 1 };
        return true;
    }
    return false;
}

struct place place_in(const struct parse *p, const char *here)
{
    struct place at = { p->file, 1, 1, 1 };
    const char *line = p->text;

    for (const char *c = p->text; c < here; c++)
        if (*c == '\n') {
            at.line++;
            line = c + 1;
        }
    at.column += characters(line, here);
    return at;
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

#define COMPUTES_HINT "what a net computes stands between its braces: leave it out"

/* Of a class or a function of another language, whose keyword this is: what it is here, by its own name. */
static const char *definition_hint(struct parse *p, const char *keyword)
{
    static const char *const bodies[] = { "forward", "call", "__init__", "__call__", "__new__", "setup" };
    size_t length = strspn(keyword, WORD_LETTERS "0123456789");
    const char *own = keyword + length + strspn(keyword + length, " \t");
    size_t letters = strspn(own, WORD_LETTERS "0123456789");

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (is_word(own, letters, bodies[i]))
            return COMPUTES_HINT;
    own = letters ? arena_stringn(p->arena, own, letters) : "NAME";
    return is_word(keyword, length, "class") || is_word(keyword, length, "module")
               ? arena_printf(p->arena, "a model is 'net %s { ... }', a module in it 'block %s(x) { return ...; }'",
                              own, own)
               : arena_printf(p->arena, "a function is a block of the file: block %s(x) { return ...; }", own);
}

/* Python's `import torch`, `import a.b`, `import a as b` and `from a import b`, of which this is the first word; NULL else. */
static const char *module_hint(struct parse *p, const char *word, size_t length)
{
    const char *module = word + length + strspn(word + length, " \t");
    size_t letters = strspn(module, WORD_LETTERS "0123456789");
    const char *rest = module + letters + strspn(module + letters, " \t");
    bool from = is_word(word, length, "from"),
         renamed = is_word(rest, strspn(rest, WORD_LETTERS), from ? "import" : "as");

    if (!letters || !(from || is_word(word, length, "import")))
        return NULL;
    if (!renamed && !is_foreign_module(arena_stringn(p->arena, module, letters)))
        return NULL;
    return "no module is needed, layers and operations are there: leave it out";
}

const char *foreign_word(struct parse *p, struct place *at, const char **hint)
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
        { "for", false,
          "a list is written out, [1, 2], or a range, 0..4: 'for i in 0..4 { ... }' is a statement, in which fc[i] = linear(64); makes layers" },
        { "as", false, "f32(x) and i32(x) convert" },
        { "not", true, "it is written '!'" },
        { "lambda", true, "a function is a block of the file: block NAME(x) { return ...; }" },
        { "def", true, NULL },
        { "class", true, NULL },
        { "while", true, "'for i in 0..4 { ... }' is unrolled, and 'scan' runs over an axis" },
        { "elif", true, "it is written 'else if (...) { ... }'" },
        { "forward", true, COMPUTES_HINT },
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
        const char *choice = rows[i].before ? NULL : spelt_choice(p, end);
        *hint = choice ? choice : rows[i].hint ? rows[i].hint : definition_hint(p, word);
        at->column -= rows[i].before ? characters(word, end) : 0;
        at->length = (int)strlen(rows[i].word);
        return rows[i].word;
    }
    return NULL;
}

/* Whether a name at `end` goes on with the value before it, which is bound, or in a chain, on this line. */
static bool goes_on_value(const char *start, const char *end)
{
    const char *behind = end + strspn(end, WORD_LETTERS "0123456789");

    behind += strspn(behind, " \t");
    if (!strchr(WORD_LETTERS, *end) || *behind == '=' || *behind == ',' || *behind == '[')
        return false;
    for (; end > start && end[-1] != '\n'; end--)
        if (*end == '=' || (*end == '|' && end[1] == '>'))
            return true;
    return false;
}

const char *semicolon_hint(struct parse *p, struct place *at)
{
    const char *end = text_at(p->text, *at), *start = statement_start(p->text, end);
    size_t length = strspn(start, WORD_LETTERS "0123456789");
    const char *word = arena_stringn(p->arena, start, length),
               *rest = start + length + strspn(start + length, " \t\r\n");
    const char *called = spelt_call(p, end), *hint = called                  ? called
                                                     : length && rest == end ? word_hint(p, word)
                                                                             : NULL;
    bool before = missing_before(p, at);

    if (hint)
        return hint;
    if (*end == '}' && spelt_return(p, end))
        return spelt_return(p, end);
    if (before)
        return "is a ';' missing here?";
    if (!strcmp(word, "freeze") && *end == '[')
        return "an element's path is written with a dot, as in 'freeze stage.0;'";
    hint = spelt_statement(p, start);
    if (hint)
        return hint;
    if (!strcmp(word, "output") && !memchr(start, '=', (size_t)(end - start)))
        return keyword_form(word, length);
    if (*end == ',' && end[1 + strspn(end + 1, " \t")] == '\n')
        return "a statement ends in ';', not in ','";
    if (*end == ',')
        return keyword_form(word, length) ? keyword_form(word, length) : "several values stand in parentheses: (x, y)";
    if (!strcmp(word, "block"))
        return keyword_form(word, length);
    if (*end == ':')
        return end[1] == '=' ? "a name is bound by NAME = ..."
                             : "types stand at inputs, targets, parameters and states alone";
    if (*end == ')')
        return "is this ')' one too many?";
    return goes_on_value(start, end) ? "is a '|>' missing before this?" : "is a ';' missing before this?";
}

/* What is said of a word. */
struct said {
    const char *word, *hint;
};

static const char *said_of(const struct said *rows, size_t count, const char *word, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (is_word(word, length, rows[i].word))
            return rows[i].hint;
    return NULL;
}

/* How a statement goes on behind its keyword. */
static const char *statement_form(const char *word, size_t length)
{
    static const struct said rows[] = {
        { "import", "it is 'import \"blocks.net\";', with the file's path in quotes" },
        { "batch", "it is 'batch N = 32;', with the name that stands for the batch dimension" },
        { "if", "it is 'if (depth > 2) { ... }'" },
        { "for", "it is 'for i in 0..4 { ... }'" },
        { "input", "it is 'input NAME : f32[N, 3];'" },
        { "target", "it is 'target NAME : f32[N, 3];'" },
        { "param", "it is 'param NAME : f32[3, 4] = zeros;'" },
        { "state", "it is 'state NAME : f32[3] = zeros;'" },
        { "update", "it is 'update NAME = ...;'" },
        { "metric", "it is 'metric NAME = ...;', as in metric accuracy = accuracy(logits, label);" },
        { "output", "it is 'output NAME;' or 'output NAME = ...;'" },
        { "freeze", "it is 'freeze fc, \"stage.*.bias\";', with patterns in quotes" },
        { "net", "it is 'net NAME { ... }'" },
        { "block", "it is 'block NAME(x; k : int = 3) { ... return ...; }'" },
        { "const", "it is 'const NAME = ...;'" },
    };
    return said_of(rows, sizeof rows / sizeof *rows, word, length);
}

/* optimizer adam(net.parameters(), lr = 1e-3), or its call by the name of a module: without the parameters; NULL: there is no
 * call on its line. start: of the statement. */
static const char *optimizer_hint(struct parse *p, const char *start)
{
    size_t line = strcspn(start, ";\n"), length;
    const char *open = memchr(start, '(', line), *end = start + line,
               *name = open ? word_before(p, open, &length) : NULL;
    const char *here = name && length ? optimizer_named(arena_stringn(p->arena, name, length)) : NULL;

    while (end > start && end[-1] != ')')
        end--;
    if (!here || end <= open)
        return NULL;
    const char *comma = memchr(open, ',', (size_t)(end - open)), *behind = comma ? comma + 1 : end - 1;
    bool given = strstr(arena_stringn(p->arena, open, (size_t)(behind - open)), "param");
    const char *from = given ? behind + strspn(behind, " \t") : open + 1,
               *form = from[strspn(from, " ")] == ')' ? "lr = 1e-3" : "";
    return given ? arena_printf(p->arena,
                                "all parameters are trained but those that 'freeze' names: optimizer %s(%s%.*s;", here,
                                form, (int)(end - from), from)
                 : arena_printf(p->arena, "it is 'optimizer %s(%s%.*s;'", here, form, (int)(end - from), from);
}

const char *bound_member_hint(struct parse *p, const char *member)
{
    return !strcmp(member, "requires_grad") ? "what is not trained is named by 'freeze'"
           : !strcmp(member, "weight") || !strcmp(member, "bias") || !strcmp(member, "data")
               ? BEGINS_HINT
               : arena_printf(p->arena, "a name stands alone: %s", member);
}

const char *bound_keyword_hint(struct parse *p, struct place at)
{
    const char *word = text_at(p->text, at);
    return is_word(word, strspn(word, WORD_LETTERS), "optimizer") ? optimizer_hint(p, word) : spelt_bound(p, word);
}

const char *keyword_member_hint(const struct parse *p, struct place at)
{
    static const struct said rows[] = {
        { "backward", "gradients are derived from the net's loss: leave it out" },
        { "zero_grad", "gradients are derived from the net's loss: leave it out" },
        { "step", "the generated program takes the steps, netc --emit=c,app: leave it out" },
        { "item", "the generated program shows the loss: leave it out" },
        { "detach", "the generated program shows the loss: leave it out" },
    };
    const char *dot = text_at(p->text, at) + strspn(text_at(p->text, at), WORD_LETTERS);

    return *dot == '.' ? said_of(rows, sizeof rows / sizeof *rows, dot + 1, strspn(dot + 1, WORD_LETTERS)) : NULL;
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
    const char *end = text_at(p->text, at), *start = statement_start(p->text, end), *rest = end + 1;
    size_t length = start < end ? strspn(start, WORD_LETTERS "0123456789") : 0;
    const char *module = module_hint(p, start, length);

    if (*end == ':' && rest[strspn(rest, " \t\r\n")] == '{')
        return "a body stands in braces alone: leave ':' out";
    const char *spelt = module || start >= end ? NULL : spelt_statement(p, start);
    return module ? module : spelt ? spelt : statement_form(start, length);
}

const char *numbered_name(struct arena *a, const char *text, const char **end)
{
    struct text t = text_make(a);
    size_t length = strspn(text, WORD_LETTERS "0123456789");
    bool numbered = false;

    for (*end = text + length; length && text[length - 1] == '_';)
        length--;
    text_putn(&t, text, length);
    for (const char *open = *end; length && *open == '{'; open = *end + strspn(*end, "_")) {
        size_t inner = strspn(open + 1, WORD_LETTERS "0123456789 +-*");
        if (!inner || open[inner + 1] != '}')
            return NULL;
        text_add(&t, "[%.*s]", (int)inner, open + 1);
        *end = open + inner + 2;
        numbered = true;
    }
    return numbered ? text_string(&t) : NULL;
}

const char *numbered_hint(struct arena *a, const char *text)
{
    const char *end, *written = numbered_name(a, text, &end);
    return written && !*end ? arena_printf(a, NUMBERED_HINT, written) : NULL;
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
    const char *start = statement_start(p->text, word);
    if (is_word(word, length, "net") && *rest == '.' && is_word(start, strspn(start, WORD_LETTERS), "optimizer"))
        return optimizer_hint(p, start);
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

/* A carry without what it starts as: scan (x_t in x; h). */
const char *carry_hint(struct parse *p, struct place at)
{
    size_t length, scan;
    const char *end = text_at(p->text, at), *name = word_before(p, end, &length), *before = name;

    if (!length || !strchr("),;", *end))
        return NULL;
    while (before > p->text && !strchr("({}", before[-1]))
        before--;
    const char *word = before > p->text ? word_before(p, before - 1, &scan) : end;
    return before > p->text && is_word(word, scan, "scan")
               ? arena_printf(p->arena, "a carry starts as a tensor: %.*s = zeros([N, 64])", (int)length, name)
               : NULL;
}

/* A ';' between the arguments of a call, as between the formals of a block. */
const char *argument_hint(struct parse *p, struct place at, const char *found)
{
    const char *rest = text_at(p->text, at);

    if (strcmp(found, "';'"))
        return spelt_call(p, rest);
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
    if (!within || (strcmp(found, "':'") != 0 && strcmp(found, "','") != 0 && strcmp(found, "'..'") != 0))
        return NULL;
    const char *hint = brackets_hint_at(p, end);
    return hint ? hint : "slice(x, axis, begin, end) takes part of a tensor";
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

static const char *quotes_hint(struct parse *p, const char *here)
{
    static const char said[] = "a string stands between double quotes";
    size_t length = strcspn(here + 1, "'\"\n");

    return here[1 + length] == '\'' ? arena_printf(p->arena, "%s: \"%.*s\"", said, (int)length, here + 1) : said;
}

/* What stands in the place of a value is written otherwise in another language. */
const char *value_hint(struct parse *p, struct place at, const char *found)
{
    const char *here = text_at(p->text, at), *sign = operator_hint(p->text, here);
    const char *hint = here > p->text && here[-1] == '(' ? argument_hint(p, at, found) : NULL;
    size_t length;
    const char *word = word_before(p, here, &length);

    if (!hint)
        hint = *here == '\'' ? quotes_hint(p, here) : sign;
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
        const char *word, *keyword; /* NULL: a definition of its own */
    } others[] = {
        { "include", "import" }, { "use", "import" }, { "from", "import" }, { "require", "import" },
        { "let", "const" },      { "var", "const" },  { "val", "const" },   { "def", NULL },
        { "fn", NULL },          { "fun", NULL },     { "func", NULL },     { "layer", "block" },
        { "module", NULL },      { "class", NULL },   { "function", NULL }, { "model", "net" },
        { "network", "net" },    { "graph", "net" },
    };
    const char *start = text_at(p->text, at);
    size_t letters = strspn(start, WORD_LETTERS), length = letters ? strspn(start, WORD_LETTERS "0123456789") : 0;
    const char *word = arena_stringn(p->arena, start, length),
               *rest = start + length + strspn(start + length, " \t\r\n"), *module = module_hint(p, start, length);

    if (*start == '/')
        return COMMENT_HINT;
    if (length && keyword)
        return "statements stand in a net or a block: net NAME { ... }";
    if (*rest == '=')
        return arena_printf(p->arena, "a constant of the file is 'const %s = ...;'", word);
    if (module)
        return module;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(word, others[i].word))
            return others[i].keyword ? diag_meant(p->arena, others[i].keyword) : definition_hint(p, start);
    return length ? diag_meant(p->arena, diag_nearest(word, keywords, backward ? 5 : 4)) : NULL;
}
