/* nn_csv.c: values separated by commas or tabs: the columns asked for as an array [rows, columns]. Empty lines are passed over,
 * quotes may surround a field. Where an input holds integers and the first field read is no number, or a known word, the
 * fields are words, numbered in order of appearance. Written are numbers, and words for the
 * numbers of labels.
 */
#include "nn_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 1 << 20 };

struct csv {
    const char *name;
    const struct nn_message *m;
    const struct nn_data_request *request;
    char separator;
    const unsigned char *at, *end;
    int64_t line; /* from 1 */
    int *column;  /* those asked for, in that order */
    int columns;  /* 0: not known before the first row: all */
    char **field; /* the fields of a row, trimmed */
    int fields, field_room;
    int width; /* fields of the first row; 0 before it */
    int words; /* -1 not known yet */
    double *value;
    int64_t values, value_room;
    int64_t *row_line; /* of each row */
    int64_t rows, row_room;
};

static int out_of_memory(const struct csv *c)
{
    return nn_report(c->m, NN_EMEMORY, "%s: not enough memory", c->name);
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

static int add_column(struct csv *c, int which)
{
    int *p = realloc(c->column, ((size_t)c->columns + 1) * sizeof *p);
    if (!p)
        return out_of_memory(c);
    c->column = p;
    c->column[c->columns++] = which;
    return 0;
}

/* "0-3,7" */
static int read_columns(struct csv *c, const char *text)
{
    const char *at = text;
    while (at && (*at || at == text)) {
        char *next;
        long first = strtol(at, &next, 10), last = first;
        int good = next > at && *at != '-' && first >= 0 && first < MOST_COLUMNS;
        if (good && *next == '-') {
            at = next + 1;
            last = strtol(at, &next, 10);
            good = next > at && *at != '-' && last >= first && last < MOST_COLUMNS;
        }
        if (!good || (*next && (*next != ',' || !next[1])))
            return nn_report(c->m, NN_EVALUE,
                             "%s: the columns ':%s' are malformed: columns are numbers, as in ':0-3' or ':0,2,5'",
                             c->name, text);
        for (long i = first; i <= last; i++) {
            int status = add_column(c, (int)i);
            if (status)
                return status;
        }
        at = *next ? next + 1 : next;
    }
    return 0;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int add_field(struct csv *c, const char *text, size_t n)
{
    if (c->fields == c->field_room) {
        int room = c->field_room ? 2 * c->field_room : 16;
        char **p = realloc(c->field, (size_t)room * sizeof *p);
        if (!p)
            return out_of_memory(c);
        c->field = p;
        c->field_room = room;
    }
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r'))
        n--;
    while (n && (*text == ' ' || *text == '\t'))
        text++, n--;
    char *copy = malloc(n + 1);
    if (!copy)
        return out_of_memory(c);
    memcpy(copy, text, n);
    copy[n] = 0;
    c->field[c->fields++] = copy;
    return 0;
}

static void drop_fields(struct csv *c)
{
    while (c->fields > 0)
        free(c->field[--c->fields]);
}

/* A field between quotes; two of them stand for one. */
static int quoted_field(struct csv *c, const unsigned char *line_end)
{
    char *text = malloc((size_t)(line_end - c->at) + 1);
    size_t n = 0;
    if (!text)
        return out_of_memory(c);
    for (c->at++; c->at < line_end && (*c->at != '"' || (c->at + 1 < line_end && c->at[1] == '"')); c->at++) {
        c->at += *c->at == '"';
        text[n++] = (char)*c->at;
    }
    text[n] = 0;
    int closed = c->at < line_end, status;
    c->at += closed;
    while (c->at < line_end && *c->at != c->separator && strchr(" \t\r", *c->at))
        c->at++;
    if (!closed)
        status = nn_report(c->m, NN_EFORMAT, "%s, line %lld: a quote is not closed", c->name, (long long)c->line);
    else if (c->at < line_end && *c->at != c->separator)
        status = nn_report(c->m, NN_EFORMAT, "%s, line %lld: something follows the closing quote of '%.40s'", c->name,
                           (long long)c->line, text);
    else
        status = add_field(c, text, n);
    free(text);
    return status;
}

static int plain_field(struct csv *c, const unsigned char *line_end)
{
    const unsigned char *start = c->at, *end = memchr(start, c->separator, (size_t)(line_end - start));
    c->at = end ? end : line_end;
    return add_field(c, (const char *)start, (size_t)(c->at - start));
}

/* Lines that end in CR alone would be one line, whose first row is all that is read. */
static int check_ends(struct csv *c, const unsigned char *line_end)
{
    const unsigned char *at = memchr(c->at, '\r', (size_t)(line_end - c->at));
    while (at && at < line_end && *at == '\r')
        at++;
    return !at || at == line_end ? 0
                                 : nn_report(c->m, NN_EFORMAT, "%s, line %lld: lines end in LF or CR LF, not in CR",
                                             c->name, (long long)c->line);
}

/* Splits the line at the cursor, and moves behind it. */
static int read_row(struct csv *c)
{
    const unsigned char *line_end = memchr(c->at, '\n', (size_t)(c->end - c->at));
    const unsigned char *next = line_end ? line_end + 1 : c->end;
    int status, more = 1;
    line_end = line_end ? line_end : c->end;
    c->line++;
    drop_fields(c);
    status = check_ends(c, line_end);
    while (!status && more) {
        while (c->at < line_end && *c->at != c->separator && (*c->at == ' ' || *c->at == '\t'))
            c->at++;
        status = c->at < line_end && *c->at == '"' ? quoted_field(c, line_end) : plain_field(c, line_end);
        more = c->at < line_end && *c->at == c->separator;
        c->at += more;
    }
    c->at = next;
    if (c->fields == 1 && !*c->field[0])
        drop_fields(c);
    return status;
}

static int other_width(const struct csv *c)
{
    return nn_report(c->m, NN_EFORMAT, "%s, line %lld: has %d columns, and the first row has %d", c->name,
                     (long long)c->line, c->fields, c->width);
}

/* A row longer than the first has a comma too many somewhere: its columns are not where they seem to be. */
static int check_width(struct csv *c)
{
    if (!c->width)
        c->width = c->fields;
    return c->fields <= c->width ? 0 : other_width(c);
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static int number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end > text && !*end;
}

static int word(struct csv *c, const char *text, double *out)
{
    size_t n = strlen(text);
    int number_of = nn_words_number(c->request->words, text, n);
    *out = number_of;
    if (number_of == NN_EMEMORY)
        return out_of_memory(c);
    return number_of >= 0 ? 0
                          : nn_report(c->m, NN_EFORMAT, "%s, line %lld: %s", c->name, (long long)c->line,
                                      n == 0                ? "a label is missing"
                                      : n > NN_WORD_LONGEST ? "a label is too long"
                                                            : "too many labels");
}

/* The first label tells of all: words, unless it is a number and no word that is known already. */
static int holds_words(const struct csv *c, const char *text, int is_number)
{
    const struct nn_words *w = c->request->integers ? c->request->words : NULL;
    return w && (!is_number || nn_words_find(w, text, strlen(text)) < w->count);
}

/* For a row that is one field, though it looks like several. */
static const char *other_separator(const struct csv *c)
{
    const char *text = c->fields == 1 ? c->field[0] : "";
    if (c->separator != ',' && strchr(text, ','))
        return ": fields of .tsv are separated by tabs";
    return c->separator == ',' && strpbrk(text, ";\t ") ? ": fields are separated by commas, in .tsv by tabs" : "";
}

static int add_value(struct csv *c, int column)
{
    if (column >= c->fields && column < c->width)
        return other_width(c);
    if (column >= c->fields)
        return nn_report(c->m, NN_EFORMAT, "%s, line %lld: has %d columns; column %d was asked for (counted from 0)%s",
                         c->name, (long long)c->line, c->fields, column, other_separator(c));
    if (c->values == c->value_room) {
        int64_t room = c->value_room ? 2 * c->value_room : 1024;
        double *p = realloc(c->value, (size_t)room * sizeof *p);
        if (!p)
            return out_of_memory(c);
        c->value = p;
        c->value_room = room;
    }
    const char *text = c->field[column];
    double *out = &c->value[c->values++];
    int is_number = number(text, out);
    if (c->words < 0)
        c->words = holds_words(c, text, is_number);
    if (c->words)
        return word(c, text, out);
    if (is_number && !isfinite(*out))
        return nn_report(c->m, NN_EVALUE, "%s, line %lld, column %d: '%.40s' is no finite number", c->name,
                         (long long)c->line, column, text);
    return is_number ? 0
                     : nn_report(c->m, NN_EFORMAT, "%s, line %lld, column %d: '%.40s' is no number%s", c->name,
                                 (long long)c->line, column, text,
                                 *other_separator(c) && strchr("+-.0123456789", *text) ? other_separator(c)
                                 : c->values == 1 && !c->request->skip_lines
                                     ? " (--skip-lines 1 passes over a line of titles)"
                                     : "");
}

static int all_columns(struct csv *c)
{
    int status = 0;
    for (int i = 0; i < c->fields && !status; i++)
        status = add_column(c, i);
    return status;
}

static int add_row(struct csv *c)
{
    if (c->rows == c->row_room) {
        int64_t room = c->row_room ? 2 * c->row_room : 256;
        int64_t *p = realloc(c->row_line, (size_t)room * sizeof *p);
        if (!p)
            return out_of_memory(c);
        c->row_line = p;
        c->row_room = room;
    }
    c->row_line[c->rows++] = c->line;
    return 0;
}

static int read_rows(struct csv *c)
{
    int status = 0;
    while (c->at < c->end && !status) {
        if (c->line < c->request->skip_lines) {
            const unsigned char *end = memchr(c->at, '\n', (size_t)(c->end - c->at));
            c->at = end ? end + 1 : c->end;
            c->line++;
            continue;
        }
        status = read_row(c);
        if (status || !c->fields)
            continue;
        status = check_width(c);
        if (!status && !c->columns)
            status = all_columns(c);
        for (int i = 0; i < c->columns && !status; i++)
            status = add_value(c, c->column[i]);
        status = status ? status : add_row(c);
    }
    return status;
}

int nn_csv_parse(const char *name, const struct nn_buffer *b, const char *columns, char separator,
                 const struct nn_data_request *r, struct nn_array *out, const struct nn_message *m)
{
    struct csv c = {
        .name = name, .m = m, .request = r, .separator = separator, .at = b->data, .end = b->data + b->size, .words = -1
    };
    if (b->size >= 3 && !memcmp(b->data, "\xEF\xBB\xBF", 3)) /* a byte order mark */
        c.at += 3;
    int status = read_columns(&c, columns);
    status = status ? status : read_rows(&c);
    if (!status && !c.rows)
        status = nn_report(m, NN_EFORMAT, "%s: holds no rows", name);
    if (!status) {
        int64_t shape[2] = { c.rows, c.columns };
        status = nn_array_make(name, out, NN_KIND_F64, 2, shape, m);
        if (!status) {
            memcpy(out->data, c.value, (size_t)c.values * sizeof *c.value);
            out->line = c.row_line;
            out->column = c.column;
            c.row_line = NULL;
            c.column = NULL;
        }
    }
    drop_fields(&c);
    free(c.field);
    free(c.column);
    free(c.value);
    free(c.row_line);
    return status;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_number(FILE *to, nn_dtype type, const void *data, int64_t i)
{
    switch (type) {
    case NN_F32: fprintf(to, "%.9g", (double)((const float *)data)[i]); break;
    case NN_F64: fprintf(to, "%.17g", ((const double *)data)[i]); break;
    case NN_I32: fprintf(to, "%ld", (long)((const int32_t *)data)[i]); break;
    default: fprintf(to, "%d", ((const uint8_t *)data)[i]); break;
    }
}

static const char *word_of(const struct nn_words *words, int32_t number)
{
    return words && number >= 0 && (size_t)number < words->count ? words->word[number] : NULL;
}

/* Between quotes where it would not be read back else. */
static void put_word(FILE *to, const char *text, char separator)
{
    size_t n = strlen(text);
    int plain =
        !strchr(text, separator) && !strpbrk(text, "\"\r\n") && !strchr(" \t", text[0]) && !strchr(" \t", text[n - 1]);
    if (plain) {
        fputs(text, to);
        return;
    }
    putc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', to);
        putc(*text, to);
    }
    putc('"', to);
}

int nn_csv_write(const char *path, char separator, nn_dtype type, int64_t rows, int64_t columns, const void *data,
                 const struct nn_words *words, const struct nn_message *message)
{
    struct nn_writer w;
    int status = nn_file_begin(&w, path, message);
    if (status)
        return status;
    for (int64_t i = 0; i < rows * columns; i++) {
        const char *text = type == NN_I32 ? word_of(words, ((const int32_t *)data)[i]) : NULL;
        if (text)
            put_word(w.stream, text, separator);
        else
            put_number(w.stream, type, data, i);
        putc((i + 1) % columns ? separator : '\n', w.stream);
    }
    return nn_file_commit(&w, message);
}
