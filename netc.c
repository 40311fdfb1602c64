/* netc.c: the front door. Reads as the manual: options, then one call a step. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "frontend/frontend.h"
#include "ir/ir.h"
#include "passes/passes.h"
#include "runtime/netrt.h"

/* What the command line says. Exit statuses are those of the manual: 0 done, 1 the model has errors, 2 wrong usage, 3 a
 * file could not be read or written. */
struct options {
    struct frontend_options front;
    struct pipeline_options passes;
    struct emit_options emit;
    const char *model, *from_ir, *dump, *explain, *weights;
    int64_t max_bytes; /* 0: no limit */
    bool emit_asked, json, verbose;
    const char *color;
};

struct run {
    struct arena *arena;
    struct names *names;
    struct diag *diag;
    struct options o;
    struct text dump, log;
    struct explain *explain;
};

static const char usage[] = "usage: netc [options] model.net\n"
                            "  -o DIR                 where the files go (the current directory)\n"
                            "  --mode MODE            train, infer or both (both)\n"
                            "  --emit LIST            of c, app, ir, dot, html, json (c)\n"
                            "  --net NAME             which net of the file\n"
                            "  --batch N              the batch capacity\n"
                            "  -D NAME=VALUE          another value for the file's const NAME: -D width=64, -D p=0\n"
                            "  -I DIR                 where imports are looked for, too\n"
                            "  --dtype TYPE           the generated C's real type, f32 or f64 (f32)\n"
                            "  --max-bytes B          the most that training may take: 500000, 64K, 8M, 1G\n"
                            "  --fp MODE              fast or portable: the same bits on every CPU (fast)\n"
                            "  -O0 -O1 -O2            how much is optimised (-O2)\n"
                            "  --disable=PASS,...     all passes but these\n"
                            "  --dump-ir[=PASS,...]   the IR after these passes, or after all\n"
                            "  --explain PASS,...     what these passes change, in lines of the model\n"
                            "  --from-ir FILE         starts from a dump\n"
                            "  --passes=PASS,...      runs only these passes\n"
                            "  --print-passes         the passes in their order\n"
                            "  --print-ops            the operations with their signatures\n"
                            "  --embed-weights FILE   inference code with these weights (safetensors) inside\n"
                            "  --diagnostics FORM     text or json (text)\n"
                            "  --color WHEN           auto, always or never (auto)\n"
                            "  --standalone           the files compile alone, without the runtime library\n"
                            "  --verify               checks the IR after every pass\n"
                            "  -v                     time and memory of each pass and each graph\n"
                            "  --version, -h, --help\n";

enum {
    OPT_MODE = 256,
    OPT_EMIT,
    OPT_NET,
    OPT_BATCH,
    OPT_DTYPE,
    OPT_FP,
    OPT_MAX_BYTES,
    OPT_DISABLE,
    OPT_DUMP,
    OPT_EXPLAIN,
    OPT_FROM,
    OPT_PASSES,
    OPT_PRINT_PASSES,
    OPT_PRINT_OPS,
    OPT_WEIGHTS,
    OPT_DIAGNOSTICS,
    OPT_COLOR,
    OPT_STANDALONE,
    OPT_VERIFY,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    { "mode", required_argument, NULL, OPT_MODE },
    { "emit", required_argument, NULL, OPT_EMIT },
    { "net", required_argument, NULL, OPT_NET },
    { "batch", required_argument, NULL, OPT_BATCH },
    { "dtype", required_argument, NULL, OPT_DTYPE },
    { "fp", required_argument, NULL, OPT_FP },
    { "max-bytes", required_argument, NULL, OPT_MAX_BYTES },
    { "disable", required_argument, NULL, OPT_DISABLE },
    { "dump-ir", optional_argument, NULL, OPT_DUMP },
    { "explain", required_argument, NULL, OPT_EXPLAIN },
    { "from-ir", required_argument, NULL, OPT_FROM },
    { "passes", required_argument, NULL, OPT_PASSES },
    { "print-passes", no_argument, NULL, OPT_PRINT_PASSES },
    { "print-ops", no_argument, NULL, OPT_PRINT_OPS },
    { "embed-weights", required_argument, NULL, OPT_WEIGHTS },
    { "diagnostics", required_argument, NULL, OPT_DIAGNOSTICS },
    { "color", required_argument, NULL, OPT_COLOR },
    { "standalone", no_argument, NULL, OPT_STANDALONE },
    { "verify", no_argument, NULL, OPT_VERIFY },
    { "version", no_argument, NULL, OPT_VERSION },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

/* Wrong usage: one line on standard error, and the status to exit with. */
static int wrong(const char *format, const char *what)
{
    fputs("netc: ", stderr);
    fprintf(stderr, format, what);
    fputs(" (netc --help)\n", stderr);
    return 2;
}

static int choice(const char *option, const char *value, const char *const *words, int *which)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(value, words[i])) {
            *which = i;
            return 0;
        }
    fprintf(stderr, "netc: %s cannot be '%s': one of", option, value);
    for (int i = 0; words[i]; i++)
        fprintf(stderr, "%s %s", i ? "," : "", words[i]);
    fputs("\n", stderr);
    return 2;
}

static int option_batch(struct run *r, const char *value)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (*end || end == value || errno || n < 1 || n > INT32_MAX)
        return wrong("--batch wants a whole number from 1 to 2147483647, not '%s'", value);
    r->o.front.batch = n;
    return 0;
}

/* Bytes, or K, M or G of 1024 each of the one before. */
static int option_max_bytes(struct run *r, const char *value)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    long long bytes = strtoll(value, &end, 10), unit = 1;
    const char *named = *end ? strchr(units, *end) : NULL;
    for (const char *u = units; named && u <= named; u++)
        unit *= 1024;
    end += named != NULL;
    if (*end || *value < '0' || *value > '9' || errno || bytes < 1 || bytes > INT64_MAX / unit)
        return wrong("--max-bytes wants a number of bytes from 1 on, as 500000, 64K, 8M or 1G, not '%s'", value);
    r->o.max_bytes = bytes * unit;
    return 0;
}

static int option_emit(struct run *r, const char *list)
{
    static const char *const known[] = { "c", "app", "ir", "dot", "html", "json", NULL };
    const char *at = list;
    do {
        size_t length = strcspn(at, ",");
        int which;
        int status = choice("--emit", arena_stringn(r->arena, at, length), known, &which);
        if (status)
            return status;
        at += length;
    } while (*at++ == ',');
    r->o.emit.emit = list;
    r->o.emit_asked = true;
    return 0;
}

static int append(struct run *r, const char *const **list, int *count, const char *item)
{
    const char **longer = NEW_ARRAY(r->arena, *count + 1, const char *);
    for (int i = 0; i < *count; i++)
        longer[i] = (*list)[i];
    longer[(*count)++] = item;
    *list = longer;
    return 0;
}

/* One option; 0, or the status to exit with. */
static int option(struct run *r, int c, const char *value)
{
    static const char *const modes[] = { "both", "train", "infer", NULL }, *const dtypes[] = { "f32", "f64", NULL },
                             *const fps[] = { "fast", "portable", NULL }, *const forms[] = { "text", "json", NULL },
                             *const colors[] = { "auto", "always", "never", NULL };
    struct options *o = &r->o;
    int which = 0, status = 0;
    switch (c) {
    case 'o':
        o->emit.folder = value;
        o->emit_asked = true;
        return 0;
    case 'D':
        if (!strchr(value, '='))
            return wrong("-D wants NAME=VALUE, not '%s'", value);
        return append(r, &o->front.defines, &o->front.ndefines, value);
    case 'I': return append(r, &o->front.include, &o->front.includes, value);
    case 'v': o->verbose = true; return 0;
    case 'O':
        if (strlen(value) != 1 || *value < '0' || *value > '2')
            return wrong("no such level: -O%s; there are -O0, -O1 and -O2", value);
        o->passes.level = o->emit.level = *value - '0';
        return 0;
    case OPT_MODE:
        status = choice("--mode", value, modes, &which);
        o->emit.train = which != 2;
        o->emit.infer = which != 1;
        o->front.train_only = which == 1;
        o->front.infer_only = o->passes.infer_only = which == 2;
        return status;
    case OPT_EMIT: return option_emit(r, value);
    case OPT_NET: o->front.net = value; return 0;
    case OPT_BATCH: return option_batch(r, value);
    case OPT_DTYPE:
        status = choice("--dtype", value, dtypes, &which);
        o->front.f64 = which == 1;
        return status;
    case OPT_FP:
        status = choice("--fp", value, fps, &which);
        o->emit.portable = which == 1;
        return status;
    case OPT_MAX_BYTES: return option_max_bytes(r, value);
    case OPT_DISABLE: o->passes.disable = o->emit.disable = value; return 0;
    case OPT_DUMP: o->dump = value ? value : ""; return 0;
    case OPT_EXPLAIN: o->explain = o->explain ? arena_printf(r->arena, "%s,%s", o->explain, value) : value; return 0;
    case OPT_FROM: o->from_ir = value; return 0;
    case OPT_PASSES: o->passes.only = value; return 0;
    case OPT_WEIGHTS: o->weights = value; return 0;
    case OPT_DIAGNOSTICS:
        status = choice("--diagnostics", value, forms, &which);
        o->json = which == 1;
        return status;
    case OPT_COLOR:
        status = choice("--color", value, colors, &which);
        o->color = value;
        return status;
    case OPT_STANDALONE: o->emit.standalone = true; return 0;
    case OPT_VERIFY: o->passes.verify = true; return 0;
    default: return 2;
    }
}

/* Everything printed has to arrive: 0, or the status to exit with. */
static int print_all(void)
{
    if (!fflush(stdout) && !ferror(stdout))
        return 0;
    fprintf(stderr, "netc: standard output cannot be written: %s\n", strerror(errno));
    return 3;
}

/* What is printed instead of compiling anything: true where that was asked for. */
static bool answer(struct run *r, int c)
{
    struct text t = text_make(r->arena);
    switch (c) {
    case 'h':
    case OPT_HELP: text_puts(&t, usage); break;
    case OPT_VERSION: text_puts(&t, "netc " NETC_VERSION "\n"); break;
    case OPT_PRINT_PASSES:
        pipeline_print(&t);
        loops_print(&t);
        break;
    case OPT_PRINT_OPS: print_ops(&t); break;
    default: return false;
    }
    fputs(text_string(&t), stdout);
    return true;
}

/* The names of the options that start with so many characters of word: all for none. NULL behind the last. */
static const char *const *option_names(struct run *r, const char *word, size_t length, size_t *count)
{
    const char **names = NEW_ARRAY(r->arena, sizeof long_options / sizeof *long_options, const char *);
    *count = 0;
    for (const struct option *o = long_options; o->name; o++)
        if (!strncmp(o->name, word, length))
            names[(*count)++] = o->name;
    return names;
}

/* What getopt stumbled over: it has passed the word, but not where letters of it are left. */
static const char *stumbled_over(char **argv)
{
    const char *word = argv[optind - 1];
    return !optopt || optopt >= OPT_MODE || (*word == '-' && word[strlen(word) - 1] == optopt) ? word : argv[optind];
}

/* A word that is no option, or the start of several: one line, and the status to exit with. */
static int no_option(struct run *r, const char *word)
{
    const char *name = word + strspn(word, "-"), *shown = arena_stringn(r->arena, word, strcspn(word, "="));
    size_t length = strcspn(name, "="), count, all;
    const char *const *starts = option_names(r, name, length, &count);
    const char *const *names = option_names(r, "", 0, &all);
    const char *meant = diag_nearest(arena_stringn(r->arena, name, length), names, all);
    struct text hint = text_make(r->arena);
    bool is_long = !strncmp(word, "--", 2);
    if (is_long && length && count)
        for (size_t i = 0; i < count; i++)
            text_add(&hint, "%s '--%s'%s", i ? " or" : "; did you mean", starts[i], i + 1 < count ? "" : "?");
    else if (meant)
        text_add(&hint, "; did you mean '--%s'?", meant);
    else if (!is_long)
        shown = arena_printf(r->arena, "-%c", optopt);
    fprintf(stderr, "netc: there is no option '%s'%s (netc --help)\n", shown, text_string(&hint));
    return 2;
}

/* What getopt has found wrong. */
static int bad_option(struct run *r, int c, char **argv)
{
    const char *word = stumbled_over(argv);
    if (c == ':')
        return wrong("%s needs a value", word);
    if (optopt >= OPT_MODE)
        return wrong("%s: this option takes no value", word);
    return no_option(r, word);
}

/* Whether getopt was content with the start of an option's name: the word that it took, or NULL. */
static const char *abbreviated(char **argv, int index)
{
    const char *word = argv[optarg && optarg == argv[optind - 1] ? optind - 2 : optind - 1];
    return index < 0 || strcspn(word, "=") == strlen(long_options[index].name) + 2 ? NULL : word;
}

static int check_names(struct run *r, const char *option_name, const char *list, const char *const *others)
{
    if (!list || !*list)
        return 0;
    const char *near = NULL, *unknown = pipeline_unknown(r->arena, list, others, &near);
    if (!unknown)
        return 0;
    fprintf(stderr, "netc: %s: there is no pass '%s'", option_name, unknown);
    if (near)
        fprintf(stderr, "; did you mean '%s'?", near);
    fputs(" (netc --print-passes)\n", stderr);
    return 2;
}

/* Embedded weights are for inference alone. */
static int embeds(struct run *r)
{
    if (!r->o.weights)
        return -1;
    if (!r->o.emit.infer)
        return wrong("--embed-weights gives inference code: there is none in --mode %s", "train");
    if (emit_wanted(r->o.emit.emit, "app"))
        return wrong("--embed-weights is for --emit=c alone: the program of --emit=%s reads its weights", "app");
    r->o.emit.train = false;
    r->o.front.infer_only = r->o.passes.infer_only = true;
    return -1;
}

/* A limit to what trains needs something that trains. */
static int limits(struct run *r)
{
    if (r->o.max_bytes && !r->o.emit.train)
        return wrong("--max-bytes is a limit to training: there is none %s",
                     r->o.weights ? "with --embed-weights" : "in --mode infer");
    return -1;
}

/* Whether something is shown rather than written. */
static bool shows_only(const struct options *o)
{
    return (o->dump || o->explain) && !o->emit_asked;
}

/* Whether code is generated, to be written or for its kernels to be shown. */
static bool generates(const struct options *o)
{
    return !shows_only(o) || (o->dump && loops_wanted(o->dump));
}

/* Passes left out must be such as the C that is wanted can do without. A dump may be anywhere on the way there. */
static int passes_suffice(struct run *r)
{
    const struct options *o = &r->o;
    const char *only = o->passes.only;
    if (only && !shows_only(o) && !o->emit_asked && !(o->from_ir && loops_wanted(only)))
        return wrong(
            "--passes=%s: with --dump-ir or --explain it shows something, with --emit or -o it writes something", only);
    if (!generates(o) || (only && shows_only(o) && o->from_ir))
        return -1;
    const char *why = only ? pipeline_incomplete(r->arena, only) : pipeline_lacks(r->arena, o->passes.disable);
    return why ? wrong(arena_printf(r->arena, "%s: %%s", only ? "--passes" : "--disable"), why) : -1;
}

/* Reads the command line: -1 to go on, or the status to exit with. */
static int read_options(struct run *r, int argc, char **argv)
{
    r->o.emit = (struct emit_options){ .folder = ".", .emit = "c", .train = true, .infer = true, .level = 2 };
    r->o.passes.level = 2;
    r->o.color = "auto";
    int c, status = 0, index = -1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":o:D:I:O:vh", long_options, &index)) != -1) {
        if (c == '?' || c == ':')
            return bad_option(r, c, argv);
        if (abbreviated(argv, index))
            return no_option(r, abbreviated(argv, index));
        index = -1;
        if (answer(r, c))
            return print_all();
        if ((status = option(r, c, optarg)))
            return status;
    }
    if (optind < argc)
        r->o.model = argv[optind++];
    if (optind < argc)
        return wrong("one model at a time: what is '%s' for?", argv[optind]);
    if (!r->o.model && !r->o.from_ir && r->o.explain && strchr(r->o.explain, '.'))
        return wrong("--explain names passes, then comes the model: --explain=fuse %s", r->o.explain);
    if (!r->o.model == !r->o.from_ir)
        return wrong(r->o.model ? "either a model or --from-ir, not both%s" : "which model?%s", "");
    const char *const *loops = loops_names();
    if (r->o.explain && loops_wanted(r->o.explain))
        return wrong("--explain tells of passes over graphs; those over loops show with --dump-ir=%s", r->o.explain);
    if ((status = check_names(r, "--disable", r->o.passes.disable, loops)) ||
        (status = check_names(r, "--dump-ir", r->o.dump, loops)) ||
        (status = check_names(r, "--passes", r->o.passes.only, loops)) ||
        (status = check_names(r, "--explain", r->o.explain, NULL)))
        return status;
    if ((status = passes_suffice(r)) >= 0 || (status = embeds(r)) >= 0)
        return status;
    return limits(r);
}

static void watch(struct run *r, void (*see)(void *, struct module *, const char *, const char *), void *context)
{
    struct watcher *w = NEW(r->arena, struct watcher);
    *w = (struct watcher){ see, context, r->o.passes.watchers };
    r->o.passes.watchers = w;
}

static void set_up(struct run *r)
{
    bool color = !strcmp(r->o.color, "always") || (!strcmp(r->o.color, "auto") && isatty(STDERR_FILENO));
    diag_color(r->diag, color);
    diag_json(r->diag, r->o.json);
    r->dump = text_make(r->arena);
    r->log = text_make(r->arena);
    r->o.passes.dump = r->o.emit.dump = r->o.dump;
    r->o.passes.dump_to = r->o.emit.dump_to = &r->dump;
    if (r->o.explain) {
        r->explain = explain_new(r->arena, r->o.explain, &r->dump);
        watch(r, explain_pass, r->explain);
    }
    if (emit_wanted(r->o.emit.emit, "html")) {
        r->o.emit.history = history_new(r->arena);
        watch(r, history_add, r->o.emit.history);
    }
    if (r->o.verbose)
        r->o.passes.log = r->o.emit.log = &r->log;
}

static int unreadable(struct run *r, const char *path, const char *why)
{
    diag_error(r->diag, (struct place){ path, 0, 0, 0 }, "cannot read it: %s", why);
    return 3;
}

/* Loop IR goes through the loop passes alone. */
static int run_loops(struct run *r, const char *file, const char *text)
{
    struct lkernel **kernels;
    int count;
    if (!parse_kernels(r->arena, r->names, r->diag, file, text, &kernels, &count))
        return 1;
    for (int i = 0; i < count; i++) {
        if (!verify_kernel(kernels[i], r->diag))
            return 1;
        loops_only(kernels[i], r->o.passes.only);
        if (!verify_kernel(kernels[i], r->diag))
            return 1;
        print_kernel(&r->dump, kernels[i]);
    }
    return 0;
}

/* The module, from the model or from a dump; NULL with *status set. A file of loop IR is done with here. */
static struct module *load(struct run *r, int *status)
{
    if (r->o.model)
        return frontend_load(r->arena, r->names, r->diag, r->o.model, &r->o.front, status);
    size_t length;
    const char *why, *text = file_read(r->arena, r->o.from_ir, &length, &why);
    if (!text) {
        *status = unreadable(r, r->o.from_ir, why);
        return NULL;
    }
    diag_source(r->diag, r->o.from_ir, text, length);
    if (loops_text(text)) {
        *status = run_loops(r, r->o.from_ir, text);
        return NULL;
    }
    struct module *m = parse_module(r->arena, r->names, r->diag, r->o.from_ir, text);
    *status = m && verify_module(m) && verify_handed_over(m) ? 0 : 1;
    return *status ? NULL : m;
}

/* The runtime's record of a variable that a weight file holds. */
static nn_tensor weight_tensor(struct run *r, const struct module *m, const struct var *v)
{
    nn_dtype type = v->type.dtype == DT_REAL ? (m->f64 ? NN_F64 : NN_F32) : v->type.dtype == DT_I32 ? NN_I32 : NN_U8;
    int64_t *shape = NEW_ARRAY(r->arena, v->type.rank + 1, int64_t);
    for (int i = 0; i < v->type.rank; i++)
        shape[i] = v->type.dim[i].k;
    return (nn_tensor){ .name = v->name,
                        .dtype = v->type.dtype == DT_BOOL ? NN_BOOL : type,
                        .rank = v->type.rank,
                        .shape = shape,
                        .data = NEW_ARRAY(r->arena, type_count(v->type, 1), double) };
}

static double *elements(struct run *r, const nn_tensor *t, int64_t count)
{
    double *x = NEW_ARRAY(r->arena, count, double);
    for (int64_t i = 0; i < count; i++)
        x[i] = t->dtype == NN_F32   ? (double)((const float *)t->data)[i]
               : t->dtype == NN_F64 ? ((const double *)t->data)[i]
               : t->dtype == NN_I32 ? (double)((const int32_t *)t->data)[i]
                                    : (double)((const uint8_t *)t->data)[i];
    return x;
}

/* The weights to embed, read by what NET_load reads them with: the same elements, and the same complaints. */
static int read_weights(struct run *r, const struct module *m)
{
    nn_tensor *t = NEW_ARRAY(r->arena, m->vars + 1, nn_tensor);
    double **weights = NEW_ARRAY(r->arena, m->vars + 1, double *);
    char error[512];
    size_t count = 0;
    for (int i = 0; i < m->vars; i++)
        if (m->var[i]->role == ROLE_PARAM || m->var[i]->role == ROLE_FROZEN || m->var[i]->role == ROLE_STATE)
            t[count++] = weight_tensor(r, m, m->var[i]);
    int code = nn_tensors_load(r->o.weights, t, count, error, sizeof error);
    if (code) {
        diag_error(r->diag, (struct place){ NULL, 0, 0, 0 }, "--embed-weights: %s", error);
        return 3;
    }
    for (size_t i = 0; i < count; i++) {
        const struct var *v = module_find(m, t[i].name);
        weights[v->index] = elements(r, &t[i], type_count(v->type, 1));
    }
    r->o.emit.weights = weights;
    return 0;
}

/* The net that the file there names in its first line, where that is one of netc's own; NULL. */
static const char *net_of_file(struct run *r, const char *path)
{
    char line[1024] = "";
    FILE *f = fopen(path, "r");
    bool any = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    const char *named = any && !strncmp(line, "/* ", 3) ? strstr(line, "the model `") : NULL;
    if (!named)
        return NULL;
    named += strlen("the model `");
    return arena_stringn(r->arena, named, strcspn(named, "`"));
}

/* Nets `a` and `a_train` both have a file a_train.c: the one compiled last must not take the other's. */
static int others_keep_theirs(struct run *r, const char *net, const struct file_out *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *of = net_of_file(r, files[i].path);
        if (of && strcmp(of, net) != 0) {
            diag_error(r->diag, (struct place){ files[i].path, 0, 0, 0 },
                       "this file is of the model '%s', and '%s' has one of that name: choose another folder (-o)", of,
                       net);
            return 3;
        }
    }
    return 0;
}

static int write_files(struct run *r, const struct file_out *files, size_t count)
{
    const char *why, *which;
    if (!folder_make(r->arena, r->o.emit.folder, &why)) {
        diag_error(r->diag, (struct place){ r->o.emit.folder, 0, 0, 0 }, "cannot make this folder: %s", why);
        return 3;
    }
    if (!files_write(r->arena, files, count, &which, &why)) {
        diag_error(r->diag, (struct place){ which, 0, 0, 0 }, "cannot write it: %s", why);
        return 3;
    }
    return 0;
}

static int64_t measure(void *context, struct module *m)
{
    const struct run *r = context;
    return train_bytes_of(m, &r->o.emit).all;
}

/* Why a batch does not go in parts: the line of the model, and the layer. */
static const char *no_parts(struct run *r)
{
    const struct budget *b = r->o.passes.budget;
    if (!b->against)
        return NULL;
    const struct node *n = b->against;
    const char *line = n->at.file && n->at.line > 0 ? arena_printf(r->arena, "%s:%d", n->at.file, n->at.line) : "";
    const char *layer = n->layer && *n->layer ? arena_printf(r->arena, "%s%s", *line ? ", " : "", n->layer) : "";
    const char *of = *line || *layer ? "" : op_info(n->op)->name;
    return arena_printf(r->arena, "a batch cannot go in parts because of %s%s%s: %s", line, layer, of, b->why);
}

/* The smallest plan found for an instance that trains. */
struct least {
    long long all, arena;
    bool parts;
};

static struct least least_of(struct run *r, struct module *m, const struct budget *b)
{
    const struct graph *g = m->graph[GRAPH_TRAIN];
    struct train_bytes bytes = train_bytes_of(m, &r->o.emit);
    struct least least = { bytes.all, bytes.arena, g && g->part };

    if (b->whole_bytes && b->whole_bytes < least.all) { /* what is known of all samples takes more than parts save */
        least.parts = false;
        least.arena += b->whole_bytes - (least.all - bytes.totals);
        least.all = b->whole_bytes;
    }
    return least;
}

/* What is found in a run of its own where `bytes` are asked for; where there cannot be one, what was found. */
static struct least least_of_a_run(struct run *r, struct module *m, const char *pass, long long bytes,
                                   struct least found)
{
    struct budget b = { .bytes = bytes, .measure = measure, .context = r };
    struct module *copy = pipeline_without(m, &r->o.passes, &b, pass);

    return copy ? least_of(r, copy, &b) : found;
}

/* What evaluation and inference do to fit is done for nothing where training takes more: so less is asked for until that is
 * all that can be had. */
static struct least least_in_parts(struct run *r, struct module *m, const char *pass, struct least least)
{
    struct least next = least;

    do {
        least = next;
        next = least.parts ? least_of_a_run(r, m, pass, least.all - 1, least) : least;
    } while (next.all < least.all);
    return least;
}

/* Its transformed weights and the sums of their gradients are larger than what the plain form needs, more often than not. */
static const char *less_without_winograd(struct run *r, struct module *m, struct least with)
{
    const char *pass = "winograd";

    if (!r->o.passes.budget->winograd)
        return NULL;
    long long least = least_in_parts(r, m, pass, least_of_a_run(r, m, pass, 1, with)).all;
    return least < with.all
               ? arena_printf(r->arena, "without Winograd's method (--disable=winograd) the smallest takes %lld", least)
               : NULL;
}

/* --max-bytes: whether the module keeps to it, if it is planned. */
static bool fits(struct run *r, struct module *m)
{
    const struct graph *g = m->graph[GRAPH_TRAIN];
    long long most = r->o.max_bytes;
    if (!most || (g && g->arena_bytes < 0) || measure(r, m) <= most)
        return true;
    struct least least = least_in_parts(r, m, NULL, least_of(r, m, r->o.passes.budget));
    const char *parts = no_parts(r), *plain = less_without_winograd(r, m, least);
    const char *hint = parts && plain ? arena_printf(r->arena, "%s; %s", plain, parts) : parts ? parts : plain;
    const char *words =
        "--max-bytes %lld: the smallest plan found for an instance that trains%s takes %lld bytes, %lld too many "
        "(%lld are parameters, gradients, states and the optimizer's, %lld values of a run)";
    diag_error_hint(r->diag, m->at, NULL, NULL, hint, words, most, least.parts ? ", sample by sample," : "", least.all,
                    least.all - most, least.all - least.arena, least.arena);
    return false;
}

static int compile(struct run *r)
{
    int status = 0;
    struct module *m = load(r, &status);
    if (!m)
        return status;
    struct budget budget = { .bytes = r->o.max_bytes, .measure = measure, .context = r };
    r->o.passes.budget = r->o.max_bytes ? &budget : NULL;
    if (!pipeline_run(m, &r->o.passes) || !fits(r, m))
        return 1;
    if (r->explain)
        explain_end(r->explain);
    if (!generates(&r->o))
        return 0;
    if (r->o.weights && (status = read_weights(r, m)))
        return status;
    struct file_out *files;
    size_t count;
    if (!emit_module(m, &r->o.emit, &files, &count))
        return 1;
    if (shows_only(&r->o))
        return 0;
    status = others_keep_theirs(r, m->name, files, count);
    return status ? status : write_files(r, files, count);
}

/* What was asked for on standard output; 3 where it cannot be written. */
static int say(struct run *r)
{
    fputs(text_string(&r->dump), stdout);
    fputs(text_string(&r->log), stderr);
    return print_all();
}

int main(int argc, char **argv)
{
    struct run r = { .arena = arena_new() };
    r.names = names_new(r.arena);
    r.diag = diag_new(r.arena, stderr);
    int status = read_options(&r, argc, argv);
    if (status < 0) {
        set_up(&r);
        status = compile(&r);
        int said = say(&r);
        if (!status)
            status = said;
    }
    arena_free(r.arena);
    return status;
}
