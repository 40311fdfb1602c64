/* nn_app_options.c: the options of a generated program. One table says which there are, which commands take them and
 * what --help prints.
 */
#define _GNU_SOURCE

#include "nn_app.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int nn_app_fail(const nn_model *model, int status, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "%s: ", model->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

enum { TRAIN = 1, EVAL = 2, INFER = 4, BENCH = 8, CHECK = 16, INFO = 32 };

static const struct {
    const char *name;
    int bit;
    const char *what;
} commands[] = {
    { "info", INFO, "tensors, parameters, multiply-adds, memory" },
    { "train", TRAIN, "trains on files" },
    { "eval", EVAL, "loss and metrics on files" },
    { "infer", INFER, "outputs for the samples of files" },
    { "bench", BENCH, "how long a call takes" },
    { "check", CHECK, "every gradient against central differences (built with --dtype f64)" },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* COUNT and SMALL begin at 0, MANY and FEW at 1. */
enum option_kind { BINDING, TEXT, COUNT, MANY, SMALL, FEW, SEED, REAL, FLAG };

/* Where an option's value goes, as an offset. */
static const struct option_row {
    const char *name;
    const char *value;
    enum option_kind kind;
    int commands;
    size_t at;
    const char *help;
} rows[] = {
#define AT(field) offsetof(struct nn_options, field)
    { "in", "NAME=FILE", BINDING, TRAIN | EVAL | INFER | CHECK, AT(in),
      "samples of an input or target: .npy, IDX, .csv:COLUMNS (.tsv: tabs), .txt, .bin; each also .gz" },
    { "windows", "A,B=FILE", TEXT, TRAIN | EVAL | INFER | CHECK, AT(windows),
      "windows of a byte stream for A, and shifted by one for B" },
    { "val-in", "NAME=FILE", BINDING, TRAIN, AT(val_in), "samples to measure on after every epoch" },
    { "val-windows", "A,B=FILE", TEXT, TRAIN, AT(val_windows), "the same from a byte stream" },
    { "skip-lines", "K", SMALL, TRAIN | EVAL | INFER | CHECK, AT(skip_lines),
      "lines of titles at the head of CSV files" },
    { "out", "NAME=FILE", BINDING, INFER, AT(out),
      "where an output goes: as CSV, a line a sample, where the name ends in .csv or .tsv, else as .npy" },
    { "weights", "FILE", TEXT, TRAIN | EVAL | INFER | BENCH | CHECK, AT(weights),
      "parameters and states to start from (safetensors)" },
    { "seed", "S", SEED, TRAIN | BENCH | CHECK, AT(seed),
      "of initial values, order of samples and random operations (0)" },
    { "batch", "n", FEW, TRAIN, AT(batch), "samples a step (the model's batch)" },
    { "epochs", "E", COUNT, TRAIN, AT(epochs), "passes over the samples (1)" },
    { "steps", "K", COUNT, TRAIN, AT(steps),
      "steps instead, wrapping round at the end; a resumed run ends where the whole would" },
    { "no-shuffle", NULL, FLAG, TRAIN, AT(no_shuffle), "samples in the order of the files" },
    { "lr", "x", REAL, TRAIN, AT(lr), "this learning rate instead of the model's own" },
    { "save", "FILE", TEXT, TRAIN, AT(save), "write the weights at the end" },
    { "checkpoint", "FILE", TEXT, TRAIN, AT(checkpoint),
      "write all that is needed to go on: after every epoch, and at the end" },
    { "every", "K", MANY, TRAIN, AT(every), "... after every K steps instead" },
    { "resume", "FILE", TEXT, TRAIN, AT(resume), "go on from a checkpoint, bit for bit as if never stopped" },
    { "log", "FILE", TEXT, TRAIN, AT(log),
      "step, loss, metrics and seconds as CSV, a row a step (the metrics cost an evaluation each)" },
    { "quiet", NULL, FLAG, TRAIN, AT(quiet),
      "print errors only (and save the evaluation of every batch that its metrics cost)" },
    { "train", NULL, FLAG, BENCH, AT(train), "time training steps, not inference" },
    { "n", "n", FEW, BENCH | CHECK, AT(n), "samples a call" },
    { "iters", "K", MANY, BENCH, AT(iterations), "timed calls (as many as take a second)" },
    { "json", NULL, FLAG, BENCH, AT(json), "one JSON object" },
    { "kernels", NULL, FLAG, BENCH, AT(kernels),
      "time, multiply-adds and bytes of each kernel (built with -DNN_PROFILE)" },
    { "samples", "K", COUNT, CHECK, AT(samples), "elements checked of each tensor, 0 for all (24)" },
    { "help", NULL, FLAG, TRAIN | EVAL | INFER | BENCH | CHECK | INFO, AT(help), "this text" },
#undef AT
};
enum { ROWS = sizeof rows / sizeof *rows };

static int command_bit(const char *command)
{
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, command))
            return commands[i].bit;
    return 0;
}

static void help_ports(const nn_model *model, int targets, FILE *out)
{
    for (int i = 0; i < model->inputs + targets; i++) {
        const nn_port *p = nn_app_port(model, i);
        fprintf(out, "  %s %s : %s[", i < model->inputs ? "input" : "target", p->name, nn_dtype_name(p->dtype));
        for (int d = 0; d < p->rank; d++) {
            long long size = (long long)p->shape[d];
            if (size == -1)
                fprintf(out, d ? ", n" : "n");
            else
                fprintf(out, d ? ", %lld%s" : "%lld%s", size < 0 ? -size : size, size < 0 ? " n" : "");
        }
        fprintf(out, "]\n");
    }
}

void nn_options_help(const nn_model *model, const char *command, FILE *out)
{
    if (!command) {
        fprintf(out, "usage: %s COMMAND [options]\n\n", model->name);
        for (int i = 0; i < COMMANDS; i++)
            fprintf(out, "  %-7s %s\n", commands[i].name, commands[i].what);
        fprintf(out, "\n%s COMMAND --help lists a command's options.\n", model->name);
        return;
    }
    int bit = command_bit(command);
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].bit == bit)
            fprintf(out, "usage: %s %s [options]    %s\n\n", model->name, command, commands[i].what);
    for (int i = 0; i < ROWS; i++)
        if (rows[i].commands & bit) {
            char left[40];
            snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
                     rows[i].value ? rows[i].value : "");
            fprintf(out, "  %-22s %s\n", left, rows[i].help);
        }
    if (bit & (TRAIN | EVAL | INFER | CHECK)) {
        fputc('\n', out);
        help_ports(model, bit == INFER ? 0 : model->targets, out);
    }
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static int whole(const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *out = v;
    return end > text && !*end && !errno && v >= low && v <= high;
}

static int add_binding(struct nn_bindings *b, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1] || b->count == NN_APP_FILES)
        return 0;
    b->of[b->count++] = (struct nn_binding){ text, (int)(equals - text), equals + 1 };
    return 1;
}

/* What was given first would go unread. */
static int is_bound(const struct nn_bindings *b, const char *text)
{
    size_t n = strcspn(text, "=");
    for (int i = 0; i < b->count; i++)
        if ((size_t)b->of[i].name_size == n && !strncmp(b->of[i].name, text, n))
            return 1;
    return 0;
}

static int take(const struct option_row *r, struct nn_options *o, const char *text)
{
    char *at = (char *)o + r->at, *end;
    int64_t v = 0;
    int good = 1;
    switch (r->kind) {
    case BINDING: return add_binding((struct nn_bindings *)(void *)at, text);
    case TEXT: *(const char **)(void *)at = text; return *text != 0;
    case COUNT:
    case MANY: return whole(text, r->kind == MANY, INT64_MAX / 4, (int64_t *)(void *)at);
    case SMALL:
    case FEW:
        good = whole(text, r->kind == FEW, 1 << 30, &v);
        *(int *)(void *)at = (int)v;
        return good;
    case SEED:
        errno = 0;
        o->seed = strtoull(text, &end, 0);
        o->has_seed = 1;
        return end > text && !*end && !errno && *text != '-';
    case REAL:
        o->lr = strtod(text, &end);
        o->has_lr = 1;
        return end > text && !*end && o->lr >= 0 && o->lr < 1e30;
    default: *(int *)(void *)at = 1; return 1;
    }
}

static const char *expected(const struct option_row *r)
{
    switch (r->kind) {
    case BINDING: return "NAME=FILE";
    case TEXT: return "a text";
    case COUNT:
    case SMALL:
    case SEED: return "a whole number from 0 on";
    case MANY:
    case FEW: return "a whole number from 1 on";
    default: return "a number from 0 on, below 1e30";
    }
}

static void table(struct option *to)
{
    for (int i = 0; i < ROWS; i++)
        to[i] = (struct option){ rows[i].name, rows[i].value ? required_argument : no_argument, NULL, 256 + i };
    to[ROWS] = (struct option){ NULL, 0, NULL, 0 };
}

/* --- misspellings ------------------------------------------------------------------------------------------------- */

/* How many letters differ between what two words have in common at their ends: "epohcs" and "epochs" differ in 2. */
static size_t differing(const char *a, size_t n, const char *b)
{
    size_t m = strlen(b), least = n < m ? n : m, head = 0, tail = 0;
    while (head < least && a[head] == b[head])
        head++;
    while (tail < least - head && a[n - 1 - tail] == b[m - 1 - tail])
        tail++;
    return (n > m ? n : m) - head - tail;
}

/* What follows the word: the option of the command that is meant, or those that start so; and where all are listed. */
static int no_option(const nn_model *model, const char *command, const char *word)
{
    const char *name = word + strspn(word, "-"), *meant = NULL;
    size_t n = strcspn(name, "="), best = n > 5 ? 3 : n > 2 ? 2 : 1; /* what is that far is not meant */
    char hint[256] = "";
    int starts = 0;
    for (int i = 0; i < ROWS; i++) {
        size_t at = strlen(hint), distance = differing(name, n, rows[i].name);
        if (!(rows[i].commands & command_bit(command)))
            continue;
        if (n && !strncmp(rows[i].name, name, n))
            snprintf(hint + at, sizeof hint - at, "%s --%s", starts++ ? " or" : "; did you mean", rows[i].name);
        if (distance < best)
            best = distance, meant = rows[i].name;
    }
    if (!starts && meant)
        snprintf(hint, sizeof hint, "; did you mean --%s", meant);
    return nn_app_fail(model, 2, "%s: no option %.*s%s%s (%s %s --help)", command, (int)strcspn(word, "="), word, hint,
                       *hint ? "?" : "", model->name, command);
}

/* What getopt stumbled over: it has passed the word, but not where letters of it are left. */
static const char *stumbled_over(char **argv)
{
    const char *word = argv[optind - 1];
    return optopt == 0 || optopt >= 256 || (word[0] == '-' && word[1] == optopt && !word[2]) ? word : argv[optind];
}

/* The word of the option that getopt has just taken, of which getopt is content with the start. */
static const char *word_taken(char **argv)
{
    return argv[optarg && optarg == argv[optind - 1] ? optind - 2 : optind - 1];
}

int nn_options_read(const nn_model *model, const char *command, int argc, char **argv, struct nn_options *o)
{
    struct option known[ROWS + 1];
    int bit = command_bit(command), c;
    memset(o, 0, sizeof *o);
    o->epochs = o->steps = o->every = o->iterations = o->samples = -1;
    o->batch = o->n = -1;
    if (!bit)
        return nn_app_fail(model, 2, "no command '%s': info, train, eval, infer, bench and check are known", command);
    table(known);
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (c == 'h') {
            o->help = 1;
            return 0;
        }
        if (c == ':')
            return nn_app_fail(model, 2, "%s: %s needs a value", command, argv[optind - 1]);
        if (c == '?' && optopt >= 256)
            return nn_app_fail(model, 2, "%s: --%s takes no value", command, rows[optopt - 256].name);
        if (c == '?')
            return no_option(model, command, stumbled_over(argv));
        const struct option_row *r = &rows[c - 256];
        if (strcspn(word_taken(argv), "=") != strlen(r->name) + 2)
            return no_option(model, command, word_taken(argv));
        if (!(r->commands & bit))
            return nn_app_fail(model, 2, "%s: --%s is no option of this command", command, r->name);
        if (r->kind == BINDING && is_bound((struct nn_bindings *)(void *)((char *)o + r->at), optarg))
            return nn_app_fail(model, 2, "%s: --%s %.*s is given twice", command, r->name, (int)strcspn(optarg, "="),
                               optarg);
        if (!take(r, o, optarg))
            return nn_app_fail(model, 2, "%s: --%s takes %s, not '%s'", command, r->name, expected(r), optarg);
        if (o->help)
            return 0;
    }
    if (optind < argc)
        return nn_app_fail(model, 2, "%s: unexpected word '%s': files are given by options (%s %s --help)", command,
                           argv[optind], model->name, command);
    return 0;
}
