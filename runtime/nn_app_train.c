/* nn_app_train.c: `train`: steps over samples in an order that the seed and the step alone decide, so that a run that
 * was stopped goes on as if it never had been.
 */
#define _XOPEN_SOURCE 700

#include "nn_app.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted; /* a signal has nowhere else to leave its mark */

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

struct training {
    const nn_model *model;
    const struct nn_options *o;
    struct nn_set set, val;
    struct nn_words *words; /* of both */
    char **packed;          /* the same, as what is saved holds them */
    struct nn_order order;
    void *m, **batch;
    int64_t *index;
    int n; /* samples a step */
    int64_t steps_an_epoch, step, last;
    int64_t samples;              /* trained on by this process */
    double loss_sum, loss_weight; /* over the samples of this epoch */
    double *metric;               /* of the batch at hand, or of the validation samples */
    double *metric_sum;           /* as loss_sum */
    void *reals;                  /* room for what the model writes */
    double started, shown;        /* seconds */
    double aside;                 /* of them not on training: validation, checkpoints */
    int bar, measures;            /* measures: the metrics of every batch */
    FILE *log;
};

/* --- what is shown ------------------------------------------------------------------------------------------------ */

/* Over the samples of the epoch so far. */
static double mean(const struct training *t, double sum)
{
    return t->loss_weight > 0 ? sum / t->loss_weight : 0;
}

/* Samples a second of training: validating and writing checkpoints is not part of it. */
static double speed(const struct training *t)
{
    double seconds = nn_app_now() - t->started - t->aside;
    return seconds > 0 ? (double)t->samples / seconds : 0;
}

/* Seconds to the end if all goes on as it went, what is not training included. */
static int64_t seconds_left(const struct training *t)
{
    double samples = (double)(t->last - t->step) * t->n;
    return t->samples ? (int64_t)(samples * (nn_app_now() - t->started) / (double)t->samples) : 0;
}

/* Metrics of the batch at hand: an evaluation of it, which changes nothing of the training. */
static int measure_batch(struct training *t, int n)
{
    int code = t->model->eval(t->m, n, (const void *const *)t->batch, NULL, t->reals);
    if (code)
        return nn_app_call_failed(&t->set, t->m, code, t->index, n, t->batch);
    for (int i = 0; i < t->model->metrics; i++) {
        t->metric[i] = nn_app_real(t->model, t->reals, i);
        t->metric_sum[i] += t->metric[i] * n;
    }
    return 0;
}

static void print_means(const struct training *t)
{
    for (int i = 0; t->measures && i < t->model->metrics; i++)
        printf("  %s %.4f", t->model->metric[i], mean(t, t->metric_sum[i]));
}

static void show_bar(struct training *t)
{
    double now = nn_app_now(), part = t->last ? (double)t->step / (double)t->last : 1;
    if (!t->bar || (now - t->shown < 0.2 && t->step < t->last))
        return;
    char bar[25];
    for (int i = 0; i < 24; i++)
        bar[i] = i < (int)(part * 24) ? '#' : '.';
    bar[24] = 0;
    int64_t left = seconds_left(t);
    printf("\r\033[K[%s] %3d %%  loss %.4f", bar, (int)(part * 100), mean(t, t->loss_sum));
    print_means(t);
    printf("  %.0f samples/s  %lld:%02lld left", speed(t), (long long)(left / 60), (long long)(left % 60));
    fflush(stdout);
    t->shown = now;
}

static void print_validation(const struct training *t, double loss)
{
    printf("  val loss %.6f", loss);
    for (int i = 0; i < t->model->metrics; i++)
        printf("  val %s %.4f", t->model->metric[i], t->metric[i]);
}

/* One line an epoch. With validation samples the metrics are theirs, else the means over the epoch's. */
static int end_epoch(struct training *t, int64_t epoch)
{
    double val_loss = 0;
    int validates = t->val.column != NULL;
    double before = nn_app_now();
    if (validates && nn_app_evaluate(&t->val, t->m, &val_loss, t->metric))
        return 1;
    t->aside += nn_app_now() - before;
    if (t->o->quiet)
        return 0;
    printf("%sepoch %lld  step %lld  loss %.6f", t->bar ? "\r\033[K" : "", (long long)epoch + 1, (long long)t->step,
           mean(t, t->loss_sum));
    if (validates)
        print_validation(t, val_loss);
    else
        print_means(t);
    printf("  %.0f samples/s\n", speed(t));
    fflush(stdout);
    return 0;
}

/* --- log ---------------------------------------------------------------------------------------------------------- */

/* A resumed run goes on behind the rows that are there. */
static int open_log(struct training *t)
{
    if (!t->o->log)
        return 0;
    t->log = fopen(t->o->log, t->o->resume ? "a" : "w");
    if (!t->log)
        return nn_app_fail(t->model, 1, "%s: cannot be written: %s", t->o->log, strerror(errno));
    if (fseek(t->log, 0, SEEK_END) == 0 && ftell(t->log) > 0)
        return 0;
    fputs("step,loss", t->log);
    for (int i = 0; i < t->model->metrics; i++)
        fprintf(t->log, ",%s", t->model->metric[i]);
    fputs(",seconds\n", t->log);
    return 0;
}

static int log_step(struct training *t, double loss)
{
    if (!t->log)
        return 0;
    fprintf(t->log, "%lld,%.9g", (long long)t->step, loss);
    for (int i = 0; i < t->model->metrics; i++)
        fprintf(t->log, ",%.9g", t->metric[i]);
    fprintf(t->log, ",%.6f\n", nn_app_now() - t->started);
    return ferror(t->log) ? nn_app_fail(t->model, 1, "%s: cannot be written: %s", t->o->log, strerror(errno)) : 0;
}

static int close_log(struct training *t, int status)
{
    if (!t->log)
        return status;
    if (fclose(t->log) != 0 && !status)
        status = nn_app_fail(t->model, 1, "%s: cannot be written: %s", t->o->log, strerror(errno));
    return status;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* Fills the batch of a step; gives its samples. The last batch of an epoch holds what is left. */
static int take_batch(struct training *t, int64_t step)
{
    int64_t epoch = step / t->steps_an_epoch, first = step % t->steps_an_epoch * t->n;
    int n = t->set.samples - first < t->n ? (int)(t->set.samples - first) : t->n;
    for (int i = 0; i < n; i++)
        t->index[i] = nn_order_at(&t->order, epoch, first + i);
    nn_set_gather(&t->set, t->index, n, t->batch);
    return n;
}

static int one_step(struct training *t, int n)
{
    if (t->measures && measure_batch(t, n)) /* before the step, as the loss */
        return 1;
    int code = t->model->train_step(t->m, n, (const void *const *)t->batch, t->reals);
    if (code)
        return nn_app_call_failed(&t->set, t->m, code, t->index, n, t->batch);
    double loss = nn_app_real(t->model, t->reals, 0);
    t->loss_sum += loss * n;
    t->loss_weight += n;
    t->samples += n;
    t->step++;
    if (log_step(t, loss))
        return 1;
    if (!isfinite(loss) && t->samples == n)
        return nn_app_fail(t->model, 1,
                           "the loss is not a number at step %lld, the first of this run: do samples hold what is no "
                           "number, or was the learning rate of what it started from too high?",
                           (long long)t->step);
    if (!isfinite(loss))
        return nn_app_fail(t->model, 1, "the loss is no longer a number at step %lld: is the learning rate too high?",
                           (long long)t->step);
    show_bar(t);
    return 0;
}

static int keep(struct training *t)
{
    double before = nn_app_now();
    if (t->o->checkpoint && t->model->checkpoint(t->m, t->o->checkpoint))
        return nn_app_fail(t->model, 1, "%s", t->model->error(t->m));
    t->aside += nn_app_now() - before;
    return 0;
}

static void begin_epoch(struct training *t)
{
    t->loss_sum = t->loss_weight = 0;
    for (int i = 0; i < t->model->metrics; i++)
        t->metric_sum[i] = 0;
}

/* What is due after a step: the epoch's line, a checkpoint. */
static int after_step(struct training *t)
{
    int whole = t->step % t->steps_an_epoch == 0;
    if ((whole || t->step == t->last) && end_epoch(t, (t->step - 1) / t->steps_an_epoch))
        return 1;
    if (whole)
        begin_epoch(t);
    int due = t->o->every > 0 ? t->step % t->o->every == 0 : whole;
    return due && t->step < t->last ? keep(t) : 0; /* the last one is written in any case */
}

/* Sparse layers are rewired after every epoch but the last (Mocanu et al. 2018, algorithm 1): before the next one begins,
 * so that what is saved has been trained, and a run that ends here and is resumed is the run that went on. */
static int before_step(struct training *t)
{
    int next = t->step > 0 && t->step % t->steps_an_epoch == 0;
    if (next && t->model->evolve && t->model->evolve(t->m))
        return nn_app_fail(t->model, 1, "%s", t->model->error(t->m));
    return 0;
}

static int loop(struct training *t)
{
    while (t->step < t->last && !interrupted) {
        if (before_step(t))
            return 1;
        if (one_step(t, take_batch(t, t->step)) || after_step(t))
            return 1;
    }
    if (interrupted)
        fprintf(stderr, "%s%s: stopped after step %lld\n", t->bar ? "\n" : "", t->model->name, (long long)t->step);
    if (keep(t))
        return 1;
    return t->o->save ? nn_app_save(t->model, t->m, t->packed, t->o->save) : 0;
}

/* --- setting up --------------------------------------------------------------------------------------------------- */

/* What decides the order of the samples, as a checkpoint keeps it. */
enum { ORDER_SEED, ORDER_BATCH, ORDER_SAMPLES, ORDER_FLAGS };
enum { ORDER_KNOWN = 1, ORDER_SHUFFLED = 2, ORDER_SUM = 8 /* the bits from here on: nn_set_sum; 0: not kept */ };

static uint64_t size_of_set(const struct training *t)
{
    return (uint64_t)(t->set.stream ? t->set.stream_size : t->set.samples);
}

/* What tells the samples from others, in the bits that the flags leave; never 0. */
static uint64_t sum_of_set(const struct training *t)
{
    uint64_t sum = nn_set_sum(&t->set) >> ORDER_SUM;
    return sum ? sum : 1;
}

/* A resumed run has the order of the one it continues: what was given must not contradict it. */
static int compare_order(const struct training *t, const nn_progress *p)
{
    const struct nn_options *o = t->o;
    if (!(p->app[ORDER_FLAGS] & ORDER_KNOWN))
        return nn_app_fail(t->model, 1, "%s: keeps no order of samples; it was not written by this program's train",
                           o->resume);
    if (o->has_seed && o->seed != p->app[ORDER_SEED])
        return nn_app_fail(t->model, 1, "%s: was made with --seed %llu", o->resume,
                           (unsigned long long)p->app[ORDER_SEED]);
    if (o->batch > 0 && (uint64_t)o->batch != p->app[ORDER_BATCH])
        return nn_app_fail(t->model, 1, "%s: was made with --batch %llu", o->resume,
                           (unsigned long long)p->app[ORDER_BATCH]);
    if (o->no_shuffle && (p->app[ORDER_FLAGS] & ORDER_SHUFFLED))
        return nn_app_fail(t->model, 1, "%s: was made without --no-shuffle", o->resume);
    if (p->app[ORDER_SAMPLES] != size_of_set(t))
        return nn_app_fail(t->model, 1, "%s: was made on %llu samples or bytes, and these files hold %llu", o->resume,
                           (unsigned long long)p->app[ORDER_SAMPLES], (unsigned long long)size_of_set(t));
    uint64_t sum = p->app[ORDER_FLAGS] >> ORDER_SUM;
    if (sum && sum != sum_of_set(t))
        return nn_app_fail(t->model, 1, "%s: was made on other samples than these (as many, but with other values): %s",
                           o->resume, t->set.columns ? t->set.column[0].file : "");
    return 0;
}

static int set_order(struct training *t)
{
    const struct nn_options *o = t->o;
    nn_progress *p = t->model->progress(t->m);
    if (o->resume) {
        if (compare_order(t, p))
            return 1;
    } else {
        p->app[ORDER_SEED] = o->seed;
        p->app[ORDER_BATCH] = (uint64_t)(o->batch > 0 ? o->batch : t->model->batch);
        p->app[ORDER_SAMPLES] = size_of_set(t);
        p->app[ORDER_FLAGS] = ORDER_KNOWN | (o->no_shuffle ? 0 : ORDER_SHUFFLED);
    }
    if (o->checkpoint && !(p->app[ORDER_FLAGS] >> ORDER_SUM))
        p->app[ORDER_FLAGS] |= sum_of_set(t) << ORDER_SUM;
    t->n = (int)p->app[ORDER_BATCH];
    t->step = (int64_t)p->step;
    if (t->n < 1 || t->n > t->model->batch)
        return nn_app_fail(t->model, 2, "--batch %d is above the model's capacity of %d", t->n, t->model->batch);
    t->steps_an_epoch = (t->set.samples + t->n - 1) / t->n;
    t->last = o->steps >= 0 ? o->steps : (o->epochs >= 0 ? o->epochs : 1) * t->steps_an_epoch;
    return nn_order_make(&t->order, &t->set, p->app[ORDER_SEED], (p->app[ORDER_FLAGS] & ORDER_SHUFFLED) != 0);
}

static int read_sets(struct training *t)
{
    const struct nn_options *o = t->o;
    const char *loaded = o->weights ? o->weights : o->resume;
    t->words = nn_app_words_new(t->model, loaded);
    struct nn_source from = { &o->in, o->windows, "in", 1, o->skip_lines, o->unpack, t->words, loaded, o->quiet };
    struct nn_source val = from;
    val.in = &o->val_in;
    val.windows = o->val_windows;
    val.option = "val-in";
    int status = t->words ? nn_set_read(&t->set, t->model, &from) : 1;
    if (!status && (o->val_in.count || o->val_windows))
        status = nn_set_read(&t->val, t->model, &val);
    return status;
}

/* The words go into whatever this run saves. */
static int take_words_along(struct training *t)
{
    if (!t->o->save && !t->o->checkpoint)
        return 0;
    t->packed = nn_app_words_pack(t->model, t->words);
    t->model->progress(t->m)->meta = (const char *const *)t->packed;
    return t->packed ? 0 : 1;
}

/* The instance, from a checkpoint, from weights, or fresh. */
static int make_instance(struct training *t)
{
    const struct nn_options *o = t->o;
    t->m = nn_app_create(t->model, o->seed);
    if (!t->m || nn_app_load(t->model, t->m, o->weights))
        return 1;
    if (o->resume && t->model->resume(t->m, o->resume))
        return nn_app_fail(t->model, 1, "%s", t->model->error(t->m));
    if (o->has_lr)
        t->model->set_lr(t->m, o->lr);
    size_t reals = (size_t)t->model->metrics + 1;
    t->batch = nn_batch_new(t->model);
    t->index = malloc((size_t)t->model->batch * sizeof *t->index);
    t->metric = calloc(reals, sizeof *t->metric);
    t->metric_sum = calloc(reals, sizeof *t->metric_sum);
    t->reals = calloc(reals, sizeof(double));
    return t->batch && t->index && t->metric && t->metric_sum && t->reals ? 0 : nn_app_fail(t->model, 1, "no memory");
}

/* What a user would rather know before the run than after it. */
static void warn(const struct training *t)
{
    if (t->o->quiet)
        return;
    if (!t->o->save && !t->o->checkpoint)
        fprintf(stderr, "%s: train: nothing is saved (--save FILE)\n", t->model->name);
    if (t->o->resume && t->step >= t->last)
        fprintf(stderr,
                "%s: train: %s stands at step %lld (epoch %lld) already, and step %lld was asked for: nothing to do\n",
                t->model->name, t->o->resume, (long long)t->step, (long long)(t->step / t->steps_an_epoch),
                (long long)t->last);
}

/* Whether a file will be written where it is asked for, tried before the hours of a run are in it. A pipe or a device
 * has to be opened once alone. */
static int try_file(const struct training *t, const char *path)
{
    char text[512] = "";
    struct nn_message message = { text, sizeof text };
    struct nn_writer w;
    struct stat st;
    if (!path || (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return 0;
    if (nn_file_begin(&w, path, &message))
        return nn_app_fail(t->model, 1, "%s", text);
    nn_file_abandon(&w);
    return 0;
}

static int start(struct training *t)
{
    if (!t->model->accumulate)
        return nn_app_fail(t->model, 1,
                           "this model has no loss, or was compiled with --mode infer: it cannot be trained");
    if (!t->model->train_step)
        return nn_app_fail(t->model, 1, "this model has no optimizer: it cannot be trained");
    if (t->o->weights && t->o->resume)
        return nn_app_fail(t->model, 2, "train: --weights and --resume exclude each other");
    if (t->o->every >= 0 && !t->o->checkpoint)
        return nn_app_fail(t->model, 2, "train: --every is how often --checkpoint FILE writes, and that is missing");
    if (t->o->steps >= 0 && t->o->epochs >= 0)
        return nn_app_fail(t->model, 2, "train: --epochs and --steps exclude each other");
    int status = read_sets(t);
    status = status ? status : make_instance(t);
    status = status ? status : take_words_along(t);
    status = status ? status : set_order(t);
    t->bar = isatty(STDOUT_FILENO) && !t->o->quiet;
    int shows = t->bar || (!t->o->quiet && !t->val.column);
    t->measures = t->model->metrics && t->model->eval && (t->o->log || shows);
    status = status ? status : try_file(t, t->o->save);
    status = status ? status : try_file(t, t->o->checkpoint);
    status = status ? status : open_log(t);
    if (!status)
        warn(t);
    return status;
}

static void finish(struct training *t)
{
    nn_order_free(&t->order);
    nn_set_free(&t->val);
    nn_set_free(&t->set);
    nn_app_words_free(t->model, t->words);
    nn_batch_free(t->model, t->batch);
    free(t->index);
    free(t->metric);
    free(t->metric_sum);
    free(t->reals);
    if (t->m)
        t->model->destroy(t->m);
    nn_app_words_drop(t->packed);
}

int nn_app_train(const nn_model *model, const struct nn_options *o)
{
    struct training t = { .model = model, .o = o };
    struct sigaction action, before;
    int status = start(&t);
    if (!status) {
        memset(&action, 0, sizeof action);
        action.sa_handler = on_interrupt;
        action.sa_flags = (int)(SA_RESETHAND | SA_RESTART); /* a second one ends the program */
        interrupted = 0;
        sigaction(SIGINT, &action, &before);
        t.started = nn_app_now();
        status = loop(&t);
        sigaction(SIGINT, &before, NULL);
    }
    status = close_log(&t, status);
    finish(&t);
    return status;
}
