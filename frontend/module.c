/* frontend/module.c: calls of layers and operations by their classes and modules elsewhere, nn.Conv2d(3, 16, 3, padding = 1): the
 * call that is meant here, conv2d(16, 3, pad = 1). */
#include <string.h>

#include "frontend/elab.h"

/* Classes that are told the size of what comes in, or all that stands behind it in another order. */
static const struct class
{
    const char *words;  /* as they are spelt elsewhere */
    int size;           /* which argument by place is that size; -1: none */
    int least;          /* how many there are at least, where it is given; without defaults by name are counted, too */
    const char *places; /* what those behind it are called here, in their order; NULL: as here */
} classes[] = {
    { "Linear", 0, 2, NULL },
    { "Conv1d|Conv2d|Conv3d|ConvTranspose1d|ConvTranspose2d", 0, 3, NULL },
    { "BatchNorm1d|BatchNorm2d|BatchNorm3d|batchnorm1d|batchnorm2d|batchnorm3d", 0, 1, "eps|momentum|affine|track" },
    { "LayerNorm|layer_norm", 0, 1, "eps|affine" },
    { "RMSNorm", 0, 1, "eps" },
    { "GroupNorm|group_norm", 1, 2, "groups|eps|affine" },
    { "LSTM|GRU|RNN", 0, 2, "hidden|layers|bias" },
    { "MultiheadAttention", 0, 2, "heads" },
};

const char *layer_here(struct elab *e, const char *word)
{
    static const char *const rows[][2] = {
        { "Dense", "linear" },
        { "MaxPooling1D", "maxpool1d" },
        { "MaxPooling2D", "maxpool2d" },
        { "AveragePooling1D", "avgpool1d" },
        { "AveragePooling2D", "avgpool2d" },
        { "GlobalAveragePooling1D", "global_avgpool" },
        { "GlobalAveragePooling2D", "global_avgpool" },
        { "BatchNormalization", "batchnorm" },
        { "LayerNormalization", "layernorm" },
        { "GroupNormalization", "groupnorm" },
        { "Conv1DTranspose", "conv_transpose1d" },
        { "Conv2DTranspose", "conv_transpose2d" },
        { "SimpleRNN", "rnn" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (spelt_alike(rows[i][0], word))
            return name(e->names, rows[i][1]);
    return NULL;
}

static const struct class *class_of(const char *word)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (is_among(classes[i].words, strlen(classes[i].words), word))
            return &classes[i];
    return NULL;
}

bool is_class(const char *word)
{
    return class_of(word);
}

/* Number k of the names that are separated by '|'; NULL where there are fewer. */
static const char *word_of(struct elab *e, const char *names, int k)
{
    for (; *names && k; k--)
        names += strcspn(names, "|") + (names[strcspn(names, "|")] == '|');
    return *names ? name_printf(e->names, "%.*s", (int)strcspn(names, "|"), names) : NULL;
}

static bool is_constant_of(struct elab *e, const char *callee, const char *word, bool required)
{
    const struct val *v = look_up(e, callee, true);
    const struct ast *tree = v && v->kind == V_BLOCK ? v->block->tree : NULL;

    for (int i = 0; tree && i < tree->items; i++)
        if (!strcmp(tree->item[i]->text, word))
            return !required || (tree->item[i]->flag && !tree->item[i]->a);
    return !tree && !required && !strcmp(argument_here(e, callee, word), word);
}

/* Whether the call gives the size of what comes in. */
static bool gives_size(struct elab *e, const struct class *c, const char *callee, const struct ast *call)
{
    int given = 0;

    for (int i = 0; i < call->items; i++) {
        const struct ast *x = call->item[i];
        given += x->kind != A_ARG || is_constant_of(e, callee, argument_here(e, callee, x->text), true);
    }
    return c->size >= 0 && call->items && call->item[0]->kind != A_ARG && given >= c->least;
}

/* True, False and None of Python are the language's words but for a capital. */
static struct ast *value_here(struct elab *e, const struct ast *x)
{
    static const struct {
        const char *word;
        enum ast_kind kind;
    } words[] = { { "True", A_TRUE }, { "False", A_FALSE }, { "None", A_NONE } };
    struct ast *value = NEW(e->arena, struct ast);

    *value = *x;
    value->kind = x->kind == A_TUPLE && is_literal(x->item[0]) ? A_LIST : x->kind; /* (3, 3) */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (x->kind == A_NAME && !strcmp(words[i].word, x->text) && !look_up(e, x->text, false))
            value->kind = words[i].kind;
    return value;
}

/* An argument by this name. */
static struct ast *named(struct elab *e, const char *word, const struct ast *x)
{
    struct ast *argument = NEW(e->arena, struct ast);

    *argument = (struct ast){ .kind = A_ARG, .at = x->at, .text = name(e->names, word) };
    argument->a = value_here(e, x->kind == A_ARG ? x->a : x);
    return argument;
}

/* Of an argument elsewhere that is nothing here, and is left out without loss: device, inplace. */
static bool is_needless(struct elab *e, const char *callee, const char *word)
{
    int count;
    const char **names = formal_names(e, callee, &count), *said = foreign_argument(e, word, names, (size_t)count);
    return said && strstr(said, "leave it out");
}

/* What an argument is here, or what it is there; NULL: it is left out. place: of those that have no name. */
static struct ast *argument_of(struct elab *e, const struct class *c, const char *callee, const struct ast *x,
                               int place)
{
    if (x->kind == A_ARG) {
        const char *here = argument_here(e, callee, x->text);
        return is_constant_of(e, callee, here, false) ? named(e, here, x)
               : is_needless(e, callee, x->text)      ? NULL
                                                      : (struct ast *)x;
    }
    const char *word = c && c->places ? word_of(e, c->places, place) : NULL;
    if (c && c->places)
        return word ? named(e, word, x) : NULL;
    return value_here(e, x);
}

/* An activation within a layer, activation = "relu": its name here; "": none. */
static const char *activation_of(struct elab *e, const struct ast *x)
{
    const char *here = x->a->kind == A_STRING ? foreign_name(x->a->text) : NULL, *word = here ? here : x->a->text;
    bool known = look_up(e, word, true) || builtin_find(word);

    return (x->a->kind == A_STRING || x->a->kind == A_NAME) && known && strcmp(word, "linear") ? word : "";
}

/* layernorm([7, 12]) elsewhere counts the trailing axes here. */
static struct ast *axes_of(struct elab *e, const struct ast *sizes)
{
    struct ast *count = NEW(e->arena, struct ast);

    *count = (struct ast){ .kind = A_INT, .at = sizes->at, .i = sizes->items };
    return count;
}

struct ast *call_here(struct elab *e, const char *word, const char *callee, const struct ast *call)
{
    const struct class *c = class_of(word);
    struct ast *here = NEW(e->arena, struct ast);
    int place = 0, behind = 0;

    *here = (struct ast){ .kind = A_CALL, .at = call->at, .text = "" };
    here->item = NEW_ARRAY(e->arena, call->items + 1, struct ast *);
    bool size = c && gives_size(e, c, callee, call);
    for (int i = 0; i < call->items; i++) {
        const struct ast *x = call->item[i];
        if (x->kind == A_ARG && !strcmp(x->text, "activation") && !is_constant_of(e, callee, x->text, false)) {
            here->text = activation_of(e, x);
            continue;
        }
        bool out = x->kind != A_ARG && place++ == (c ? c->size : -1) && size;
        bool several = out && (x->kind == A_LIST || x->kind == A_TUPLE) && x->items > 1;
        struct ast *argument = !out      ? argument_of(e, size ? c : NULL, callee, x, x->kind == A_ARG ? 0 : behind++)
                               : several ? axes_of(e, x)
                                         : NULL;
        if (argument)
            here->item[here->items++] = argument;
    }
    return here;
}

const char *call_here_text(struct elab *e, const char *callee, const struct ast *call, const char *before)
{
    struct text t = text_make(e->arena);

    text_puts(&t, *call->text ? before : "");
    if (!call->items)
        text_puts(&t, callee);
    else if (!say_call_of(e, &t, callee, call))
        return NULL;
    if (*call->text)
        text_add(&t, " |> %s", call->text);
    return text_string(&t);
}

const char *applied_to(struct elab *e, const struct ast *tensors, bool piped)
{
    struct text t = text_make(e->arena);
    bool one = tensors && tensors->items == 1 && tensors->item[0]->kind != A_ARG;

    if (piped)
        return "";
    if (!one || !say_operand(e, &t, tensors->item[0]))
        return "x |> ";
    text_puts(&t, " |> ");
    return text_string(&t);
}
