/* ir/reader.c: see reader.h. Accepts any bytes: what is no token is reported and stepped over. */
#include "ir/reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c);
}

static bool is_path(char c)
{
    return is_word(c) || c == '.' || c == '/' || c == '-';
}

/* Steps over one byte; columns count characters, so the continuation bytes of UTF-8 do not move the column. */
static void step(struct reader *r)
{
    unsigned char c = (unsigned char)*r->p++;

    if (c == '\n') {
        r->here.line++;
        r->here.column = 1;
        r->fresh = true;
    } else if ((c & 0xc0) != 0x80) {
        r->here.column++;
    }
}

static void steps(struct reader *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        step(r);
}

/* At a '#': takes the comment; its text is kept where a token stands before it on its line. */
static void read_comment(struct reader *r)
{
    const char *begin = r->p + 1, *end;

    while (*r->p && *r->p != '\n')
        step(r);
    end = r->p;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (begin < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    if (!r->fresh)
        r->comment = arena_stringn(r->arena, begin, (size_t)(end - begin));
}

static void skip_blanks(struct reader *r)
{
    r->comment = NULL;
    for (;;) {
        if (*r->p == '#')
            read_comment(r);
        else if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n')
            step(r);
        else
            return;
    }
}

static void take_while(struct reader *r, bool (*is)(char))
{
    while (is(*r->p))
        step(r);
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind a backslash: the character it stands for. A '\0' would end the name and is refused. */
static char read_escape(struct reader *r)
{
    struct place at = r->here;
    char c = *r->p;
    int high, low;

    switch (c) {
    case '"':
    case '\\': step(r); return c;
    case 'n': step(r); return '\n';
    case 't': step(r); return '\t';
    case 'x':
        high = hex_digit(r->p[1]);
        low = high < 0 ? -1 : hex_digit(r->p[2]);
        if (low >= 0 && high * 16 + low != 0) {
            steps(r, 3);
            return (char)(high * 16 + low);
        }
        break;
    default: break;
    }
    reader_error(r, at, "unknown escape in a string");
    return '?';
}

/* At a '"'. */
static const char *read_string(struct reader *r)
{
    struct text t = text_make(r->arena);
    struct place at = r->here;

    step(r);
    while (*r->p && *r->p != '"' && *r->p != '\n') {
        char c = *r->p;
        step(r);
        text_putc(&t, c == '\\' ? read_escape(r) : c);
    }
    if (*r->p == '"')
        step(r);
    else
        reader_error(r, at, "string without an end");
    return name(r->names, text_string(&t));
}

/* The value of digits; 2^63 becomes INT64_MIN, which reader_int takes only behind a '-'. */
static int64_t digits_value(struct reader *r, const char *s)
{
    uint64_t u = 0;

    for (; *s; s++) {
        uint64_t d = (uint64_t)(*s - '0');
        if (u > (((uint64_t)1 << 63) - d) / 10) {
            reader_error(r, r->token.at, "integer out of range");
            return 0;
        }
        u = u * 10 + d;
    }
    return u >> 63 ? INT64_MIN : (int64_t)u;
}

static bool exponent_follows(const char *p)
{
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    if (*p == '+' || *p == '-')
        p++;
    return is_digit(*p);
}

static void read_number(struct reader *r)
{
    const char *begin = r->p;
    struct token *t = &r->token;

    t->kind = TK_INT;
    take_while(r, is_digit);
    if (*r->p == '.' && r->p[1] != '.') {
        t->kind = TK_REAL;
        step(r);
        take_while(r, is_digit);
    }
    if (exponent_follows(r->p)) {
        t->kind = TK_REAL;
        steps(r, 2);
        take_while(r, is_digit);
    }
    t->text = namen(r->names, begin, (size_t)(r->p - begin));
    t->real = strtod(t->text, NULL);
    if (t->kind == TK_INT)
        t->i = digits_value(r, t->text);
    else if (isinf(t->real))
        reader_error(r, t->at, "number out of range");
}

/* At '%' or '@' with a name behind it. */
static void read_sigil(struct reader *r)
{
    bool var = *r->p == '@';
    const char *begin;

    r->token.kind = var ? TK_VAR : TK_VALUE;
    step(r);
    begin = r->p;
    if (*r->p == '"') {
        r->token.text = read_string(r);
        return;
    }
    take_while(r, var ? is_path : is_word);
    r->token.text = namen(r->names, begin, (size_t)(r->p - begin));
}

static void read_punct(struct reader *r)
{
    static const char pairs[][3] = { "==", "!=", "<=", ">=", "..", "->", "+=", "*=", "&&", "||" };
    size_t length = 1;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strncmp(r->p, pairs[i], 2) == 0)
            length = 2;
    r->token.kind = TK_PUNCT;
    r->token.text = namen(r->names, r->p, length);
    steps(r, length);
}

static bool is_stray(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 0x7f || (u && u < ' ' && u != '\n' && u != '\t' && u != '\r');
}

/* At a byte that starts no token: one report for a run of them. */
static void skip_stray(struct reader *r)
{
    reader_error(r, r->here, "stray byte 0x%02x", (unsigned)(unsigned char)*r->p);
    take_while(r, is_stray);
    skip_blanks(r);
}

static void read_name(struct reader *r)
{
    const char *begin = r->p;

    r->token.kind = TK_NAME;
    take_while(r, is_word);
    r->token.text = namen(r->names, begin, (size_t)(r->p - begin));
}

/* Whether a name with a sigil before it starts at p. */
static bool sigil_follows(const struct reader *r)
{
    char next = r->p[0] ? r->p[1] : '\0';

    if (r->plain || (*r->p != '%' && *r->p != '@'))
        return false;
    return next == '"' || (*r->p == '@' ? is_path(next) : is_word(next));
}

static void read_token(struct reader *r)
{
    if (!*r->p) {
        r->token.kind = TK_END;
        r->token.first = true;
    } else if (is_letter(*r->p)) {
        read_name(r);
    } else if (is_digit(*r->p)) {
        read_number(r);
    } else if (*r->p == '"') {
        r->token.kind = TK_STRING;
        r->token.text = read_string(r);
    } else if (sigil_follows(r)) {
        read_sigil(r);
    } else {
        read_punct(r);
    }
}

void reader_next(struct reader *r)
{
    struct token *t = &r->token;
    const char *comment;

    skip_blanks(r);
    comment = r->comment;
    while (is_stray(*r->p))
        skip_stray(r);
    r->comment = comment;
    *t = (struct token){ .text = "", .first = r->fresh, .at = r->here };
    r->fresh = false;
    read_token(r);
    if (r->here.line == t->at.line)
        t->at.length = r->here.column - t->at.column;
}

void reader_start(struct reader *r, struct arena *a, struct names *names, struct diag *d, const char *file,
                  const char *text, bool plain)
{
    *r = (struct reader){ .arena = a, .names = names, .diag = d, .p = text, .fresh = true, .plain = plain };
    r->here = (struct place){ .file = file, .line = 1, .column = 1, .length = 1 };
    reader_next(r);
}

void reader_skip_line(struct reader *r)
{
    do
        reader_next(r);
    while (!r->token.first);
}

void reader_error(struct reader *r, struct place at, const char *format, ...)
{
    char line[512];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (!r->diag)
        bug("column %d of \"%s\": %s", at.column, at.file, line);
    r->errors++;
    diag_error(r->diag, at, "%s", line);
}

/* The current token as a message shows it. */
static const char *token_words(struct reader *r)
{
    const struct token *t = &r->token;
    struct text out = text_make(r->arena);

    switch (t->kind) {
    case TK_END: return "the end of the text";
    case TK_STRING: text_quoted(&out, t->text); break;
    case TK_VALUE: text_add(&out, "'%%%.60s'", t->text); break;
    case TK_VAR: text_add(&out, "'@%.60s'", t->text); break;
    default: text_add(&out, "'%.60s'", t->text); break;
    }
    return text_string(&out);
}

void reader_expected(struct reader *r, const char *what)
{
    reader_error(r, r->token.at, "expected %s, found %s", what, token_words(r));
}

void reader_unknown(struct reader *r, struct place at, const char *what, const char *word,
                    const char *const *candidates, size_t count)
{
    const char *hint = diag_meant(r->arena, diag_nearest(word, candidates, count));

    if (!r->diag)
        bug("\"%s\": no %s named '%s'", at.file, what, word);
    r->errors++;
    diag_error_hint(r->diag, at, NULL, NULL, hint, "no %s named '%.100s'", what, word);
}

bool reader_is(const struct reader *r, const char *word)
{
    return (r->token.kind == TK_NAME || r->token.kind == TK_PUNCT) && strcmp(r->token.text, word) == 0;
}

bool reader_accept(struct reader *r, const char *word)
{
    if (!reader_is(r, word))
        return false;
    reader_next(r);
    return true;
}

bool reader_expect(struct reader *r, const char *word)
{
    char what[40];

    if (reader_accept(r, word))
        return true;
    snprintf(what, sizeof what, "'%.30s'", word);
    reader_expected(r, what);
    return false;
}

bool reader_expect_kind(struct reader *r, enum token_kind kind, const char *what)
{
    if (r->token.kind == kind)
        return true;
    reader_expected(r, what);
    return false;
}

bool reader_int(struct reader *r, int64_t *out)
{
    bool minus = reader_accept(r, "-");

    if (!reader_expect_kind(r, TK_INT, "an integer"))
        return false;
    if (r->token.i == INT64_MIN && !minus) {
        reader_error(r, r->token.at, "integer out of range");
        return false;
    }
    *out = minus && r->token.i != INT64_MIN ? -r->token.i : r->token.i;
    reader_next(r);
    return true;
}

bool reader_real(struct reader *r, double *out)
{
    bool minus = reader_accept(r, "-");
    double x;

    if (r->token.kind == TK_INT || r->token.kind == TK_REAL) {
        x = r->token.real;
    } else if (reader_is(r, "inf")) {
        x = (double)INFINITY;
    } else if (reader_is(r, "nan")) {
        x = (double)NAN;
    } else {
        reader_expected(r, "a number");
        return false;
    }
    *out = minus ? -x : x;
    reader_next(r);
    return true;
}
