/* nn_app_paths.c: what a command writes must be no file that it reads, and no two outputs one file: that is refused before
 * anything is written. Files are compared as such, whatever they are called.
 */
#define _XOPEN_SOURCE 700

#include "nn_app.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file that the command line names, and how. */
struct app_path {
    const char *option;
    const struct nn_binding *of; /* --in NAME=..., or NULL */
    const char *path;
    char *made; /* the same, where it has been allocated */
};

enum { APP_PATHS = 3 * NN_APP_FILES + 8 };

struct app_paths {
    struct app_path of[APP_PATHS];
    int count;
};

static void add_path(struct app_paths *p, const char *option, const char *path)
{
    if (path)
        p->of[p->count++] = (struct app_path){ .option = option, .path = path };
}

/* "a,b=FILE" */
static void add_stream(struct app_paths *p, const char *option, const char *spec)
{
    const char *equals = spec ? strchr(spec, '=') : NULL;
    add_path(p, option, equals ? equals + 1 : NULL);
}

/* columns: the files may have some behind them. 0, or 1: no memory. */
static int add_bindings(struct app_paths *p, const char *option, const struct nn_bindings *b, int columns)
{
    for (int i = 0; i < b->count; i++) {
        char *made = columns ? nn_data_path(b->of[i].file) : NULL;
        if (columns && !made)
            return 1;
        p->of[p->count++] = (struct app_path){ option, &b->of[i], made ? made : b->of[i].file, made };
    }
    return 0;
}

/* Where a path's last name begins, and its folder's state. */
static const char *folder_of(const char *path, struct stat *folder)
{
    const char *slash = strrchr(path, '/');
    char *text = slash ? malloc((size_t)(slash - path) + 2) : NULL;
    if (text)
        snprintf(text, (size_t)(slash - path) + 2, "%s", path);
    int missing = stat(text ? text : ".", folder);
    free(text);
    return missing ? NULL : slash ? slash + 1 : path;
}

/* Of what is no regular file (a pipe, /dev/null) nothing is lost. Two that do not exist yet are one where they have one name
 * in one folder. */
static int is_one_file(const char *a, const char *b)
{
    struct stat x, y;
    int no_x = stat(a, &x), no_y = stat(b, &y);
    if (!no_x && !no_y)
        return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    if (!no_x || !no_y)
        return 0;
    const char *name_a = folder_of(a, &x), *name_b = folder_of(b, &y);
    return name_a && name_b && x.st_dev == y.st_dev && x.st_ino == y.st_ino && !strcmp(name_a, name_b);
}

/* To go on in the file that training starts from is what --save and --checkpoint are for. */
static int may_replace(const struct app_path *out, const struct app_path *in)
{
    return (!strcmp(out->option, "save") && !strcmp(in->option, "weights")) ||
           (!strcmp(out->option, "checkpoint") && !strcmp(in->option, "resume"));
}

static void path_text(char *to, size_t size, const struct app_path *p)
{
    snprintf(to, size, "--%s%s%.*s", p->option, p->of ? " " : "", p->of ? p->of->name_size : 0,
             p->of ? p->of->name : "");
}

static int compare_paths(const nn_model *model, const char *command, const struct app_path *out,
                         const struct app_path *other)
{
    char a[128], b[128];
    if (may_replace(out, other) || !is_one_file(out->path, other->path))
        return 0;
    path_text(a, sizeof a, out);
    path_text(b, sizeof b, other);
    return strcmp(out->path, other->path)
               ? nn_app_fail(model, 2, "%s: %s and %s name one file: %s, %s", command, a, b, out->path, other->path)
               : nn_app_fail(model, 2, "%s: %s and %s name one file: %s", command, a, b, out->path);
}

int nn_app_paths_check(const nn_model *model, const char *command, const struct nn_options *o)
{
    struct app_paths out = { .count = 0 }, in = { .count = 0 };
    add_bindings(&out, "out", &o->out, 0);
    add_path(&out, "save", o->save);
    add_path(&out, "checkpoint", o->checkpoint);
    add_path(&out, "log", o->log);
    int status = 0, full = add_bindings(&in, "in", &o->in, 1) || add_bindings(&in, "val-in", &o->val_in, 1);
    add_stream(&in, "windows", o->windows);
    add_stream(&in, "val-windows", o->val_windows);
    add_path(&in, "weights", o->weights);
    add_path(&in, "resume", o->resume);
    for (int i = 0; i < out.count && !full; i++) {
        for (int k = 0; k < in.count && !status; k++)
            status = compare_paths(model, command, &out.of[i], &in.of[k]);
        for (int k = i + 1; k < out.count && !status; k++)
            status = compare_paths(model, command, &out.of[i], &out.of[k]);
    }
    for (int i = 0; i < in.count; i++)
        free(in.of[i].made);
    return full ? nn_app_fail(model, 1, "no memory") : status;
}
