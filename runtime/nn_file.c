/* nn_file.c: files are read whole, and written aside, synced and renamed, so that after a failure of any kind the old
 * file stands as it was.
 */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700

#include "nn_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int nn_report(const struct nn_message *message, int code, const char *format, ...)
{
    if (message && message->text && message->size) {
        va_list args;
        va_start(args, format);
        vsnprintf(message->text, message->size, format, args);
        va_end(args);
    }
    return code;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

int nn_buffer_grow(struct nn_buffer *b, size_t *room)
{
    if (b->size + 1 < *room)
        return 0;
    size_t more = *room < 4096 ? 65536 : *room + *room / 2;
    unsigned char *p = more > *room ? realloc(b->data, more) : NULL;
    if (!p)
        return NN_EMEMORY;
    b->data = p;
    *room = more;
    return 0;
}

static int read_all(FILE *f, const char *path, struct nn_buffer *out, const struct nn_message *message)
{
    size_t room = 0, got = 1;
    while (got > 0) {
        if (nn_buffer_grow(out, &room))
            return nn_report(message, NN_EMEMORY, "%s: not enough memory to read the file", path);
        got = fread(out->data + out->size, 1, room - 1 - out->size, f);
        out->size += got;
    }
    if (ferror(f))
        return nn_report(message, NN_EFILE, "%s: %s", path, strerror(errno));
    out->data[out->size] = 0;
    return 0;
}

int nn_file_read_plain(const char *path, struct nn_buffer *out, const struct nn_message *message)
{
    *out = (struct nn_buffer){ NULL, 0 };
    FILE *f = fopen(path, "rb");
    if (!f)
        return nn_report(message, NN_EFILE, "%s: %s", path, strerror(errno));
    int status = read_all(f, path, out, message);
    fclose(f);
    if (status) {
        free(out->data);
        *out = (struct nn_buffer){ NULL, 0 };
    }
    return status;
}

int nn_file_read(const char *path, nn_unpack *unpack, struct nn_buffer *out, const struct nn_message *message)
{
    int status = nn_file_read_plain(path, out, message);
    if (status || out->size < 2 || out->data[0] != 0x1f || out->data[1] != 0x8b)
        return status;
    status = unpack
                 ? unpack(path, out, message)
                 : nn_report(message, NN_EUNSUPPORTED,
                             "%s: packed by gzip, and this program was built without zlib: gzip -d unpacks it", path);
    if (status) {
        free(out->data);
        *out = (struct nn_buffer){ NULL, 0 };
    }
    return status;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static char *copy_text(const char *text, const char *more)
{
    size_t n = strlen(text), k = strlen(more);
    char *p = malloc(n + k + 1);
    if (p) {
        memcpy(p, text, n);
        memcpy(p + n, more, k + 1);
    }
    return p;
}

static void writer_free(struct nn_writer *w)
{
    free(w->target);
    free(w->temporary);
    w->target = w->temporary = NULL;
    w->stream = NULL;
}

/* A new file beside the target; process and attempt make its name its own. */
static int open_beside(struct nn_writer *w, mode_t mode)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        char suffix[48];
        snprintf(suffix, sizeof suffix, ".%ld.%d.tmp", (long)getpid(), attempt);
        free(w->temporary);
        w->temporary = copy_text(w->target, suffix);
        if (!w->temporary)
            return -1;
        int fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

int nn_file_begin(struct nn_writer *w, const char *path, const struct nn_message *message)
{
    struct stat st;
    *w = (struct nn_writer){ NULL, NULL, NULL, path };
    int there = stat(path, &st) == 0;
    w->target = there ? realpath(path, NULL) : copy_text(path, ""); /* through links, to what they point at */
    if (!w->target)
        w->target = copy_text(path, "");
    if (!w->target)
        return nn_report(message, NN_EMEMORY, "%s: not enough memory", path);
    if (there && S_ISDIR(st.st_mode)) {
        writer_free(w);
        return nn_report(message, NN_EFILE, "%s: %s", path, strerror(EISDIR));
    }
    int fd;
    if (there && !S_ISREG(st.st_mode))
        fd = open(path, O_WRONLY | O_CLOEXEC);
    else
        fd = open_beside(w, 0666);
    if (fd >= 0 && there && w->temporary && fchmod(fd, st.st_mode & 07777) != 0) {
        /* the file's own rights could not be kept: the usual ones will do */
    }
    w->stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!w->stream) {
        int why = errno;
        if (fd >= 0) {
            close(fd);
            if (w->temporary)
                unlink(w->temporary);
        }
        writer_free(w);
        return nn_report(message, NN_EFILE, "%s: cannot be written: %s", path, strerror(why));
    }
    return 0;
}

void nn_file_abandon(struct nn_writer *w)
{
    if (w->stream)
        fclose(w->stream);
    if (w->temporary)
        unlink(w->temporary);
    writer_free(w);
}

/* The new name must survive a crash too. Where folders cannot be synced, nothing more can be done. */
static void sync_folder(const char *target)
{
    char *folder = copy_text(target, "");
    if (!folder)
        return;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

int nn_file_commit(struct nn_writer *w, const struct nn_message *message)
{
    int failed = 0, why = 0;
    if (fflush(w->stream) != 0 || ferror(w->stream))
        failed = 1, why = errno;
    if (!failed && w->temporary && fsync(fileno(w->stream)) != 0)
        failed = 1, why = errno;
    if (fclose(w->stream) != 0 && !failed)
        failed = 1, why = errno;
    w->stream = NULL;
    if (!failed && w->temporary && rename(w->temporary, w->target) != 0)
        failed = 1, why = errno;
    if (failed) {
        const char *path = w->path;
        nn_file_abandon(w);
        return nn_report(message, NN_EFILE, "%s: cannot be written: %s", path, strerror(why ? why : EIO));
    }
    if (w->temporary)
        sync_folder(w->target);
    writer_free(w);
    return 0;
}

void nn_file_put(struct nn_writer *w, const void *data, size_t count, size_t element_size)
{
    const uint16_t probe = 1;
    if (element_size == 1 || *(const unsigned char *)&probe == 1) {
        if (count)
            fwrite(data, element_size, count, w->stream);
        return;
    }
    const unsigned char *p = data;
    for (size_t i = 0; i < count; i++)
        for (size_t b = element_size; b-- > 0;)
            putc(p[i * element_size + b], w->stream);
}
