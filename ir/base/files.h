/* ir/base/files.h: files, read whole and written whole. */
#ifndef IR_BASE_FILES_H
#define IR_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/base/arena.h"

/* The file's bytes with a '\0' behind them, or NULL with *why set to words ("No such file or directory"). "-" is
 * standard input. Directories and files above 1 GiB are refused. */
char *file_read(struct arena *a, const char *path, size_t *length, const char **why);

/* One file of a set. */
struct file_out {
    const char *path;
    const char *data;
    size_t length;
};

/* Writes all files aside, syncs them, and only then renames them into place: all or (as far as the file system
 * allows) none. False with *why and *which set on failure; what was there before is then intact. */
bool files_write(struct arena *a, const struct file_out *files, size_t count, const char **which, const char **why);

bool folder_make(struct arena *a, const char *path, const char **why);  /* with its parents; an existing one is fine */
char *path_join(struct arena *a, const char *folder, const char *name); /* an absolute name stays as it is */
char *path_folder(struct arena *a, const char *path);                   /* "." where there is none */

#endif
