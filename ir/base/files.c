/* ir/base/files.c: files, read whole and written whole. */
#define _POSIX_C_SOURCE 200809L
#include "ir/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_FILE = 1 << 30 };

static bool failed(const char **why)
{
    *why = strerror(errno);
    return false;
}

/* ---- reading ---- */

/* Reads to the end in growing steps, which also does for pipes. */
static char *read_all(struct arena *a, int fd, size_t expected, size_t *length, const char **why)
{
    void *s = NULL;
    size_t capacity = 0, n = 0;

    for (;;) {
        arena_grow(a, &s, &capacity, n ? n + 2 : expected + 2, 1);
        ssize_t got = read(fd, (char *)s + n, capacity - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed(why), NULL;
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > LARGEST_FILE) {
            *why = "larger than 1 GiB";
            return NULL;
        }
    }
    ((char *)s)[n] = '\0';
    *length = n;
    return s;
}

static char *read_open(struct arena *a, int fd, size_t *length, const char **why)
{
    struct stat st;

    if (fstat(fd, &st))
        return failed(why), NULL;
    if (S_ISDIR(st.st_mode)) {
        *why = strerror(EISDIR);
        return NULL;
    }
    if (S_ISREG(st.st_mode) && st.st_size > LARGEST_FILE) {
        *why = "larger than 1 GiB";
        return NULL;
    }
    return read_all(a, fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0, length, why);
}

char *file_read(struct arena *a, const char *path, size_t *length, const char **why)
{
    if (!strcmp(path, "-"))
        return read_open(a, STDIN_FILENO, length, why);

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return failed(why), NULL;
    char *s = read_open(a, fd, length, why);
    close(fd);
    return s;
}

/* ---- writing ---- */

/* Opens a new file beside `path`; *name is what it is called until it is renamed. */
static int open_beside(struct arena *a, const char *path, const char **aside)
{
    int fd = -1;

    for (int attempt = 0; fd < 0 && attempt < 100; attempt++) {
        *aside = arena_printf(a, "%s.%ld-%d.new", path, (long)getpid(), attempt);
        fd = open(*aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

static bool write_all(int fd, const char *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = write(fd, data + done, length - done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}

/* Writes and syncs one file under another name; NULL with nothing left behind where that fails. */
static const char *write_aside(struct arena *a, const struct file_out *f, const char **why)
{
    const char *aside;
    struct stat st;

    if (!stat(f->path, &st) && S_ISDIR(st.st_mode)) {
        *why = strerror(EISDIR);
        return NULL;
    }
    int fd = open_beside(a, f->path, &aside);
    if (fd < 0)
        return failed(why), NULL;
    bool written = (write_all(fd, f->data, f->length) && !fsync(fd)) || failed(why);
    if (close(fd) && written)
        written = failed(why);
    if (!written)
        unlink(aside);
    return written ? aside : NULL;
}

static void remove_all(const char *const *aside, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        unlink(aside[i]);
}

bool files_write(struct arena *a, const struct file_out *files, size_t count, const char **which, const char **why)
{
    const char **aside = NEW_ARRAY(a, count, const char *);

    for (size_t i = 0; i < count; i++) {
        aside[i] = write_aside(a, &files[i], why);
        if (!aside[i]) {
            *which = files[i].path;
            remove_all(aside, 0, i);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (rename(aside[i], files[i].path)) {
            failed(why);
            *which = files[i].path;
            remove_all(aside, i, count);
            return false;
        }
    }
    return true;
}

/* ---- folders and paths ---- */

static bool make_one(const char *path, const char **why)
{
    struct stat st;

    if (!mkdir(path, 0777))
        return true;
    int error = errno;
    if (!stat(path, &st)) {
        if (S_ISDIR(st.st_mode))
            return true;
        *why = strerror(ENOTDIR);
        return false;
    }
    *why = strerror(error);
    return false;
}

bool folder_make(struct arena *a, const char *path, const char **why)
{
    char *part = arena_string(a, path);

    for (size_t i = 1; part[0] && part[i]; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (!make_one(part, why))
            return false;
        part[i] = '/';
    }
    return make_one(part, why);
}

char *path_join(struct arena *a, const char *folder, const char *name)
{
    size_t n = strlen(folder);

    if (name[0] == '/' || n == 0)
        return arena_string(a, name);
    return arena_printf(a, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

char *path_folder(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return arena_string(a, ".");
    return arena_stringn(a, path, slash == path ? 1 : (size_t)(slash - path));
}
