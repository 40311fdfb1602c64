/* frontend/foreign.c: words of PyTorch, NumPy and Python, and what stands for them here. */
#include <ctype.h>
#include <string.h>

#include "frontend/elab.h"

struct row {
    const char *word, *hint;
};

static const char *find(const struct row *rows, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].word, word))
            return rows[i].hint;
    return NULL;
}

#define FIND(rows, word) find(rows, sizeof(rows) / sizeof *(rows), word)

/* Whether two words are one but for capitals and underscores, as LeakyReLU, leaky_relu and leakyrelu. */
static bool spelt_alike(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

const char *foreign_operation(const char *word)
{
    static const struct row rows[] = {
        { "cat", "concat(a, b, axis = 1)" },
        { "concatenate", "concat(a, b, axis = 1)" },
        { "stack", "concat(expand_dims(a, 1), expand_dims(b, 1), axis = 1)" },
        { "chunk", "split(x, parts, axis)" },
        { "view", "reshape(x, shape)" },
        { "permute", "transpose(x, perm)" },
        { "swapaxes", "transpose(x, perm)" },
        { "unsqueeze", "expand_dims(x, axis)" },
        { "flip", "reverse(x, axis)" },
        { "expand", "broadcast_to(x, shape)" },
        { "expand_as", "broadcast_to(x, shape)" },
        { "index_select", "gather(x, index, axis)" },
        { "take", "gather(x, index, axis)" },
        { "detach", "stop_gradient(x)" },
        { "matmul", "a @ b" },
        { "mm", "a @ b" },
        { "bmm", "a @ b" },
        { "dot", "sum(a * b)" },
        { "norm", "sqrt(sum(square(x)))" },
        { "var", "m, v = moments(x, axes)" },
        { "std", "m, v = moments(x, axes); sqrt(v)" },
        { "amax", "max(x, axes)" },
        { "amin", "min(x, axes)" },
        { "maximum", "max(a, b)" },
        { "minimum", "min(a, b)" },
        { "clamp", "clip(x, lo, hi)" },
        { "relu6", "clip(x, 0, 6)" },
        { "leaky_relu", "where(x > 0, x, 0.01 * x)" },
        { "elu", "where(x > 0, x, exp(min(x, 0)) - 1)" },
        { "swish", "silu(x)" },
        { "PReLU", "where(x > 0, x, slope * x)" },
        { "hardtanh", "clip(x, -1, 1)" },
        { "hardsigmoid", "clip(x + 3, 0, 6) / 6" },
        { "hardswish", "x * clip(x + 3, 0, 6) / 6" },
        { "mish", "x * tanh(softplus(x))" },
        { "logsigmoid", "-softplus(-x)" },
        { "softmin", "softmax(-x)" },
        { "tan", "sin(x) / cos(x)" },
        { "log1p", "log(1 + x)" },
        { "expm1", "exp(x) - 1" },
        { "log2", "log(x) / log(2)" },
        { "log10", "log(x) / log(10)" },
        { "exp2", "pow(2, x)" },
        { "add", "a + b" },
        { "sub", "a - b" },
        { "mul", "a * b" },
        { "div", "a / b" },
        { "clamp_min", "max(x, lo)" },
        { "clamp_max", "min(x, hi)" },
        { "masked_fill", "where(x > 0, lo, x)" },
        { "cosine_similarity", "sum(a * b, 1) / sqrt(sum(a * a, 1) * sum(b * b, 1))" },
        { "repeat", "concat(x, x, axis = 1)" },
        { "tile", "concat(x, x, axis = 1)" },
        { "float", "f32(x)" },
        { "double", "f32(x), and netc --dtype f64" },
        { "f64", "f32(x), and netc --dtype f64" },
        { "long", "i32(x)" },
        { "i64", "i32(x)" },
        { "int", "i32(x)" },
        { "arange", "range(n)" },
        { "rand", "uniform(shape, 0, 1)" },
        { "randn", "normal(shape, 0, 1)" },
        { "rand_like", "uniform(x.shape, 0, 1)" },
        { "randn_like", "normal(x.shape, 0, 1)" },
        { "zeros_like", "zeros(x.shape)" },
        { "ones_like", "ones(x.shape)" },
        { "full_like", "full(x.shape, lo)" },
        { "Identity", "x" },
        { "dense", "x |> linear(10)" },
        { "dropout2d",
          "training ? image * f32(uniform([image.shape[0], image.shape[1], 1, 1], 0, 1) > 0.2) / 0.8 : image" },
        { "maxpool", "image |> maxpool2d(2)" },
        { "avgpool", "image |> avgpool2d(2)" },
        { "global_maxpool", "max(image, axes = [2, 3])" },
        { "GlobalMaxPooling2D", "max(image, axes = [2, 3])" },
        { "AdaptiveMaxPool2d", "max(image, axes = [2, 3])" },
        { "GlobalAveragePooling2D", "image |> global_avgpool" },
        { "sequential", "x |> linear(64) |> relu |> linear(10)" },
        { "ModuleList", "for i in 0..4 { stage[i] = linear(64); x = x |> stage[i]; }" },
        { "CrossEntropyLoss", "cross_entropy(logits, label)" },
        { "NLLLoss", "nll(logp, label)" },
        { "MSELoss", "mse(a, b)" },
        { "L1Loss", "l1(a, b)" },
        { "SmoothL1Loss", "huber(a, b)" },
        { "KLDivLoss", "kl(logp, q)" },
        { "BCELoss", "bce(logits, y), of logits" },
        { "BCEWithLogitsLoss", "bce(logits, y)" },
        { "binary_cross_entropy", "bce(logits, y), of logits" },
        { "binary_cross_entropy_with_logits", "bce(logits, y)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (spelt_alike(rows[i].word, word))
            return rows[i].hint;
    return NULL;
}

const char *foreign_member(const char *word)
{
    static const struct row rows[] = {
        { "T", "x' swaps the last two axes" },
        { "t", "x' swaps the last two axes" },
        { "mT", "x' swaps the last two axes" },
        { "size", "x.shape[1] is the size of axis 1" },
        { "dim", "x.rank is the number of axes" },
        { "ndim", "x.rank is the number of axes" },
        { "backward", "gradients are derived from the net's loss" },
        { "parameters", "all parameters are trained but those that 'freeze' names: leave it out" },
    };
    return FIND(rows, word);
}

bool is_foreign_module(const char *word)
{
    static const struct row rows[] = { { "nn", "" },    { "F", "" },    { "torch", "" }, { "np", "" },
                                       { "numpy", "" }, { "self", "" }, { "tf", "" },    { "jnp", "" },
                                       { "jax", "" },   { "init", "" }, { "optim", "" }, { "functional", "" },
                                       { "math", "" } };
    return FIND(rows, word) != NULL;
}

const char *foreign_argument(struct elab *e, const char *word, const char *const *names, size_t count)
{
    static const struct row ours[] = {
        { "dim", "axis" },
        { "dim", "axes" },
        { "dims", "axes" },
        { "padding", "pad" },
        { "num_embeddings", "entries" },
        { "start_dim", "from" },
        { "learning_rate", "lr" },
        { "rate", "p" },
        { "prob", "p" },
        { "units", "out" },
        { "filters", "channels" },
    };
    static const struct row none[] = {
        { "in_features", "sizes of what comes in are known: leave it out" },
        { "in_channels", "sizes of what comes in are known: leave it out" },
        { "num_features", "sizes of what comes in are known: leave it out" },
        { "num_channels", "sizes of what comes in are known: leave it out" },
        { "input_size", "sizes of what comes in are known: leave it out" },
        { "embed_dim", "sizes of what comes in are known: leave it out" },
        { "normalized_shape", "sizes are known: dims = 2 normalises over the last two axes, 1 where it is left out" },
        { "inplace", "nothing is changed in place: leave it out" },
        { "batch_first", "N always leads: leave it out" },
        { "reduction", "a loss is the mean: leave it out" },
        { "betas", "they are beta1 = 0.9, beta2 = 0.999" },
    };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        for (size_t k = 0; k < count && !strcmp(ours[i].word, word); k++)
            if (!strcmp(ours[i].hint, names[k]))
                return diag_meant(e->arena, names[k]);
    return FIND(none, word);
}

const char *foreign_list(struct elab *e, const char *layer, const char *formal, int items)
{
    if (strcmp(formal, "dims"))
        return NULL;
    return arena_printf(e->arena, "sizes are known, and the trailing axes counted: %s(%d)", layer, items);
}
