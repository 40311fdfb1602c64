/* ir/base/diag.c: diagnostics. See diag.h for how they look.
 *
 * A report is built as one text and written with one call, so that lines of different reports never mix. Whatever a
 * model file holds, no control character of it reaches the terminal. */
#include "ir/base/diag.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/text.h"

enum { MOST_WARNINGS = 100, MOST_HOLDS = 16, SHOWN_WIDTH = 120, LONGEST_WORD = 64, MOST_NOTES = 4 };

struct source_text {
    const char *file, *text;
    size_t length;
    struct source_text *next;
};

/* What was reported already. */
struct report {
    struct place at;
    const char *message;
    struct report *next;
};

/* What is being looked at stands within this: a call, or a round of a loop. */
struct entered {
    const char *what;
    struct place at;
};

struct diag {
    struct arena *arena;
    FILE *out;
    bool json, color;
    int limit, errors, warnings;
    int said;                    /* errors, and those that were told before */
    int held[MOST_HOLDS], holds; /* errors since each hold that lasts, innermost last */
    struct source_text *sources;
    struct report *reports;
    struct entered *within; /* innermost last */
    int depth;
    size_t within_capacity;
};

/* One message with everything that belongs to it; NULL where there is nothing. */
struct finding {
    struct place at;
    const char *severity, *message, *expected, *found, *hint;
};

struct diag *diag_new(struct arena *a, FILE *out)
{
    struct diag *d = NEW(a, struct diag);

    d->arena = a;
    d->out = out;
    d->limit = 20;
    return d;
}

void diag_json(struct diag *d, bool json)
{
    d->json = json;
}

void diag_color(struct diag *d, bool color)
{
    d->color = color;
}

void diag_limit(struct diag *d, int errors)
{
    d->limit = errors;
}

void diag_source(struct diag *d, const char *file, const char *text, size_t length)
{
    struct source_text *s = NEW(d->arena, struct source_text);

    *s = (struct source_text){ file, text, length, d->sources };
    d->sources = s;
}

const char *diag_text(const struct diag *d, int which, const char **file)
{
    const struct source_text *s = d->sources;

    for (; s && which > 0; which--)
        s = s->next;
    if (!s)
        return NULL;
    *file = s->file;
    return s->text;
}

/* Line `line` of a file that was given to diag_source, or NULL. */
static const char *source_line(const struct diag *d, struct place at, size_t *length)
{
    const struct source_text *s = d->sources;

    while (s && strcmp(s->file, at.file) != 0)
        s = s->next;
    if (!s)
        return NULL;
    const char *p = s->text, *end = s->text + s->length;
    for (int line = 1; line < at.line; line++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            return NULL;
        p++;
    }
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    *length = (size_t)((newline ? newline : end) - p);
    return p;
}

/* ---- characters ---- */

/* Adds the character at s as it may stand on a terminal; returns its bytes. */
static size_t put_character(struct text *t, const char *s, size_t n)
{
    size_t length = utf8_length(s, n);

    if (length == 0)
        text_putc(t, '?');
    else if (length == 1 && iscntrl((unsigned char)*s) && *s != '\t')
        text_putc(t, *s == '\r' ? ' ' : '?');
    else
        text_putn(t, s, length);
    return length ? length : 1;
}

static void put_words(struct text *t, const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n;)
        i += put_character(t, s + i, n - i);
}

/* ---- as text ---- */

static void put_color(const struct diag *d, struct text *t, const char *code)
{
    if (d->color)
        text_add(t, "\033[%sm", code);
}

static void put_place(struct text *t, struct place at)
{
    put_words(t, at.file ? at.file : "netc");
    if (at.file && at.line > 0)
        text_add(t, ":%d:%d", at.line, at.column);
    text_puts(t, ": ");
}

/* "FILE:LINE:COL: severity: message" */
static void put_head(const struct diag *d, struct text *t, struct place at, const char *severity, const char *message)
{
    bool error = strcmp(severity, "error") == 0;

    put_color(d, t, "1");
    put_place(t, at);
    put_color(d, t, error ? "1;31" : strcmp(severity, "warning") == 0 ? "1;35" : "1;36");
    text_add(t, "%s: ", severity);
    put_color(d, t, "0");
    put_words(t, message);
    text_putc(t, '\n');
}

/* The line of the source and under it the caret. Of a long line only the part around the place is shown. */
static void put_line(const struct diag *d, struct text *t, struct place at)
{
    size_t length, from = 0, shown = 0;
    const char *line = at.file && at.line > 0 ? source_line(d, at, &length) : NULL;
    if (!line)
        return;
    int first = at.column > SHOWN_WIDTH - 20 ? at.column - SHOWN_WIDTH / 2 : 1;
    struct text caret = text_make(d->arena);

    for (int c = 1; c < first && from < length; c++) {
        size_t n = utf8_length(line + from, length - from);
        from += n ? n : 1;
    }
    text_add(t, "%5d | %s", at.line, first > 1 ? "..." : "");
    text_add(&caret, "      | %s", first > 1 ? "   " : "");
    int column = first;
    for (size_t i = from; i < length && shown < SHOWN_WIDTH; shown++, column++) {
        if (column < at.column)
            text_putc(&caret, line[i] == '\t' ? '\t' : ' ');
        i += put_character(t, line + i, length - i);
    }
    for (; column < at.column; column++)
        text_putc(&caret, ' ');
    text_puts(t, shown == SHOWN_WIDTH ? "...\n" : "\n");
    text_puts(t, text_string(&caret));
    put_color(d, t, "1;32");
    text_putc(t, '^');
    for (int i = 1; i < at.length && at.column + i < first + (int)shown; i++)
        text_putc(t, '~');
    put_color(d, t, "0");
    text_putc(t, '\n');
}

static void put_text(const struct diag *d, struct text *t, const struct finding *f)
{
    put_head(d, t, f->at, f->severity, f->message);
    put_line(d, t, f->at);
    bool expects = f->expected && !strstr(f->message, f->expected);
    bool finds = f->found && !strstr(f->message, f->found);
    if (!expects && !finds)
        ; /* the message says it already */
    else if (f->expected && f->found)
        put_head(d, t, f->at, "note", arena_printf(d->arena, "expected %s, found %s", f->expected, f->found));
    else if (f->expected)
        put_head(d, t, f->at, "note", arena_printf(d->arena, "expected %s", f->expected));
    else if (f->found)
        put_head(d, t, f->at, "note", arena_printf(d->arena, "found %s", f->found));
    if (f->hint)
        put_head(d, t, f->at, "hint", f->hint);
}

/* ---- as JSON ---- */

static void put_json_field(struct text *t, const char *key, const char *value)
{
    if (!value)
        return;
    text_add(t, ",\"%s\":", key);
    text_json(t, value);
}

static void put_json(struct text *t, const struct finding *f)
{
    text_puts(t, "{\"file\":");
    text_json(t, f->at.file ? f->at.file : "");
    text_add(t, ",\"line\":%d,\"column\":%d", f->at.line, f->at.column);
    put_json_field(t, "severity", f->severity);
    put_json_field(t, "message", f->message);
    put_json_field(t, "expected", f->expected);
    put_json_field(t, "found", f->found);
    put_json_field(t, "hint", f->hint);
    text_puts(t, "}\n");
}

/* ---- reporting ---- */

static bool same_place(struct place a, struct place b)
{
    return a.line == b.line && a.column == b.column && strcmp(a.file ? a.file : "", b.file ? b.file : "") == 0;
}

/* Whether this was said before; if not, remembers it. */
static bool said_before(struct diag *d, const struct finding *f)
{
    for (const struct report *r = d->reports; r; r = r->next)
        if (same_place(r->at, f->at) && strcmp(r->message, f->message) == 0)
            return true;
    struct report *r = NEW(d->arena, struct report);
    *r = (struct report){ f->at, f->message, d->reports };
    d->reports = r;
    return false;
}

static void write_finding(struct diag *d, const struct finding *f)
{
    struct text t = text_make(d->arena);

    if (d->json)
        put_json(&t, f);
    else
        put_text(d, &t, f);
    fwrite(text_string(&t), 1, t.length, d->out);
    fflush(d->out);
}

/* What led there: of much the innermost and the outermost. */
static void write_within(struct diag *d, struct place at)
{
    int last = d->depth - 1;

    if (last >= 0 && same_place(d->within[last].at, at))
        last--;
    for (int i = last, shown = 0; i >= 0; i--) {
        bool leaps = ++shown == MOST_NOTES && i > 0;
        const char *between = leaps ? arena_printf(d->arena, ", %d further out", i + 1) : "";
        i = leaps ? 0 : i;
        struct finding f = { .at = d->within[i].at, .severity = "note" };
        f.message = arena_printf(d->arena, "%s%s", d->within[i].what, between);
        write_finding(d, &f);
    }
}

static void report_error(struct diag *d, const struct finding *f)
{
    d->said++;
    if (d->holds > 0) {
        d->held[d->holds - 1]++;
        return;
    }
    if (diag_full(d) || said_before(d, f))
        return;
    write_finding(d, f);
    write_within(d, f->at);
    if (++d->errors < d->limit || d->limit <= 1)
        return;
    struct finding last = { .at = { .file = f->at.file }, .severity = "note" };
    last.message = arena_printf(d->arena, "that is %d errors; what comes after is not looked at", d->limit);
    write_finding(d, &last);
}

static void report_warning(struct diag *d, const struct finding *f)
{
    if (d->holds > 0 || d->warnings >= MOST_WARNINGS || said_before(d, f))
        return;
    d->warnings++;
    write_finding(d, f);
    write_within(d, f->at);
}

static const char *format_message(struct diag *d, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return format;
    char *s = arena_alloc(d->arena, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, format, arguments);
    return s;
}

void diag_error(struct diag *d, struct place at, const char *format, ...)
{
    va_list arguments;
    struct finding f = { .at = at, .severity = "error" };

    va_start(arguments, format);
    f.message = format_message(d, format, arguments);
    va_end(arguments);
    report_error(d, &f);
}

void diag_error_hint(struct diag *d, struct place at, const char *expected, const char *found, const char *hint,
                     const char *format, ...)
{
    va_list arguments;
    struct finding f = { at, "error", NULL, expected, found, hint };

    va_start(arguments, format);
    f.message = format_message(d, format, arguments);
    va_end(arguments);
    report_error(d, &f);
}

void diag_warning(struct diag *d, struct place at, const char *format, ...)
{
    va_list arguments;
    struct finding f = { .at = at, .severity = "warning" };

    va_start(arguments, format);
    f.message = format_message(d, format, arguments);
    va_end(arguments);
    report_warning(d, &f);
}

void diag_warning_hint(struct diag *d, struct place at, const char *hint, const char *format, ...)
{
    va_list arguments;
    struct finding f = { .at = at, .severity = "warning", .hint = hint };

    va_start(arguments, format);
    f.message = format_message(d, format, arguments);
    va_end(arguments);
    report_warning(d, &f);
}

int diag_errors(const struct diag *d)
{
    return d->errors;
}

int diag_said(const struct diag *d)
{
    return d->said;
}

bool diag_full(const struct diag *d)
{
    return d->errors >= d->limit;
}

void diag_enter(struct diag *d, struct place at, const char *what)
{
    void *items = d->within;

    arena_grow(d->arena, &items, &d->within_capacity, (size_t)d->depth + 1, sizeof *d->within);
    d->within = items;
    d->within[d->depth++] = (struct entered){ what, at };
}

void diag_leave(struct diag *d)
{
    if (d->depth == 0)
        bug("left more often than entered");
    d->depth--;
}

void diag_hold(struct diag *d)
{
    if (d->holds == MOST_HOLDS)
        bug("more than %d holds within each other", MOST_HOLDS);
    d->held[d->holds++] = 0;
}

int diag_release(struct diag *d)
{
    if (d->holds == 0)
        bug("release without a hold");
    d->said -= d->held[--d->holds];
    return d->held[d->holds];
}

/* ---- nearest names ---- */

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours that make b of a; case costs nothing. */
static int edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    int row[3][LONGEST_WORD + 1];

    for (size_t j = 0; j <= m; j++)
        row[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            now[j] = smaller(last[j - 1] + (ca != cb), smaller(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && tolower((unsigned char)a[i - 2]) == cb)
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

static const char *nearest_by_edits(const char *word, const char *const *candidates, size_t count)
{
    size_t n = strlen(word);
    int allowed = n < 6 ? 1 : (int)(n / 3), best = allowed + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t m = strlen(candidates[i]);
        if (m < 2 || m > LONGEST_WORD)
            continue;
        int distance = edit_distance(word, n, candidates[i], m);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* xavier, of xavier_uniform */
static const char *first_begun(const char *word, const char *const *candidates, size_t count)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < count; i++)
        if (n > 2 && !strncmp(word, candidates[i], n) && candidates[i][n] == '_')
            return candidates[i];
    return NULL;
}

/* Whether these letters stand in the word as one of those that '_' separates, or as several. */
static bool is_part(const char *word, const char *part)
{
    size_t n = strlen(part);
    for (const char *at = strstr(word, part); n && at; at = strstr(at + 1, part))
        if ((at == word || at[-1] == '_') && (!at[n] || at[n] == '_'))
            return true;
    return false;
}

/* kernel_size, of kernel */
static const char *longest_part(const char *word, const char *const *candidates, size_t count)
{
    const char *part = NULL;
    size_t longest = 1; /* a letter says nothing */

    for (size_t i = 0; i < count; i++)
        if (strlen(candidates[i]) > longest && is_part(word, candidates[i])) {
            longest = strlen(candidates[i]);
            part = candidates[i];
        }
    return part;
}

const char *diag_nearest(const char *word, const char *const *candidates, size_t count)
{
    if (strlen(word) < 2 || strlen(word) > LONGEST_WORD)
        return NULL;
    const char *near = nearest_by_edits(word, candidates, count);
    near = near ? near : first_begun(word, candidates, count);
    return near ? near : longest_part(word, candidates, count);
}

const char *diag_meant(struct arena *a, const char *near)
{
    return near ? arena_printf(a, "did you mean '%s'?", near) : NULL;
}

void diag_bug(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "netc: bug at %s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}
