/* runtime_app.c: the generated program's body, driven with a small model written by hand: a linear softmax classifier
 * of four reals into three classes, trained by plain gradient descent. What it prints goes to a file, so that it can
 * be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "netrt.h"

/* --- the model ---------------------------------------------------------------------------------------------------- */

enum { FEATURES = 4, CLASSES = 3, WEIGHTS = FEATURES * CLASSES, BATCH = 8 };

typedef double real;

struct toy {
    real weight[WEIGHTS], bias[CLASSES], grad[16], state[1];
    nn_tensor tensor[3];
    nn_progress progress;
    int accumulated;
    char error[256];
};

static const int64_t shape_weight[] = { CLASSES, FEATURES }, shape_bias[] = { CLASSES }, shape_one[] = { 1 };
static const int64_t shape_x[] = { -1, FEATURES }, shape_label[] = { -1 }, shape_logits[] = { -1, CLASSES };

static double wrong_gradient; /* added to one gradient, for the test of `check` */
static int interrupt_at = -1; /* the step that raises SIGINT */
static int wordless;          /* checkpoints as they were before they held words */
static int sumless;           /* ... or a check sum of the samples */
static int bare;              /* a model without parameters and states */
static long slow;             /* nanoseconds that writing a checkpoint takes, or evaluating, besides */

static void *toy_create(uint64_t seed)
{
    struct toy *m = nn_alloc(sizeof *m);
    memset(m, 0, sizeof *m);
    for (int i = 0; i < WEIGHTS; i++)
        m->weight[i] = (double)((seed + 1) * (unsigned)(i + 3) * 7919 % 101) / 101 - 0.5;
    m->tensor[0] = (nn_tensor){ "weight", NN_F64, NN_PARAM, 2, shape_weight, m->weight, m->grad };
    m->tensor[1] = (nn_tensor){ "bias", NN_F64, NN_PARAM, 1, shape_bias, m->bias, m->grad + WEIGHTS };
    m->tensor[2] = (nn_tensor){ "seen", NN_F64, NN_STATE, 1, shape_one, m->state, NULL };
    m->progress.seed = seed;
    m->progress.lr = -1;
    return m;
}

static void toy_logits(const struct toy *m, const real *x, real *y)
{
    for (int c = 0; c < CLASSES; c++) {
        y[c] = m->bias[c];
        for (int k = 0; k < FEATURES; k++)
            y[c] += m->weight[c * FEATURES + k] * x[k];
    }
}

static int check(struct toy *m, int n, const int32_t *label)
{
    if (n < 1 || n > BATCH)
        return NN_EBATCH;
    for (int i = 0; label && i < n; i++)
        if (label[i] < 0 || label[i] >= CLASSES) {
            snprintf(m->error, sizeof m->error, "label: element %d is outside 0..%d", i, CLASSES - 1);
            return NN_EINDEX;
        }
    return 0;
}

static int toy_infer(void *v, int n, const void *const *in, void *const *out)
{
    int code = check(v, n, NULL);
    for (int i = 0; i < n && !code; i++) {
        real *y = (real *)out[0] + i * CLASSES;
        int32_t best = 0;
        toy_logits(v, (const real *)in[0] + i * FEATURES, y);
        for (int c = 1; c < CLASSES; c++)
            best = y[c] > y[best] ? c : best;
        ((int32_t *)out[1])[i] = ((int32_t *)out[2])[i] = best;
    }
    return code;
}

/* Probabilities, and the sample's loss. */
static real softmax(real *y, int label)
{
    real sum = 0, chosen = y[label];
    for (int c = 0; c < CLASSES; c++)
        sum += exp(y[c]);
    for (int c = 0; c < CLASSES; c++)
        y[c] = exp(y[c]) / sum;
    return log(sum) - chosen;
}

static int toy_accumulate(void *v, int n, const void *const *in, void *loss)
{
    struct toy *m = v;
    const real *x = in[0];
    const int32_t *label = in[1];
    real total = 0;
    int code = check(m, n, label);
    for (int i = 0; i < n && !code; i++, x += FEATURES) {
        real y[CLASSES];
        toy_logits(m, x, y);
        total += softmax(y, label[i]) / n;
        for (int c = 0; c < CLASSES; c++) {
            real d = (y[c] - (c == label[i])) / n;
            m->grad[WEIGHTS + c] += d;
            for (int k = 0; k < FEATURES; k++)
                m->grad[c * FEATURES + k] += d * x[k];
        }
    }
    if (code)
        return code;
    m->grad[2] += wrong_gradient;
    m->state[0] += 1;
    m->accumulated++;
    m->progress.draws++;
    if (loss)
        *(real *)loss = total;
    return 0;
}

static int toy_apply(void *v)
{
    struct toy *m = v;
    double lr = m->progress.lr >= 0 ? m->progress.lr : 0.5;
    if (!m->accumulated)
        return NN_ESTATE;
    for (int i = 0; i < WEIGHTS; i++)
        m->weight[i] -= lr * m->grad[i];
    for (int i = 0; i < CLASSES; i++)
        m->bias[i] -= lr * m->grad[WEIGHTS + i];
    memset(m->grad, 0, sizeof m->grad);
    m->accumulated = 0;
    if ((int)++m->progress.step == interrupt_at)
        raise(SIGINT);
    return 0;
}

static int toy_step(void *m, int n, const void *const *in, void *loss)
{
    int code = toy_accumulate(m, n, in, loss);
    return code ? code : toy_apply(m);
}

static int toy_eval(void *v, int n, const void *const *in, void *loss, void *metrics)
{
    const real *x = in[0];
    const int32_t *label = in[1];
    real total = 0, right = 0;
    int code = check(v, n, label);
    nanosleep(&(struct timespec){ 0, slow }, NULL);
    for (int i = 0; i < n && !code; i++) {
        real y[CLASSES];
        int best = 0;
        toy_logits(v, x + i * FEATURES, y);
        for (int c = 1; c < CLASSES; c++)
            best = y[c] > y[best] ? c : best;
        right += (real)(best == label[i]) / n;
        total += softmax(y, label[i]) / n;
    }
    if (!code && loss)
        *(real *)loss = total;
    if (!code && metrics)
        *(real *)metrics = right;
    return code;
}

static int toy_save(const void *v, const char *path)
{
    struct toy *m = (struct toy *)(uintptr_t)v;
    return nn_tensors_save(path, m->tensor, 3, NULL, m->error, sizeof m->error);
}

static int toy_load(void *v, const char *path)
{
    struct toy *m = v;
    return nn_tensors_load(path, m->tensor, 3, m->error, sizeof m->error);
}

static int toy_checkpoint(const void *v, const char *path)
{
    struct toy *m = (struct toy *)(uintptr_t)v;
    nn_progress progress = m->progress;
    nanosleep(&(struct timespec){ 0, slow }, NULL);
    progress.meta = wordless ? NULL : progress.meta;
    progress.app[3] &= sumless ? 3u : ~(uint64_t)0;
    return nn_checkpoint_save(path, "toy", m->tensor, 3, NULL, 0, &progress, m->error, sizeof m->error);
}

static int toy_resume(void *v, const char *path)
{
    struct toy *m = v;
    return nn_checkpoint_load(path, "toy", m->tensor, 3, NULL, 0, &m->progress, m->error, sizeof m->error);
}

static const char *toy_error(const void *m)
{
    return ((const struct toy *)m)->error;
}
static void toy_set_lr(void *m, double lr)
{
    ((struct toy *)m)->progress.lr = lr;
}
static void toy_changed(void *m)
{
    (void)m;
}
static nn_progress *toy_progress(void *m)
{
    return &((struct toy *)m)->progress;
}

static const nn_tensor *toy_tensors(void *m, size_t *count)
{
    *count = bare ? 0 : 3;
    return ((struct toy *)m)->tensor;
}

static void *toy_gradients(void *m, size_t *count)
{
    *count = 16;
    return ((struct toy *)m)->grad;
}

static const nn_port inputs[] = { { "x", NN_F64, 2, shape_x, NULL } };
static const nn_port targets[] = { { "label", NN_I32, 1, shape_label, NULL } };
static const nn_port outputs[] = { { "logits", NN_F64, 2, shape_logits, NULL },
                                   { "best", NN_I32, 1, shape_label, "label" },
                                   { "count", NN_I32, 1, shape_label, NULL } };
static const char *const metrics[] = { "accuracy" };
static const nn_kernel_info kernels[] = { { "k0_linear", "toy.net:4", WEIGHTS *BATCH, 512 } };

static const nn_model model = {
    .name = "toy",
    .batch = BATCH,
    .real = NN_F64,
    .inputs = 1,
    .targets = 1,
    .outputs = 3,
    .metrics = 1,
    .input = inputs,
    .target = targets,
    .output = outputs,
    .metric = metrics,
    .parameters = WEIGHTS + CLASSES,
    .build_info = "2 f32 lanes",
    .infer_graph = { WEIGHTS * BATCH, sizeof(struct toy), 0, 1, kernels },
    .train_graph = { 3 * WEIGHTS * BATCH, sizeof(struct toy), 0, 1, kernels },
    .create = toy_create,
    .destroy = nn_free,
    .infer = toy_infer,
    .train_step = toy_step,
    .accumulate = toy_accumulate,
    .apply = toy_apply,
    .eval = toy_eval,
    .save = toy_save,
    .load = toy_load,
    .checkpoint = toy_checkpoint,
    .resume = toy_resume,
    .error = toy_error,
    .set_lr = toy_set_lr,
    .tensors = toy_tensors,
    .changed = toy_changed,
    .gradients = toy_gradients,
    .progress = toy_progress,
};

/* --- running it --------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/runtime_app.XXXXXX";
static char printed[16384];

static void read_printed(void)
{
    FILE *f = fopen("printed", "rb");
    size_t n = fread(printed, 1, sizeof printed - 1, f);
    printed[n] = 0;
    fclose(f);
}

/* Runs "toy WORDS" in a process of its own, within the folder; both outputs go to `printed`. Gives the exit status. */
static int run(const char *words)
{
    char copy[1024], *argv[64] = { "toy" };
    int argc = 1, status = -1;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("printed", "wb", stdout) || dup2(fileno(stdout), 2) < 0)
            _exit(99);
        status = nn_app_main(&model, argc, argv);
        fflush(NULL);
        _exit(status);
    }
    waitpid(child, &status, 0);
    read_printed();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void expect(const char *words, int status, const char *text)
{
    int got = run(words);
    if (got != status || !strstr(printed, text))
        fail_msg("`toy %s` ended with %d and\n%s\nnot with %d and '%s'", words, got, printed, status, text);
}

static int same_files(const char *a, const char *b)
{
    char command[256];
    snprintf(command, sizeof command, "cmp -s %s %s", a, b);
    return system(command) == 0;
}

static int count_lines(const char *path)
{
    FILE *f = fopen(path, "rb");
    int lines = 0;
    for (int c; (c = getc(f)) != EOF;)
        lines += c == '\n';
    fclose(f);
    return lines;
}

/* 30 samples: three clusters, told apart by the largest of the first three features. */
static int start(void **state)
{
    (void)state;
    static const char *const names[] = { "oak", "ash", "elm" };
    if (!mkdtemp(folder) || chdir(folder))
        return -1;
    FILE *f = fopen("d.csv", "wb"), *g = fopen("bad.csv", "wb"), *words = fopen("words.csv", "wb");
    for (int i = 0; i < 30; i++) {
        int c = i % 3;
        double x[3] = { 0.1 * (i % 7), 0.1 * (i % 5), 0.05 * (i % 11) };
        x[c] += 1.5;
        fprintf(f, "%g,%g,%g,%g,%d\n", x[0], x[1], x[2], 0.01 * i, c);
        fprintf(g, "%g,%g,%g,%g,%d\n", x[0], x[1], x[2], 0.01 * i, i == 17 ? 12 : c);
        fprintf(words, "%g,%g,%g,%g,%s\n", x[0], x[1], x[2], 0.01 * i, names[c]);
    }
    fclose(f);
    fclose(g);
    return fclose(words);
}

static int end(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") || system(command);
}

#define DATA " --in x=d.csv:0-3 --in label=d.csv:4 "

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void test_usage(void **state)
{
    (void)state;
    expect("", 2, "usage: toy COMMAND");
    expect("--help", 0, "usage: toy COMMAND");
    expect("train --help", 0, "--resume FILE");
    expect("train --help", 0, "input x : f64[n, 4]");
    expect("fly", 2, "no command 'fly'");
    expect("train --wings", 2, "toy: train: no option --wings (toy train --help)\n");
    expect("train --epohcs 3" DATA, 2, "toy: train: no option --epohcs; did you mean --epochs? (toy train --help)\n");
    expect("train --val_in=x", 2, "no option --val_in; did you mean --val-in?");
    expect("train --iterss 3", 2, "no option --iterss (");
    expect("bench --iterss 3", 2, "no option --iterss; did you mean --iters?");
    expect("train -epochs 3", 2, "no option -epochs; did you mean --epochs?");
    expect("train --e 3", 2, "no option --e; did you mean --epochs or --every?");
    expect("train -x", 2, "no option -x (");
    expect("train --quiet=1", 2, "train: --quiet takes no value");
    expect("train --seed", 2, "--seed needs a value");
    expect("train --seed x" DATA, 2, "--seed takes a whole number");
    expect("train --every 3" DATA, 2, "--checkpoint FILE writes, and that is missing");
    expect("train --steps 3 --epochs 1" DATA, 2, "exclude each other");
    expect("train --lr -1" DATA, 2, "--lr takes a number from 0 on, below 1e30, not '-1'\n");
    expect("train --in x" DATA, 2, "--in takes NAME=FILE");
    expect("train --in x=a.csv" DATA, 2, "toy: train: --in x is given twice\n");
    expect("train --val-in x=d.csv:0-3 --val-in x=a.csv" DATA, 2, "toy: train: --val-in x is given twice\n");
    expect("infer --weights w --in x=d.csv:0-3 --out logits=y --out logits=z", 2, "--out logits is given twice\n");
    expect("train --windows x=d.csv" DATA, 2, "'x' is given twice: by windows of 'd.csv', and by 'd.csv:0-3'\n");
    expect("train --epochs 2.5" DATA, 2, "--epochs takes");
    expect("train extra" DATA, 2, "unexpected word 'extra'");
    expect("eval --steps 3" DATA, 2, "--steps is no option of this command");
    expect("train --in x=d.csv:0-3", 2, "target 'label' is missing: --in label=FILE");
    expect("train --in y=d.csv:0-3", 2, "no input or target is called 'y'; there are x, label");
    expect("eval" DATA, 2, "--weights FILE is missing");
    expect("infer --weights w --in x=d.csv:0-3", 2, "--out NAME=FILE is missing");
    expect("infer --weights w --in x=d.csv:0-3 --out z=z.npy", 2,
           "toy: no output is called 'z'; there are logits, best, count\n");
    expect("train --batch 9" DATA, 2, "above the model's capacity of 8");
    expect("train --weights a --resume b" DATA, 2, "exclude each other");
    expect("train --save a --checkpoint a" DATA, 2, "--save and --checkpoint name one file: a\n");
}

static void test_train_eval_infer(void **state)
{
    (void)state;
    expect("train --epochs 20 --save w --log log.csv" DATA, 0, "epoch 20  step 80  loss 0.0");
    assert_non_null(strstr(printed, "  accuracy 1.0000"));
    assert_int_equal(count_lines("log.csv"), 81);
    expect("eval --weights w" DATA, 0, "samples 30\nloss 0.0");
    assert_non_null(strstr(printed, "\naccuracy 1.000000\n"));
    expect("infer --weights w --in x=d.csv:0-3 --out logits=y.npy", 0, "");
    FILE *f = fopen("y.npy", "rb");
    fseek(f, 0, SEEK_END);
    assert_int_equal(ftell(f), 128 + 30 * 3 * 8);
    fclose(f);
    expect("infer --weights w --in x=d.csv:0-3 --out logits=y.csv", 0, "");
    assert_int_equal(count_lines("y.csv"), 30);
    expect("eval --weights w --in x=d.csv:0-3 --in label=y.csv:3", 1, "has 3 columns");
    expect("train --epochs 1 --val-in x=d.csv:0-3 --val-in label=d.csv:4 --quiet" DATA, 0, "");
    assert_string_equal(printed, "");
    expect("train --epochs 1 --val-in x=d.csv:0-3 --val-in label=d.csv:4" DATA, 0, "  val accuracy ");
    expect("info", 0, "param      weight : f64[3,4]");
    expect("info", 0, "toy: N = 8, f64, 2 f32 lanes; library: netrt ");
    expect("info", 0, "parameters 15");
}

/* Nothing that is read is written to, by whatever name, and nothing is written twice; that is said before anything is. */
static void test_outputs_are_no_inputs(void **state)
{
    (void)state;
    expect("train --epochs 20 --save pw --quiet" DATA, 0, "");
    assert_int_equal(
        system("cp d.csv d2.csv && cp d2.csv d2.kept && ln -f d2.csv hard.csv && ln -sf d2.csv soft.csv && "
               "cp pw pw.kept && mkdir -p sub"),
        0);
    static const char *const refused[][2] = {
        { "infer --weights pw --in x=d2.csv:0-3 --out best=d2.csv",
          "toy: infer: --out best and --in x name one file: d2.csv\n" },
        { "infer --weights pw --in x=d2.csv:0-3 --out best=sub/../d2.csv", "name one file: sub/../d2.csv, d2.csv\n" },
        { "infer --weights pw --in x=soft.csv:0-3 --out best=hard.csv", "name one file: hard.csv, soft.csv\n" },
        { "infer --weights pw --in x=d2.csv:0-3 --out best=pw", "--out best and --weights name one file: pw\n" },
        { "infer --weights pw --in x=d2.csv:0-3 --out best=a.csv --out count=sub/../a.csv",
          "--out best and --out count name one file: a.csv, sub/../a.csv\n" },
        { "train --in x=d2.csv:0-3 --in label=d.csv:4 --save d2.csv", "--save and --in x name one file: d2.csv\n" },
        { "train --val-in x=d2.csv:0-3 --val-in label=d2.csv:4 --checkpoint d2.csv" DATA,
          "--checkpoint and --val-in x name" },
        { "train --windows x,label=d2.csv --log d2.csv", "--log and --windows name one file" },
        { "train --val-windows x,label=d2.csv --log d2.csv" DATA, "--log and --val-windows name one file" },
        { "train --weights pw --checkpoint pw" DATA, "--checkpoint and --weights name one file" },
        { "train --resume pw --log pw" DATA, "--log and --resume name one file" },
        { "train --save new --log ./new" DATA, "--save and --log name one file: new, ./new\n" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        expect(refused[i][0], 2, refused[i][1]);
        assert_true(same_files("d2.csv", "d2.kept") && same_files("pw", "pw.kept"));
        assert_int_not_equal(access("new", F_OK), 0);
        assert_int_not_equal(access("a.csv", F_OK), 0);
    }
    expect("train --epochs 1 --weights pw --save pw --checkpoint pc" DATA, 0, "epoch 1"); /* to go on is no mistake */
    assert_false(same_files("pw", "pw.kept"));
    expect("train --epochs 2 --resume pc --checkpoint pc" DATA, 0, "epoch 2");
    expect("infer --weights pw --in x=d2.csv:0-3 --out best=/dev/null --out count=/dev/null", 0, "");
}

/* Weights are asked for where there is something that they would hold. */
static void test_no_weights(void **state)
{
    (void)state;
    bare = 1;
    expect("eval" DATA, 0, "samples 30\n");
    expect("infer --in x=d.csv:0-3 --out count=bare.csv", 0, "");
    assert_int_equal(count_lines("bare.csv"), 30);
    bare = 0;
    expect("infer --in x=d.csv:0-3 --out count=bare.csv", 2, "toy: infer: --weights FILE is missing\n");
}

static void test_log(void **state)
{
    (void)state;
    char line[256];
    expect("train --steps 3 --log l.csv --lr 0.25 --quiet" DATA, 0, "");
    FILE *f = fopen("l.csv", "rb");
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "step,loss,accuracy,seconds\n");
    for (int i = 1; i <= 3; i++) {
        double step, loss, accuracy, seconds;
        assert_int_equal(fscanf(f, "%lf,%lf,%lf,%lf", &step, &loss, &accuracy, &seconds), 4);
        assert_true(step == i && loss > 0 && accuracy >= 0 && accuracy <= 1);
    }
    fclose(f);
    expect("train --steps 3 --log none/l.csv" DATA, 1, "none/l.csv: cannot be written");
    expect("train --steps 3 --log /dev/full" DATA, 1, "/dev/full: cannot be written");
}

/* What cannot be written is refused before the first step, and nothing is left where it can. */
static void test_outputs_are_tried(void **state)
{
    (void)state;
    static const char *const options[] = { "--save none/w", "--checkpoint none/w", "--save .",
                                           "--save w0 --checkpoint ." };
    for (int i = 0; i < 4; i++) {
        char words[256];
        snprintf(words, sizeof words, "train --steps 3 --log tried.csv %s" DATA, options[i]);
        expect(words, 1, i < 2 ? "none/w: " : ".: ");
        assert_int_not_equal(access("tried.csv", F_OK), 0);
        assert_int_not_equal(access("w0", F_OK), 0);
    }
    expect("train --steps 3 --save /dev/null" DATA, 0, "epoch 1");
}

/* Batches of 8, 8, 8 and 6 samples: the line holds the means over all 30, the log those of each. */
static void test_epoch_line_is_a_mean(void **state)
{
    (void)state;
    double loss = 0, accuracy = 0, last = 0;
    char line[128];
    expect("train --epochs 1 --log m.csv --seed 3 --save m" DATA, 0, "epoch 1  step 4  ");
    FILE *f = fopen("m.csv", "rb");
    assert_non_null(fgets(line, sizeof line, f));
    for (int i = 0; i < 4; i++) {
        double l, n = i < 3 ? 8 : 6;
        assert_int_equal(fscanf(f, "%*d,%lf,%lf,%*f", &l, &last), 2);
        loss += l * n / 30;
        accuracy += last * n / 30;
    }
    fclose(f);
    assert_true(fabs(accuracy - last) > 1e-3);
    snprintf(line, sizeof line, "loss %.6f  accuracy %.4f  ", loss, accuracy);
    assert_non_null(strstr(printed, line));
    expect("train --epochs 1 --seed 3 --save n" DATA, 0, line); /* without a log too */
    expect("train --epochs 1 --seed 3 --save o --quiet" DATA, 0, "");
    assert_true(same_files("m", "n") && same_files("m", "o"));
}

/* What a checkpoint costs, and validation, is no part of the samples a second. */
static void test_speed_is_that_of_training(void **state)
{
    (void)state;
    slow = 30000000;
    expect("train --in x=d.csv:0-3 --in label=d.csv:4 --epochs 3 --every 1 --checkpoint slow --val-in x=d.csv:0-3 "
           "--val-in label=d.csv:4",
           0, "epoch 3");
    slow = 0;
    const char *at = strstr(strstr(printed, "epoch 3"), "accuracy"), *end = strstr(at, " samples/s");
    while (end[-1] >= '0' && end[-1] <= '9')
        end--;
    if (strtod(end, NULL) < 1000) /* with what is slow there would be less than 200 */
        fail_msg("%s", printed);
}

static void test_resume_is_exact(void **state)
{
    (void)state;
    static const char *const options[] = { "", "--no-shuffle ", "--batch 5 ", "--lr 0.1 " };
    for (int i = 0; i < 4; i++)
        for (int stop = 1; stop < 12; stop += 5) {
            char words[256];
            snprintf(words, sizeof words, "train --seed 7 --steps 13 --save whole --quiet %s" DATA, options[i]);
            expect(words, 0, "");
            snprintf(words, sizeof words, "train --seed 7 --steps %d --checkpoint c --quiet %s" DATA, stop, options[i]);
            expect(words, 0, "");
            expect("train --resume c --steps 13 --save resumed --quiet" DATA, 0, "");
            assert_true(same_files("whole", "resumed"));
        }
    expect("train --steps 3 --checkpoint c --seed 7 --batch 5 --quiet" DATA, 0, "");
    expect("train --resume c --seed 8 --steps 9" DATA, 1, "c: was made with --seed 7");
    expect("train --resume c --batch 8 --steps 9" DATA, 1, "c: was made with --batch 5");
    expect("train --resume c --no-shuffle --steps 9" DATA, 1, "c: was made without --no-shuffle");
    expect("train --resume c --steps 9 --in x=half.csv:0-3 --in label=half.csv:4", 1, "half.csv: No such file");
    assert_int_equal(system("head -n 15 d.csv >half.csv"), 0);
    expect("train --resume c --steps 9 --in x=half.csv:0-3 --in label=half.csv:4", 1, "c: was made on 30 samples");
    expect("train --resume w --steps 9" DATA, 1, "holds weights alone");
    /* one value, or one label, or two values of different samples that change places, are other samples */
    static const char *const other[] = {
        "sed '30s/[0-9.]*/7/'", "sed '30s/2$/1/'",
        "awk -F, -v OFS=, '{ a[NR] = $1; r[NR] = $0 } END { for (i = 1; i <= NR; i++) { "
        "$0 = r[i]; $1 = a[i == 4 ? 5 : i == 5 ? 4 : i]; print } }'"
    };
    for (int i = 0; i < 3; i++) {
        char words[512];
        snprintf(words, sizeof words, "%s d.csv >o.csv && ! cmp -s d.csv o.csv", other[i]);
        assert_int_equal(system(words), 0);
        expect("train --resume c --steps 9 --in x=o.csv:0-3 --in label=o.csv:4", 1,
               "toy: c: was made on other samples than these (as many, but with other values): o.csv\n");
    }
    sumless = 1;
    expect("train --steps 3 --checkpoint c0 --quiet" DATA, 0, "");
    sumless = 0;
    expect("train --resume c0 --steps 5 --checkpoint c1 --quiet --in x=o.csv:0-3 --in label=o.csv:4", 0, "");
    expect("train --resume c1 --steps 9" DATA, 1, "c1: was made on other samples");
    expect("train --weights c --steps 1 --quiet" DATA, 0, ""); /* weights out of a checkpoint */
}

static void test_checkpoints_on_the_way(void **state)
{
    (void)state;
    expect("train --epochs 2 --checkpoint e --quiet" DATA, 0, "");
    expect("train --steps 6 --every 2 --checkpoint e --quiet" DATA, 0, "");
    expect("train --resume e --steps 6 --save s --quiet" DATA, 0, ""); /* nothing is left to do */
    expect("eval --weights s" DATA, 0, "samples 30");
    expect("train --steps 2 --checkpoint none/c" DATA, 1, "none/c: cannot be written");
}

static void test_warnings(void **state)
{
    (void)state;
    static const char nothing[] = "toy: train: nothing is saved (--save FILE)\n";
    static const char *const saving[] = { "--save s", "--checkpoint s", "--quiet" };
    expect("train --steps 2" DATA, 0, nothing);
    assert_ptr_equal(strstr(printed, nothing), printed); /* before the run */
    for (int i = 0; i < 3; i++) {
        char words[128];
        snprintf(words, sizeof words, "train --steps 2 %s" DATA, saving[i]);
        expect(words, 0, "");
        assert_null(strstr(printed, "nothing is saved"));
    }
    expect("train --epochs 3 --checkpoint far --quiet" DATA, 0, "");
    expect("train --epochs 2 --resume far --save s" DATA, 0,
           "toy: train: far stands at step 12 (epoch 3) already, and step 8 was asked for: nothing to do\n");
    expect("train --epochs 4 --resume far --save s" DATA, 0, "epoch 4  step 16");
    assert_null(strstr(printed, "nothing to do"));
}

static void test_interrupt_saves(void **state)
{
    (void)state;
    interrupt_at = 5;
    expect("train --steps 1000000 --checkpoint i --save iw --quiet" DATA, 0, "stopped after step 5");
    interrupt_at = -1;
    expect("train --steps 5 --save five --quiet" DATA, 0, "");
    assert_true(same_files("iw", "five"));
    expect("train --resume i --steps 9 --save nine --quiet" DATA, 0, "");
    expect("train --steps 9 --save straight --quiet" DATA, 0, "");
    assert_true(same_files("nine", "straight"));
}

static void test_bad_data(void **state)
{
    (void)state;
    expect("train --epochs 1 --save kept --quiet" DATA, 0, "");
    assert_int_equal(system("cp kept before"), 0);
    expect("train --in x=bad.csv:0-3 --in label=bad.csv:4 --save kept", 1,
           "toy: bad.csv, line 18, column 4: sample 17: the label 12 is outside 0..2\n");
    expect("eval --weights kept --in x=bad.csv:0-3 --in label=bad.csv:4", 1, "sample 17: the label 12 is outside 0..2");
    assert_true(same_files("kept", "before"));
    assert_int_equal(system("(echo title; head -n 5 bad.csv; echo; tail -n 25 bad.csv) >lines.csv"), 0);
    expect("eval --weights kept --skip-lines 1 --in x=lines.csv:0-3 --in label=lines.csv:4", 1,
           "toy: lines.csv, line 20, column 4: sample 17: the label 12 is outside 0..2\n");
    expect("train --skip-lines 1 --in x=lines.csv:0-3 --in label=lines.csv:3", 1,
           "toy: lines.csv, line 3, column 3: sample 1 has the value 0.01, which i32 cannot hold, for label");
    expect("train --in x=d.csv:0-2 --in label=d.csv:4", 1,
           "has 3 values a sample (30 samples), and 4 were expected, for x");
    expect("infer --weights kept --in x=d.csv:0-3 --out logits=y.csv.gz", 2, "y.csv.gz: files are written unpacked");
    expect("train --in x=none.npy --in label=d.csv:4", 1, "none.npy: No such file");
    assert_int_equal(system("head -n 15 d.csv >half.csv"), 0);
    expect("train --in x=d.csv:0-3 --in label=half.csv:4", 1, "holds 15 samples, but d.csv holds 30");
    expect("train --in x=d.csv:0-3 --in label=d.csv:0", 1, "which i32 cannot hold");
    expect("eval --weights d.csv" DATA, 1, "not a valid safetensors file");
    expect("eval --weights none" DATA, 1, "none: No such file");
    expect("train --lr 1e29 --steps 50" DATA, 1, "no longer a number");
    expect("train --lr 1e29 --steps 1 --save huge --quiet" DATA, 0, "");
    expect("train --weights huge --steps 3" DATA, 1,
           "the loss is not a number at step 1, the first of this run: do samples");
    expect("eval --weights d.csv --in x=words.csv:0-3 --in label=words.csv:4", 1, "not a valid safetensors file");
    assert_null(strstr(printed, "as they come"));
    expect("eval --weights kept --skip-lines 1 --in x=words.csv:4 --in label=d.csv:4", 1, "'ash' is no number\n");
    expect("eval --weights kept --in x=words.csv:4 --in label=d.csv:4", 1, "'oak' is no number (--skip-lines 1");
}

static void test_words(void **state)
{
    (void)state;
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 1", 0, "label 2 is 'elm'");
    assert_int_equal(system("tail -n 7 words.csv >tail.csv"), 0); /* begins with another word, has the same numbers */
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --val-in x=tail.csv:0-3 --val-in label=tail.csv:4 "
           "--epochs 20",
           0, "val accuracy 1.0000");
    expect("train --in x=words.csv:1-4 --in label=words.csv:4", 1, "is no number");
}

/* The weights know the words: another run, on a file that has them in another order, says nothing of them. */
static void test_words_kept(void **state)
{
    (void)state;
    assert_int_equal(system("tail -n 7 words.csv >tail.csv && sed 's/elm/fir/' tail.csv >new.csv"), 0);
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 20 --save kept", 0, "label 0 is 'oak'");
    expect("eval --weights kept --in x=tail.csv:0-3 --in label=tail.csv:4", 0, "samples 7\n");
    assert_non_null(strstr(printed, "\naccuracy 1.000000\n"));
    assert_null(strstr(printed, "label 0"));
    expect("train --weights kept --in x=tail.csv:0-3 --in label=tail.csv:4 --epochs 1 --save again", 0,
           "accuracy 1.0000");
    expect("eval --weights again --in x=words.csv:0-3 --in label=words.csv:4", 0, "\naccuracy 1.000000\n");
    expect("eval --weights kept" DATA, 0, "\naccuracy 1.000000\n"); /* numbers are themselves */
    expect("eval --weights kept --in x=new.csv:0-3 --in label=new.csv:4", 1, "the label 3 ('fir') is outside 0..2");
    assert_non_null(strstr(printed, "label 3 is 'fir'"));
    /* numbers of a label are written as its words, where there are some: read again they are labels that all are right */
    expect("infer --weights kept --in x=words.csv:0-3 --out best=best.csv --out count=count.csv --out best=best.npy", 2,
           "given twice");
    expect("infer --weights kept --in x=words.csv:0-3 --out best=best.csv --out count=count.csv", 0, "");
    assert_int_equal(system("cut -d, -f5 words.csv | cmp - best.csv && cut -d, -f5 d.csv | cmp - count.csv"), 0);
    expect("infer --weights kept --in x=words.csv:0-3 --out best=best.npy", 0, "");
    expect("eval --weights kept --in x=words.csv:0-3 --in label=best.npy", 0, "\naccuracy 1.000000\n");
    /* what a header of JSON cannot hold is left out, and the weights are whole */
    assert_int_equal(system("sed 's/ash/\\xe4sh/' words.csv >latin.csv"), 0);
    expect("train --in x=latin.csv:0-3 --in label=latin.csv:4 --epochs 1 --save latin", 0,
           "toy: what is saved goes without the words of label: number 1 is no UTF-8\n");
    expect("eval --weights latin --in x=latin.csv:0-3 --in label=latin.csv:4", 0, "label 2 is 'elm'");
    assert_non_null(strstr(printed, "toy: latin holds no words of label: they are numbered as they come\n"));
    assert_int_equal(system("sed 's/ash/\"a, \\\\ s%h\"/' words.csv >odd.csv"), 0);
    expect("train --in x=odd.csv:0-3 --in label=odd.csv:4 --epochs 20 --save odd", 0, "label 1 is 'a, ");
    expect("eval --weights odd --in x=odd.csv:0-3 --in label=odd.csv:4", 0, "samples 30\n");
    assert_null(strstr(printed, "label 1"));
    assert_non_null(strstr(printed, "\naccuracy 1.000000\n"));
}

/* A checkpoint knows the words as weights do, and one that a program of old wrote is read without. */
static void test_words_in_checkpoints(void **state)
{
    (void)state;
    assert_int_equal(system("tail -n 7 words.csv >tail.csv && tac words.csv >turned.csv"), 0);
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 20 --checkpoint ck", 0, "label 0 is 'oak'");
    expect("eval --weights ck --in x=tail.csv:0-3 --in label=tail.csv:4", 0, "\naccuracy 1.000000\n");
    assert_null(strstr(printed, "label 0"));
    expect("train --in x=turned.csv:0-3 --in label=turned.csv:4 --epochs 21 --resume ck --checkpoint ck2 --save on", 0,
           "epoch 21");
    assert_null(strstr(printed, "label 0"));
    assert_null(strstr(printed, "as they come"));
    expect("eval --weights on --in x=words.csv:0-3 --in label=words.csv:4", 0, "\naccuracy 1.000000\n");
    expect("eval --weights ck2 --in x=words.csv:0-3 --in label=words.csv:4", 0, "\naccuracy 1.000000\n");
    expect("train" DATA " --epochs 22 --resume ck2 --checkpoint ck3 --quiet", 0, ""); /* numbers: the words stay */
    expect("eval --weights ck3 --in x=tail.csv:0-3 --in label=tail.csv:4", 0, "\naccuracy 1.000000\n");
    wordless = 1;
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 1 --checkpoint old --quiet", 0, "");
    assert_string_equal(printed, "");
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 2 --resume old --quiet", 0, "");
    assert_string_equal(printed, "");
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 1 --checkpoint old", 0, "label 0 is");
    wordless = 0;
    assert_null(strstr(printed, "as they come"));
    expect("train --in x=words.csv:0-3 --in label=words.csv:4 --epochs 2 --resume old --save w", 0,
           "toy: old holds no words of label: they are numbered as they come\n");
}

static void test_bench(void **state)
{
    (void)state;
    expect("bench --iters 5", 0, "toy infer n = 8: median");
    expect("bench --train --n 3 --iters 5 --json", 0, "\"mode\": \"train\", \"batch\": 3, \"calls\": 5");
    expect("bench --n 9", 2, "above the model's capacity");
    expect("bench --iters 2 --kernels", 1, "without -DNN_PROFILE");
}

static void test_check(void **state)
{
    (void)state;
    expect("check", 0, "all 2 gradients agree");
    expect("check --n 8 --samples 0" DATA, 0, "weight                                   12 of 12 elements");
    wrong_gradient = 1e-3;
    expect("check", 1, "1 of 2 gradients differ");
    wrong_gradient = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_train_eval_infer),
        cmocka_unit_test(test_no_weights),
        cmocka_unit_test(test_outputs_are_no_inputs),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_outputs_are_tried),
        cmocka_unit_test(test_epoch_line_is_a_mean),
        cmocka_unit_test(test_speed_is_that_of_training),
        cmocka_unit_test(test_resume_is_exact),
        cmocka_unit_test(test_checkpoints_on_the_way),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_interrupt_saves),
        cmocka_unit_test(test_bad_data),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_words_kept),
        cmocka_unit_test(test_words_in_checkpoints),
        cmocka_unit_test(test_bench),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, start, end);
}
