/* nn_checkpoint.c: checkpoints are safetensors files that hold the optimizer's tensors too, and numbers in
 * __metadata__ as hexadecimal, exact to the bit.
 */
#include "nn_safetensors.h"

#include <stdlib.h>
#include <string.h>

#define KIND        "netrt.kind"
#define FINGERPRINT "netrt.fingerprint"

enum { NUMBERS = 8 };

static const char *const number_keys[NUMBERS] = { "netrt.seed", "netrt.step", "netrt.draws", "netrt.lr",
                                                  "netrt.app0", "netrt.app1", "netrt.app2",  "netrt.app3" };

static size_t pairs_of(const char *const *meta)
{
    size_t pairs = 0;
    while (meta && meta[2 * pairs])
        pairs++;
    return pairs;
}

static void to_numbers(const nn_progress *p, uint64_t out[NUMBERS])
{
    out[0] = p->seed;
    out[1] = p->step;
    out[2] = p->draws;
    memcpy(&out[3], &p->lr, sizeof p->lr);
    memcpy(&out[4], p->app, sizeof p->app);
}

static void from_numbers(const uint64_t in[NUMBERS], nn_progress *p)
{
    p->seed = in[0];
    p->step = in[1];
    p->draws = in[2];
    memcpy(&p->lr, &in[3], sizeof p->lr);
    memcpy(p->app, &in[4], sizeof p->app);
}

int nn_checkpoint_save(const char *path, const char *fingerprint, const nn_tensor *t, size_t count,
                       const nn_tensor *extra, size_t extra_count, const nn_progress *progress, char *error,
                       size_t error_size)
{
    struct nn_message m = { error, error_size };
    uint64_t number[NUMBERS];
    char text[NUMBERS][17];
    const char **meta;
    if (error && error_size)
        *error = 0;
    if (!path || !fingerprint || !progress || (!t && count) || (!extra && extra_count))
        return nn_report(&m, NN_ENULL, "a null pointer where a path or tensors are needed");
    size_t pairs = pairs_of(progress->meta);
    if (!(meta = calloc(2 * (NUMBERS + pairs) + 5, sizeof *meta)))
        return nn_report(&m, NN_EMEMORY, "%s: not enough memory to write the file", path);
    meta[0] = KIND;
    meta[1] = "checkpoint";
    meta[2] = FINGERPRINT;
    meta[3] = fingerprint;
    to_numbers(progress, number);
    for (int i = 0; i < NUMBERS; i++) {
        snprintf(text[i], sizeof text[i], "%016llx", (unsigned long long)number[i]);
        meta[4 + 2 * i] = number_keys[i];
        meta[5 + 2 * i] = text[i];
    }
    for (size_t i = 0; i < 2 * pairs; i++)
        meta[4 + 2 * NUMBERS + i] = progress->meta[i];
    int status = nn_st_write(path, t, count, extra, extra_count, meta, &m);
    free(meta);
    return status;
}

static int read_number(const struct nn_st_file *f, const char *key, uint64_t *out, const struct nn_message *m)
{
    const char *text = nn_st_meta(f, key);
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return nn_report(m, NN_EFORMAT, "%s: damaged checkpoint: its '%s' is not 16 hexadecimal digits", f->path, key);
    *out = strtoull(text, NULL, 16);
    return 0;
}

static int read_progress(const struct nn_st_file *f, const char *fingerprint, uint64_t number[NUMBERS],
                         const struct nn_message *m)
{
    const char *kind = nn_st_meta(f, KIND), *of = nn_st_meta(f, FINGERPRINT);
    if (!kind || strcmp(kind, "checkpoint"))
        return nn_report(m, NN_EMISMATCH,
                         "%s: holds weights alone, not a checkpoint: training cannot be resumed from it", f->path);
    if (!of || strcmp(of, fingerprint))
        return nn_report(m, NN_EMISMATCH,
                         "%s: a checkpoint of another model or training setup (%.60s, and this is %.60s)", f->path,
                         of ? of : "unnamed", fingerprint);
    for (int i = 0; i < NUMBERS; i++) {
        int status = read_number(f, number_keys[i], &number[i], m);
        if (status)
            return status;
    }
    return 0;
}

int nn_checkpoint_load(const char *path, const char *fingerprint, const nn_tensor *t, size_t count,
                       const nn_tensor *extra, size_t extra_count, nn_progress *progress, char *error,
                       size_t error_size)
{
    struct nn_message m = { error, error_size };
    struct nn_st_file f;
    uint64_t number[NUMBERS];
    if (error && error_size)
        *error = 0;
    if (!path || !fingerprint || !progress || (!t && count) || (!extra && extra_count))
        return nn_report(&m, NN_ENULL, "a null pointer where a path or tensors are needed");
    int status = nn_st_open(&f, path, &m);
    if (status)
        return status;
    status = read_progress(&f, fingerprint, number, &m);
    status = status ? status : nn_st_check(&f, t, count, 1, &m);
    status = status ? status : nn_st_check(&f, extra, extra_count, 1, &m);
    if (!status) {
        nn_st_fill(&f, t, count);
        nn_st_fill(&f, extra, extra_count);
        from_numbers(number, progress);
    }
    nn_st_close(&f);
    return status;
}
