/* nn_app_words.c: the words that stand for the numbers of labels. A run that trains puts them into the weights it saves, one
 * a line under "words.NAME" in the file's metadata, so that a later run numbers them alike whatever order its files have.
 */
#include "nn_app.h"
#include "nn_json.h"
#include "nn_safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_TEXT = 128 };

static void words_key(char key[KEY_TEXT], const nn_port *p)
{
    snprintf(key, KEY_TEXT, "words.%.100s", p->name);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int unpack_words(struct nn_words *w, const char *text)
{
    int status = 0;
    while (*text && !status) {
        size_t n = strcspn(text, "\n");
        status = nn_words_number(w, text, n) < 0;
        text += n + (text[n] != 0);
    }
    return status;
}

struct nn_words *nn_app_words_new(const nn_model *model, const char *weights)
{
    int ports = model->inputs + model->targets, status = 0;
    struct nn_words *w = calloc((size_t)ports + 1, sizeof *w);
    struct nn_st_file f;
    /* a file that cannot be read is complained about by who reads its tensors */
    if (w && weights && !nn_st_open(&f, weights, NULL)) {
        for (int i = 0; i < ports && !status; i++) {
            char key[KEY_TEXT];
            words_key(key, nn_app_port(model, i));
            const char *text = nn_st_meta(&f, key);
            status = text ? unpack_words(&w[i], text) : 0;
        }
        nn_st_close(&f);
    }
    if (w && !status)
        return w;
    nn_app_words_free(model, w);
    nn_app_fail(model, 1, w ? "%s: its words are too many or too long" : "no memory", weights);
    return NULL;
}

void nn_app_words_free(const nn_model *model, struct nn_words *w)
{
    for (int i = 0; w && i < model->inputs + model->targets; i++)
        nn_words_free(&w[i]);
    free(w);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Whether the file may hold them: a word in no UTF-8 is said, and the weights go without. */
static int are_plain(const nn_model *model, const nn_port *p, const struct nn_words *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (!nn_json_plain(w->word[i])) {
            fprintf(stderr, "%s: the weights are saved without the words of %s: number %zu is no UTF-8\n", model->name,
                    p->name, i);
            return 0;
        }
    return w->count > 0;
}

/* The list as one text, malloc'ed; NULL: no memory. */
static char *pack_words(const struct nn_words *w)
{
    size_t room = 1;
    for (size_t i = 0; i < w->count; i++)
        room += strlen(w->word[i]) + 1;
    char *text = malloc(room), *to = text;
    for (size_t i = 0; text && i < w->count; i++)
        to += sprintf(to, i ? "\n%s" : "%s", w->word[i]);
    return text;
}

int nn_app_save(const nn_model *model, void *m, const struct nn_words *words, const char *path)
{
    int ports = model->inputs + model->targets, packed = 0, code = 0;
    char error[512] = "", (*key)[KEY_TEXT] = calloc((size_t)ports + 1, sizeof *key);
    char **pairs = calloc(2 * (size_t)ports + 2, sizeof *pairs);
    int room = key && pairs;
    for (int i = 0; room && i < ports; i++) {
        const nn_port *p = nn_app_port(model, i);
        if (!are_plain(model, p, &words[i]))
            continue;
        char *text = pack_words(&words[i]);
        room = text != NULL;
        if (!room)
            break;
        words_key(key[packed], p);
        pairs[2 * packed] = key[packed];
        pairs[2 * packed++ + 1] = text;
    }
    if (!room) {
        code = NN_EMEMORY;
        snprintf(error, sizeof error, "no memory");
    } else if (packed) {
        size_t count;
        const nn_tensor *t = model->tensors(m, &count);
        code = nn_tensors_save(path, t, count, (const char *const *)pairs, error, sizeof error);
    } else {
        code = model->save(m, path);
    }
    while (packed)
        free(pairs[2 * --packed + 1]);
    free(pairs);
    free(key);
    return code ? nn_app_fail(model, 1, "%s", *error ? error : model->error(m)) : 0;
}
