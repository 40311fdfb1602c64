/* codegen/c_runtime.c: what a generated file takes from the runtime: an #include, or under --standalone the text itself.
 *
 *     NET.h       netrt.h, and behind NET_INTERNAL what the generated files compute with
 *     NET.c       the library behind the functions of NET.h
 *     NET_app.c   the rest: the program's body and the readers of its data
 *
 * Functions with external linkage are renamed to the module's own (nn_alloc becomes lenet_nn_alloc), so that several such
 * modules, and the library itself, link into one program. */
#include <ctype.h>
#include <string.h>

#include "codegen/c_emit.h"
#include "codegen/c_runtime.h"

/* The library's sources in NET.c. `heap`: left out of what is built with NN_CORE_ONLY; `loss`: only where there are
 * checkpoints. */
static const struct library_row {
    const char *name;
    bool heap, loss;
} library[] = {
    { "nn_error.c", false, false },    { "nn_memory.c", true, false },      { "nn_file.c", true, false },
    { "nn_json.c", true, false },      { "nn_safetensors.c", true, false }, { "nn_safetensors_write.c", true, false },
    { "nn_checkpoint.c", true, true },
};

enum { LIBRARY_ROWS = sizeof library / sizeof *library };

static const struct library_row *library_row(const char *name)
{
    for (int i = 0; i < LIBRARY_ROWS; i++)
        if (!strcmp(library[i].name, name))
            return &library[i];
    return NULL;
}

static bool row_wanted(const struct emit *e, const struct library_row *r)
{
    return (!r->loss || e->has_loss) && (!r->heap || !e->constant);
}

static int file_number(const char *name, size_t length)
{
    for (int i = 0; runtime_files[i].name; i++)
        if (i < 64 && strlen(runtime_files[i].name) == length && !memcmp(runtime_files[i].name, name, length))
            return i;
    bug("the runtime has no file '%.*s'", (int)length, name);
}

/* ---- texts, line by line ---- */

static const char *line_end(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

static bool starts(const char *line, const char *with)
{
    return !strncmp(line, with, strlen(with));
}

/* "#define _POSIX_C_SOURCE ...": has to stand before the first #include of all. */
static bool is_feature(const char *line)
{
    size_t name = starts(line, "#define _") ? strcspn(line + 8, " \n") : 0;
    return name > 7 && !strncmp(line + 8 + name - 7, "_SOURCE", 7);
}

/* A header that guards itself stands in a file once; one without a guard is a body that is repeated. */
static bool is_guarded(const struct runtime_file *f)
{
    return strstr(f->text, "_H\n#define ") != NULL;
}

static void put_file(struct text *t, int number, uint64_t *there)
{
    const struct runtime_file *f = &runtime_files[number];
    if (*there & UINT64_C(1) << number && is_guarded(f))
        return;
    *there |= UINT64_C(1) << number;
    for (const char *line = f->text, *end; *line; line = end) {
        end = line_end(line);
        if (starts(line, "#include \"")) {
            const char *name = line + strlen("#include \"");
            put_file(t, file_number(name, strcspn(name, "\"")), there);
        } else if (!is_feature(line)) {
            text_putn(t, line, (size_t)(end - line));
        }
    }
}

void runtime_include(struct emit *e, struct text *t, const char *name)
{
    if (!e->o->standalone) {
        text_add(t, "#include <%s>\n", name);
        return;
    }
    text_puts(t, "\n");
    put_file(t, file_number(name, strlen(name)), &e->runtime_there);
    text_puts(t, "\n");
}

/* ---- functions ---- */

/* The function whose definition starts on this line, "int nn_report(...", or 0 characters. */
static size_t defined(const char *line, const char **name)
{
    const char *end = line_end(line), *open = memchr(line, '(', (size_t)(end - line)), *at = open;
    if (!open || !isalpha((unsigned char)*line) || end[-2] == ';')
        return 0;
    while (at > line && (isalnum((unsigned char)at[-1]) || at[-1] == '_'))
        at--;
    *name = at;
    return at > line ? (size_t)(open - at) : 0;
}

static void rename_functions(const struct emit *e, struct text *t, const struct runtime_file *f)
{
    for (const char *line = f->text, *name; *line; line = line_end(line)) {
        int length = (int)defined(line, &name);
        if (length && !starts(line, "static "))
            text_add(t, "#define %.*s %s_%.*s\n", length, name, e->name, length, name);
    }
}

void runtime_names(struct emit *e, struct text *t)
{
    if (!e->o->standalone)
        return;
    text_puts(t, "#ifndef NETRT_H      /* the runtime's functions are this module's own: no two modules clash */\n");
    for (int i = 0; i < LIBRARY_ROWS; i++)
        if (row_wanted(e, &library[i]))
            rename_functions(e, t, &runtime_files[file_number(library[i].name, strlen(library[i].name))]);
    text_puts(t, "#endif\n");
}

/* ---- sources ---- */

static bool in_part(const struct emit *e, const struct runtime_file *f, enum runtime_part part)
{
    const struct library_row *r = library_row(f->name);
    if (f->name[strlen(f->name) - 1] != 'c')
        return false;
    return part == RUNTIME_APP ? !r : r && row_wanted(e, r) && r->heap == (part == RUNTIME_LIBRARY);
}

void runtime_features(struct emit *e, struct text *t, enum runtime_part part)
{
    struct text there = text_make(e->arena);
    for (const struct runtime_file *f = runtime_files; f->name && e->o->standalone; f++)
        for (const char *line = f->text; *line && in_part(e, f, part); line = line_end(line)) {
            const char *text = arena_stringn(e->arena, line, (size_t)(line_end(line) - line));
            if (!is_feature(line) || strstr(text_string(&there), text))
                continue;
            text_puts(&there, text);
        }
    text_puts(t, text_string(&there));
}

/* Whether a line defines the net's name for something else: a function or a struct of the runtime's own. */
static bool takes_name(const struct emit *e, const char *line)
{
    const char *name = line + strlen("struct ");
    size_t length = starts(line, "struct ") ? strcspn(name, " (;") : 0;
    if (!length || strncmp(name + length, " {", 2))
        length = defined(line, &name);
    return length == strlen(e->name) && !strncmp(name, e->name, length);
}

/* NET.h has made a type of the net's name: where the sources use it too, theirs is spelt otherwise. */
static void put_aside(struct emit *e, struct text *t)
{
    for (const struct runtime_file *f = runtime_files; f->name; f++)
        for (const char *line = f->text; *line; line = line_end(line))
            if (takes_name(e, line)) {
                text_add(t, "\n#define %s %s_\n", e->name, e->name);
                return;
            }
}

static void put_sources(struct emit *e, struct text *t, enum runtime_part part, uint64_t *there)
{
    for (int i = 0; runtime_files[i].name; i++)
        if (in_part(e, &runtime_files[i], part)) {
            text_puts(t, "\n");
            put_file(t, i, there);
        }
}

void runtime_library(struct emit *e, struct text *t)
{
    uint64_t there = e->runtime_there;
    if (!e->o->standalone)
        return;
    put_aside(e, t);
    put_sources(e, t, RUNTIME_CORE, &there);
    if (e->constant)
        return;
    text_puts(t, "\n#ifndef NN_CORE_ONLY\n");
    put_sources(e, t, RUNTIME_LIBRARY, &there);
    text_puts(t, "#endif\n");
}

/* Stands before main: whether the program reads .gz. */
void runtime_zlib(struct emit *e, struct text *t)
{
    if (e->o->standalone)
        text_puts(t,
                  "#ifndef NN_ZLIB      /* with it, and -lz, the program reads .gz */\n#define NN_NO_ZLIB\n#endif\n\n");
    else
        text_puts(t, "/* .gz data are read by zlib: link with -lz, or compile with -DNN_NO_ZLIB and do without. */\n");
}

void runtime_app(struct emit *e, struct text *t)
{
    uint64_t there = UINT64_C(1) << file_number("netrt.h", strlen("netrt.h"));
    if (!e->o->standalone)
        return;
    put_aside(e, t);
    put_sources(e, t, RUNTIME_APP, &there);
}
