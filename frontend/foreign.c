/* frontend/foreign.c: words of PyTorch, Keras, ONNX, NumPy and Python, and what stands for them here. */
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
bool spelt_alike(const char *a, const char *b)
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

static const char *find_alike(const struct row *rows, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (spelt_alike(rows[i].word, word))
            return rows[i].hint;
    return NULL;
}

/* How an operation is written: a form (form.c). */
static const char *operation_form(const char *word)
{
#define LAYERS   "for i in 0..4 { stage[i] = linear(64); x = x |> stage[i]; }"
#define VARIANCE "mean(square(x - mean(x$, :dim|axis=$, keepdims = true))$, :dim|axis=$)"
#define BIASED   ", which divides by n, not by n - 1"
#define TIMES    "$scale_factor|size=2$"
#define LARGER                                                                                                         \
    "reshape(broadcast_to(reshape(image, [image.shape[0], image.shape[1], image.shape[2], 1, image.shape[3], 1]), "    \
    "[image.shape[0], image.shape[1], image.shape[2], " TIMES ", image.shape[3], " TIMES "]), "                        \
    "[image.shape[0], image.shape[1], image.shape[2] * " TIMES ", image.shape[3] * " TIMES "])"
    static const struct row rows[] = {
        { "cat", "concat($tensors=a, b$, axis = $dim|axis=1$)" },
        { "concatenate", "concat($tensors=a, b$, axis = $axis|dim=1$)" },
        { "stack", "concat(expand_dims(a, $dim|axis=1$), expand_dims(b, $dim|axis=1$), axis = $dim|axis=1$)" },
        { "chunk", "split(x, $chunks=parts$, $dim=axis$)" },
        { "view", "reshape(x, $shape...=shape$)" },
        { "permute", "transpose(x, $dims...=perm$)" },
        { "swapaxes", "transpose(x, perm)" },
        { "unsqueeze", "expand_dims(x, $dim|axis=axis$)" },
        { "flip", "reverse(x, $dims|dim|axis=axis$)" },
        { "expand", "broadcast_to(x, shape)" },
        { "expand_as", "broadcast_to(x, $b=x$.shape)" },
        { "index_select", "gather(x, $b=index$, $dim=axis$)" },
        { "take", "gather(x, $b=index$, $axis=axis$)" },
        { "detach", "stop_gradient(x)" },
        { "matmul", "a @ b" },
        { "mm", "a @ b" },
        { "bmm", "a @ b" },
        { "dot", "sum(a * b)" },
        { "norm", "sqrt(sum(square(x)))" },
        { "var", VARIANCE BIASED },
        { "std", "sqrt(" VARIANCE ")" BIASED },
        { "amax", "max(x, axes = $dim|axis=1$)" },
        { "amin", "min(x, axes = $dim|axis=1$)" },
        { "maximum", "max(a, b)" },
        { "minimum", "min(a, b)" },
        { "clamp", "clip(x, $min=lo$, $max=hi$)" },
        { "relu6", "clip(x, 0, 6)" },
        { "leaky_relu", "where(x > 0, x, $negative_slope|alpha=0.01$ * x)" },
        { "elu", "where(x > 0, x, $alpha=1$ * (exp(min(x, 0)) - 1))" },
        { "swish", "silu(x)" },
        { "selu", "1.0507 * where(x > 0, x, 1.67326 * (exp(min(x, 0)) - 1))" },
        { "celu", "where(x > 0, x, $alpha=1$ * (exp(min(x, 0) / $alpha=1$) - 1))" },
        { "glu", "split(x, 2, $dim=-1$)[0] * sigmoid(split(x, 2, $dim=-1$)[1])" },
        { "quick_gelu", "x * sigmoid(1.702 * x)" },
        { "softsign", "x / (1 + abs(x))" },
        { "tanhshrink", "x - tanh(x)" },
        { "hardshrink", "where(abs(x) > $lambd=0.5$, x, 0)" },
        { "threshold", "where(x > $threshold=lo$, x, $value=0$)" },
        { "activation", "x |> relu" },
        { "pi", "3.141592653589793" },
        { "inf", "1e30" },
        { "newaxis", "expand_dims(x, axis)" },
        { "PReLU", "param slope : f32[] = constant(0.25); where(x > 0, x, slope * x)" },
        { "hardtanh", "clip(x, $min_val=-1$, $max_val=1$)" },
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
        { "eq", "a == b" },
        { "equal", "a == b" },
        { "ne", "a != b" },
        { "not_equal", "a != b" },
        { "lt", "a < b" },
        { "less", "a < b" },
        { "le", "a <= b" },
        { "less_equal", "a <= b" },
        { "LessOrEqual", "a <= b" },
        { "gt", "a > b" },
        { "greater", "a > b" },
        { "ge", "a >= b" },
        { "greater_equal", "a >= b" },
        { "GreaterOrEqual", "a >= b" },
        { "logical_and", "where(x > lo, x < hi, false)" },
        { "logical_or", "where(x < lo, true, x > hi)" },
        { "logical_not", "i32(x > lo) == 0" },
        { "clamp_min", "max(x, $min=lo$)" },
        { "clamp_max", "min(x, $max=hi$)" },
        { "masked_fill", "where($b=x > 0$, $value=lo$, x)" },
        { "cosine_similarity", "sum(a * b, $dim=1$) / sqrt(sum(a * a, $dim=1$) * sum(b * b, $dim=1$))" },
        { "ReduceMean", "mean(x, $axes=axes$)" },
        { "ReduceSum", "sum(x, $axes=axes$)" },
        { "ReduceMax", "max(x, axes = $axes=1$)" },
        { "ReduceMin", "min(x, axes = $axes=1$)" },
        { "mean_squared_error", "mse(a, b)" },
        { "mean_absolute_error", "l1(a, b)" },
        { "mae", "l1(a, b)" },
        { "rmse", "sqrt(mse(a, b))" },
        { "l2", "sum(square(x))" },
        { "hinge", "mean(max(1 - a * b, 0))" },
        { "SparseCategoricalCrossentropy", "cross_entropy(logits, label)" },
        { "CategoricalCrossentropy", "-mean(sum(q * log_softmax(logits), 1))" },
        { "BinaryCrossentropy", "bce(logits, y), of logits" },
        { "softmax_cross_entropy_with_logits", "-mean(sum(q * log_softmax(logits), 1))" },
        { "repeat", "concat(x, x, axis = 1)" },
        { "tile", "concat(x, x, axis = 1)" },
        { "float", "f32(x)" },
        { "double", "f32(x), and netc --dtype f64" },
        { "f64", "f32(x), and netc --dtype f64" },
        { "long", "i32(x)" },
        { "i64", "i32(x)" },
        { "int", "i32(x)" },
        { "numel", "count(x)" },
        { "narrow", "slice(x, axis, lo, hi)" },
        { "select", "squeeze(slice(x, axis, lo, hi), axis)" },
        { "movedim", "transpose(x, perm)" },
        { "unflatten", "reshape(x, shape)" },
        { "roll", "concat(slice(x, axis, -1, n), slice(x, axis, 0, -1), axis)" },
        { "tril", "x * f32(expand_dims(range(x.shape[-2]), 1) >= expand_dims(range(x.shape[-1]), 0))" },
        { "triu", "x * f32(expand_dims(range(x.shape[-2]), 1) <= expand_dims(range(x.shape[-1]), 0))" },
        { "eye", "one_hot(range($n=n$), $n=n$)" },
        { "linspace", "lo + (hi - lo) * f32(range(n)) / (n - 1)" },
        { "arange", "range($end=n$)" },
        { "rand", "uniform($size...=shape$, 0, 1)" },
        { "randn", "normal($size...=shape$, 0, 1)" },
        { "rand_like", "uniform(x.shape, 0, 1)" },
        { "randn_like", "normal(x.shape, 0, 1)" },
        { "zeros_like", "zeros(x.shape)" },
        { "ones_like", "ones(x.shape)" },
        { "full_like", "full(x.shape, $fill_value=lo$)" },
        { "Identity", "x" },
        { "dropout2d",
          "training ? image * f32(uniform([image.shape[0], image.shape[1], 1, 1], 0, 1) > $p=0.2$) / (1 - $p=0.2$) : image" },
        { "gemm", "x |> linear(10)" },
        { "DepthwiseConv2D", "image |> conv2d(image.shape[1], 3, groups = image.shape[1])" },
        { "InstanceNormalization", "image |> instancenorm" },
        { "InstanceNorm2d", "image |> instancenorm" },
        { "AveragePool", "image |> avgpool2d(2)" },
        { "maxpool", "image |> maxpool2d($kernel_size|pool_size=2$)" },
        { "avgpool", "image |> avgpool2d($kernel_size|pool_size=2$)" },
        { "global_maxpool", "max(image, axes = [2, 3])" },
        { "GlobalMaxPooling2D", "max(image, axes = [2, 3])" },
        { "AdaptiveMaxPool2d", "max(image, axes = [2, 3])" },
        { "sequential", "x |> $layers=linear(64) |> relu |> linear(10)$" },
        { "ModuleList", LAYERS },
        { "ModuleDict", LAYERS },
        { "append", LAYERS },
        { "extend", LAYERS },
        { "add_module", LAYERS },
        { "register_module", LAYERS },
        { "setattr", LAYERS },
        { "getattr", LAYERS },
        { "upsample", LARGER },
        { "interpolate", LARGER },
        { "resize", LARGER },
        { "UpSampling2D", LARGER },
        { "UpsamplingNearest2d", LARGER },
        { "CrossEntropyLoss", "cross_entropy($a=logits$, $b=label$)" },
        { "NLLLoss", "nll($a=logp$, $b=label$)" },
        { "MSELoss", "mse(a, b)" },
        { "L1Loss", "l1(a, b)" },
        { "SmoothL1Loss", "huber(a, b)" },
        { "KLDivLoss", "kl($a=logp$, $b=q$)" },
        { "BCELoss", "bce($a=logits$, $b=y$), of logits" },
        { "BCEWithLogitsLoss", "bce($a=logits$, $b=y$)" },
        { "binary_cross_entropy", "bce(logits, $b=y$), of logits" },
        { "binary_cross_entropy_with_logits", "bce($a=logits$, $b=y$)" },
    };
    return find_alike(rows, sizeof rows / sizeof *rows, word);
}

const char *foreign_name(const char *word)
{
    static const struct row rows[] = {
        { "float", "f32" }, { "double", "f32" },           { "long", "i32" },
        { "int", "i32" },   { "detach", "stop_gradient" }, { "swish", "silu" },
    };
    return find_alike(rows, sizeof rows / sizeof *rows, word);
}

/* How what other tensors have is written, which is no operation's name. */
static const char *member_form(const char *word)
{
    static const struct row rows[] = {
        { "T", "x'" }, { "mT", "x'" }, { "size", "x.shape[$dim=1$]" }, { "dim", "x.rank" }, { "ndim", "x.rank" },
    };
    return FIND(rows, word);
}

/* What has no operation in its place. Statements and operations within quotes are as they are written. */
static const char *sentence_of(const char *word)
{
#define WINDOWS "no pool takes volumes: windows side by side become axes"
#define WINDOW                                                                                                         \
    "reshape(volume, [volume.shape[0], volume.shape[1], volume.shape[2] / 2, 2, volume.shape[3] / 2, 2, volume.shape[4] / 2, 2])"
#define SORTS     "nothing sorts: 'max(x, axes = 1)' is the largest, 'argmax(x, 1)' where it stands"
#define METRICS   "a metric is any scalar, and 'accuracy(logits, label)' the one that is there"
#define MADE      "numbers stand as they are, and 'zeros(shape)', 'full(shape, 1)', 'f32(range(n))' make tensors"
#define STEPS     "a layer runs over all steps, as in 'steps |> lstm(8)'; a step of one's own stands in a scan"
#define BUILT     "it is made of multi_head_attention, layernorm and linear, in a block of the file"
#define DECLARED  "it is declared: 'param weight : f32[3, 4] = kaiming_uniform;'"
#define ELSEWHERE "a net runs where its C does: leave it out"
#define RESULT    "'output shown = x;' makes a value one of the net's results"
    static const struct row rows[] = {
        { "data", "a parameter, as any tensor, is its own data: leave it out" },
        { "dtype", "'f32(x)' and 'i32(x)' convert" },
        { "type", "'f32(x)' and 'i32(x)' convert" },
        { "astype", "'f32(x)' and 'i32(x)' convert" },
        { "cast", "'f32(x)' and 'i32(x)' convert" },
        { "normalize", "over an axis it is 'x / sqrt(sum(square(x), 1, keepdims = true))'" },
        { "max", "over axes it is 'max(x, axes = 1)', of two tensors 'max(a, b)'" },
        { "min", "over axes it is 'min(x, axes = 1)', of two tensors 'min(a, b)'" },
        { "where", "it is 'where(x > 0, x, lo)'" },
        { "split",
          "it is 'split(x, 2, axis)', with how many parts there are, or 'split(x, [1, 3], axis)', with their sizes" },
        { "gather",
          "places that each sample has are 'take_along_axis(x, index, axis)', the same of all 'gather(x, index, axis)'" },
        { "pad", "it is 'pad(x, [[0, 0], [1, 1]])', one [before, after] for every axis" },
        { "map", "a block or a layer is applied by its name: f(x), or x |> f" },
        { "f1", METRICS },
        { "f1_score", METRICS },
        { "precision", METRICS },
        { "recall", METRICS },
        { "auc", METRICS },
        { "topk_accuracy", METRICS },
        { "top_k_categorical_accuracy", METRICS },
        { "tensor", MADE },
        { "array", MADE },
        { "from_numpy", MADE },
        { "constant", MADE },
        { "LSTMCell", STEPS },
        { "GRUCell", STEPS },
        { "RNNCell", STEPS },
        { "Transformer", BUILT },
        { "TransformerEncoder", BUILT },
        { "TransformerEncoderLayer", BUILT },
        { "TransformerDecoderLayer", BUILT },
        { "einsum", "products are 'a @ b', batched over leading axes: transpose brings axes there" },
        { "maxpool3d", WINDOWS ", as in 'max(" WINDOW ", axes = [3, 5, 7])'" },
        { "avgpool3d", WINDOWS ", as in 'mean(" WINDOW ", axes = [3, 5, 7])'" },
        { "conv_transpose3d", "of volumes there is conv3d, and no convolution back: 'conv_transpose2d' takes images" },
        { "topk", SORTS },
        { "sort", SORTS },
        { "argsort", SORTS },
        { "backward", "gradients are derived from the net's loss" },
        { "grad", "gradients are derived from the net's loss" },
        { "zero_grad", "gradients are derived from the net's loss: leave it out" },
        { "no_grad", "no gradient passes 'stop_gradient(x)', and none is computed for what 'freeze' names" },
        { "requires_grad", "all parameters are trained but those that 'freeze' names: leave it out" },
        { "parameters", "all parameters are trained but those that 'freeze' names: leave it out" },
        { "clip_grad_norm", "it is an argument of the optimizer: 'optimizer adam(clip_norm = 1);'" },
        { "lr_scheduler", SCHEDULE_HINT },
        { "scheduler", SCHEDULE_HINT },
        { "MultiStepLR", SCHEDULE_HINT },
        { "PiecewiseConstantDecay", SCHEDULE_HINT },
        { "LambdaLR", SCHEDULE_HINT },
        { "ReduceLROnPlateau", SCHEDULE_HINT },
        { "Parameter", DECLARED },
        { "add_weight", DECLARED },
        { "Variable", DECLARED },
        { "Buffer", "it is declared: 'state seen : f32[3] = zeros;'" },
        { "register_buffer", "it is declared: 'state seen : f32[3] = zeros;'" },
        { "Input", "it is declared: 'input given : f32[N, 3];'" },
        { "placeholder", "it is declared: 'input given : f32[N, 3];'" },
        { "print", "nothing is printed as a net runs: " RESULT },
        { "assert", "shapes are checked as the net is compiled: leave it out" },
        { "cuda", ELSEWHERE },
        { "cpu", ELSEWHERE },
        { "to", ELSEWHERE },
        { "device", ELSEWHERE },
        { "contiguous", "where values lie is the compiler's business: leave it out" },
        { "clone", "nothing is changed in place: leave it out" },
        { "copy", "nothing is changed in place: leave it out" },
        { "item", RESULT },
        { "numpy", RESULT },
        { "fit", "training is the generated program's, netc --emit=c,app: leave it out" },
        { "train",
          "training is the generated program's, netc --emit=c,app, and 'training' tells which graph it is: leave it out" },
        { "eval", "'training' tells which graph it is: leave it out" },
        { "compile", "losses, metrics and the optimizer are statements: 'loss mean(x); optimizer adam(lr = 1e-3);'" },
        { "summary", "netc --emit html shows the net: leave it out" },
        { "manual_seed", "the generated program takes a seed: leave it out" },
        { "load_state_dict", "weights are read by the generated program: leave it out" },
        { "state_dict", "weights are written by the generated program: leave it out" },
        { "super", "a net needs no object: leave it out" },
        { "forward", "a net's statements are what it computes: leave it out" },
        { "enumerate", "a loop counts, as in 'for i in 0..4 { x = x + i; }'" },
        { "zip", "a loop counts, as in 'for i in 0..4 { x = x + i; }'" },
    };
    return find_alike(rows, sizeof rows / sizeof *rows, word);
}

const char *foreign_setting(const char *word)
{
    static const struct row rows[] = {
        { "batch_size", "the batch dimension is declared: batch N = 32;" },
        { "learning_rate", "it stands in the optimizer's call: optimizer adam(lr = 1e-3);" },
        { "epochs", "the generated program is told: train --epochs 10" },
        { "num_epochs", "the generated program is told: train --epochs 10" },
        { "metrics", "a metric is a statement: metric accuracy = accuracy(logits, label);" },
        { "device", "a net runs where its C does: leave it out" },
        { "seed", "the generated program is told: train --seed 1" },
    };
    return find_alike(rows, sizeof rows / sizeof *rows, word);
}

const char *foreign_init(struct elab *e, const char *word)
{
    static const struct row rows[] = {
        { "he_normal", "kaiming_normal" },
        { "he_uniform", "kaiming_uniform" },
        { "glorot_normal", "xavier_normal" },
        { "glorot_uniform", "xavier_uniform" },
        { "lecun_normal", "kaiming_normal(nonlinearity = \"linear\")" },
        { "lecun_uniform", "kaiming_uniform(nonlinearity = \"linear\")" },
        { "random_normal", "normal(0, 0.05)" },
        { "truncated_normal", "normal(0, 0.02)" },
        { "trunc_normal", "normal(0, 0.02)" },
        { "random_uniform", "uniform(-0.05, 0.05)" },
        { "randn", "normal(0, 1)" },
        { "rand", "uniform(0, 1)" },
        { "full", "constant(0.5)" },
        { "empty", "zeros" },
    };
    const char *form = find_alike(rows, sizeof rows / sizeof *rows, word);
    return form ? arena_printf(e->arena, "it is written %s", form) : NULL;
}

const char *foreign_schedule(const char *word)
{
    static const struct row rows[] = {
        { "StepLR", "step(0.1, every = 1000, gamma = 0.5)" },
        { "ExponentialLR", "step(0.1, every = 1000, gamma = 0.9)" },
        { "ExponentialDecay", "step(0.1, every = 1000, gamma = 0.9)" },
        { "CosineAnnealingLR", "cosine(0.1, steps = 10000)" },
        { "CosineDecay", "cosine(0.1, steps = 10000)" },
        { "CosineAnnealing", "cosine(0.1, steps = 10000)" },
        { "CosineAnnealingWarmRestarts", "cosine(0.1, steps = 10000)" },
        { "get_cosine_schedule_with_warmup", "cosine(0.1, steps = 10000, warmup = 500)" },
        { "OneCycleLR", "cosine(0.1, steps = 10000, warmup = 500)" },
        { "LinearLR", "linear(0.1, steps = 10000)" },
        { "PolynomialLR", "linear(0.1, steps = 10000)" },
        { "PolynomialDecay", "linear(0.1, steps = 10000)" },
        { "get_linear_schedule_with_warmup", "linear(0.1, steps = 10000, warmup = 500)" },
        { "ConstantLR", "constant(0.1)" },
    };
    const char *form = find_alike(rows, sizeof rows / sizeof *rows, word);
    return form ? form : is_schedule(word) ? word : NULL;
}

/* Whether it is what is called in its turn that makes the value: nn.MSELoss()(a, b). */
static bool is_made_first(const char *word)
{
    size_t length = strlen(word);
    return length > 4 && !strcmp(word + length - 4, "Loss");
}

static const char *written(struct elab *e, const char *word, const char *form, const struct usage *u)
{
    if (form && u && u->outer && !u->piped && is_made_first(word)) {
        const struct usage both = { .call = u->outer };
        return arena_printf(e->arena, "it is written %s, without the call before it",
                            form_filled(e, form, &both, false));
    }
    static const struct usage nowhere = { .call = NULL };
    const char *chain = form && u && u->piped ? form_chained(e, word, form, u) : NULL;

    if (!form || chain)
        return chain;
    return arena_printf(e->arena, "it is written %s", form_filled(e, form, u ? u : &nowhere, false));
}

const char *foreign_operation(struct elab *e, const char *word, const struct usage *u)
{
    return written(e, word, operation_form(word), u);
}

/* normal_, zeros_, fill_ and others that set a parameter in place. */
static bool sets_in_place(struct elab *e, const char *word)
{
    static const char others[] = "fill|copy|zero";
    size_t length = strlen(word);
    const char *stem = length ? arena_stringn(e->arena, word, length - 1) : "";

    return length && word[length - 1] == '_' &&
           (is_initialiser(stem) || foreign_init(e, stem) || is_among(others, strlen(others), stem));
}

const char *foreign_hint(struct elab *e, const char *word, const struct usage *u)
{
    if (sets_in_place(e, word))
        return BEGINS_HINT;
    const char *sentence = sentence_of(word), *form = member_form(word);

    if (sentence)
        return u && u->object ? form_filled(e, sentence, u, true) : sentence;
    form = written(e, word, form ? form : operation_form(word), u);
    if (form)
        return form;
    form = foreign_schedule(word);
    if (form)
        return arena_printf(e->arena, "a schedule stands as lr = %s%s", form,
                            strchr(form, '(') ? " and counts steps, not epochs" : "(...)");
    form = optimizer_named(word);
    return form ? arena_printf(e->arena, "optimizer %s(...); is a statement", form) : NULL;
}

bool is_foreign_module(const char *word)
{
    static const char words[] =
        "nn|F|torch|np|numpy|self|tf|jnp|jax|init|optim|functional|math|keras|layers|lr_scheduler|tfa|"
        "onnx|activations|losses|optimizers|nnx|optax|model|torchvision|models|tensorflow|flax|einops|"
        "os|sys|time|random|lightning|pytorch_lightning|matplotlib|transformers|tqdm";

    return is_among(words, strlen(words), word);
}

/* The one of these names that stands for an argument of another library; NULL: none does. */
static const char *named_here(const char *word, const char *const *names, size_t count)
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
        { "strides", "stride" },
        { "pool_size", "kernel" },
        { "axis", "axes" },
        { "output_size", "size" },
        { "input_dim", "entries" },
        { "output_dim", "dim" },
        { "embedding_dim", "dim" },
        { "padding_idx", "padding_index" },
        { "epsilon", "eps" },
        { "use_bias", "bias" },
        { "elementwise_affine", "affine" },
        { "track_running_stats", "track" },
        { "kernel_initializer", "weight_init" },
        { "bias_initializer", "bias_init" },
        { "is_causal", "causal" },
        { "rho", "alpha" },
        { "wd", "weight_decay" },
        { "max_norm", "clip_norm" },
        { "max_grad_norm", "clip_norm" },
        { "clipnorm", "clip_norm" },
        { "global_clipnorm", "clip_norm" },
    };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        for (size_t k = 0; k < count && !strcmp(ours[i].word, word); k++)
            if (!strcmp(ours[i].hint, names[k]))
                return names[k];
    return NULL;
}

const char *foreign_argument(struct elab *e, const char *word, const char *const *names, size_t count)
{
#define FALLS "a rate that falls is a schedule: lr = step(0.1, every = 1000, gamma = 0.5)"
#define DROPS "dropout is a layer of its own, behind this one or between two of them: x |> dropout(0.1)"
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
        { "activation", "an activation stands behind: x |> linear(64) |> relu" },
        { "input_shape", "sizes of what comes in are known: leave it out" },
        { "input_dim", "sizes of what comes in are known: leave it out" },
        { "return_sequences", "y, h = x |> lstm(8): the first has all steps, h the last" },
        { "return_state", "y, h = x |> lstm(8): the first has all steps, h the last" },
        { "device", "a net runs where its C does: leave it out" },
        { "dtype", "all reals are f32, and all f64 with netc --dtype f64: leave it out" },
        { "name", "a layer bound to a name carries it: fc1 = linear(64)" },
        { "data_format", "channels stand at axis 1, or last where layout = \"nhwc\"" },
        { "ceil_mode", "windows that do not fit are left out, or fit with more pad behind: pad = [[0, 1], [0, 1]]" },
        { "kernel_regularizer",
          "weights decay in the optimizer, weight_decay = 1e-4, or as a loss: loss 1e-4 * sum(square(w))" },
        { "lr_decay", FALLS },
        { "decay", FALLS },
        { "schedule", FALLS },
        { "scheduler", FALLS },
        { "lr_scheduler", FALLS },
        { "lr_schedule", FALLS },
        { "step_size", FALLS },
        { "warmup", FALLS },
        { "warmup_steps", FALLS },
        { "total_steps", FALLS },
        { "dropout", DROPS },
        { "dropout_rate", DROPS },
        { "recurrent_dropout", DROPS },
        { "proj_size", "a linear layer behind it projects: y |> linear(8)" },
        { "params", "all parameters are trained but those that 'freeze' names: leave it out" },
    };
    const char *here = named_here(word, names, count);
    return here ? diag_meant(e->arena, here) : FIND(none, word);
}

/* truth: it is true or false here. A 1 by its place may be a size. */
const char *foreign_value(struct elab *e, const char *formal, const struct val *v, bool truth, bool named)
{
    static const struct {
        const char *formal, *value, *here;
    } rows[] = {
        { "approximate", "true", "\"tanh\"" },
        { "approximate", "false", "\"none\"" },
        { "bias", "none", "false" },
        { "pad", "valid", "0" },
        { "pad", "VALID", "0" },
        { "pad", "SAME", "\"same\"" },
        { "layout", "NCHW", "\"nchw\"" },
        { "layout", "NHWC", "\"nhwc\"" },
    };
    const char *text = v->kind == V_NONE ? "none" : v->kind == V_BOOL || v->kind == V_STRING ? val_text(e, v) : "";

    if (truth && v->kind == V_INT && (v->i == 0 || (v->i == 1 && named)))
        return arena_printf(e->arena, "%s = %s", formal, v->i ? "true" : "false");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].formal, formal) && !strcmp(rows[i].value, text))
            return arena_printf(e->arena, "%s = %s", formal, rows[i].here);
    return NULL;
}

const char *argument_here(struct elab *e, const char *callee, const char *word)
{
    int count;
    const char **names = formal_names(e, callee, &count), *here = named_here(word, names, (size_t)count);

    for (int i = 0; i < count && !here; i++)
        here = strcmp(names[i], word) ? NULL : word;
    here = here ? here : diag_nearest(word, names, (size_t)count);
    return here ? here : word;
}

const char *foreign_list(struct elab *e, const char *layer, const char *formal, int items)
{
    if (strcmp(formal, "dims"))
        return NULL;
    return arena_printf(e->arena, "sizes are known, and the trailing axes counted: %s(%d)", layer, items);
}
