/* nn_app_words.c: the words that stand for the numbers of labels. A run that trains puts them into the weights and the
 * checkpoints it saves, one a line under "words.NAME" in the file's metadata, so that a later run numbers them alike
 * whatever order its files have.
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
    char text[512] = "";
    struct nn_message message = { text, sizeof text };
    if (w && weights && nn_st_open(&f, weights, &message)) {
        nn_app_words_free(model, w);
        nn_app_fail(model, 1, "%s", text);
        return NULL;
    }
    if (w && weights) {
        for (int i = 0; i < ports && !status; i++) {
            char key[KEY_TEXT];
            words_key(key, nn_app_port(model, i));
            const char *list = nn_st_meta(&f, key);
            status = list ? unpack_words(&w[i], list) : 0;
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

/* Whether the file may hold them: a word in no UTF-8 is said, and the file goes without. */
static int are_plain(const nn_model *model, const nn_port *p, const struct nn_words *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (!nn_json_plain(w->word[i])) {
            fprintf(stderr, "%s: what is saved goes without the words of %s: number %zu is no UTF-8\n", model->name,
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

/* A copy of a key; NULL: no memory. */
static char *key_of(const nn_port *p)
{
    char *key = malloc(KEY_TEXT);
    if (key)
        words_key(key, p);
    return key;
}

char **nn_app_words_pack(const nn_model *model, const struct nn_words *words)
{
    int ports = model->inputs + model->targets, packed = 0;
    char **pairs = calloc(2 * (size_t)ports + 2, sizeof *pairs);
    for (int i = 0; pairs && i < ports; i++) {
        const nn_port *p = nn_app_port(model, i);
        if (!are_plain(model, p, &words[i]))
            continue;
        char *key = pairs[2 * packed] = key_of(p), *text = pairs[2 * packed + 1] = pack_words(&words[i]);
        packed++;
        if (key && text)
            continue;
        free(key); /* what frees the list looks at keys */
        free(text);
        pairs[2 * packed - 2] = NULL;
        nn_app_words_drop(pairs);
        pairs = NULL;
    }
    if (!pairs)
        nn_app_fail(model, 1, "no memory");
    return pairs;
}

void nn_app_words_drop(char **pairs)
{
    for (int i = 0; pairs && pairs[i]; i++)
        free(pairs[i]);
    free(pairs);
}

int nn_app_save(const nn_model *model, void *m, char *const *words, const char *path)
{
    char error[512] = "";
    size_t count;
    if (!words[0])
        return model->save(m, path) ? nn_app_fail(model, 1, "%s", model->error(m)) : 0;
    const nn_tensor *t = model->tensors(m, &count);
    int code = nn_tensors_save(path, t, count, (const char *const *)words, error, sizeof error);
    return code ? nn_app_fail(model, 1, "%s", error) : 0;
}
