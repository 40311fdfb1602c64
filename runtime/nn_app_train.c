/* nn_app_train.c: `train`: steps over samples in an order that the seed and the step alone decide, so that a run that was
 * stopped goes on as if it never had been.
 */
#define _POSIX_C_SOURCE 200809L

#include "nn_app.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

struct training {
    const nn_model *model;
    const struct nn_options *o;
    struct nn_set set, val;
    struct nn_order order;
    void *m, **batch;
    int64_t *index;
    int n, terminal;
    int64_t steps_an_epoch, step, last, epoch_samples;
    double started, loss_sum;
    int64_t loss_count;
    FILE *log;
};

static int open_log(struct training *t)
{
    if (!t->o->log)
        return 0;
    t->log = fopen(t->o->log, "w");
    if (!t->log)
        return nn_app_fail(t->model, 1, "cannot write %s", t->o->log);
    fputs("step,loss", t->log);
    for (int i = 0; i < t->model->metrics; i++)
        fprintf(t->log, ",%s", t->model->metric[i]);
    fputs(",seconds\n", t->log);
    return 0;
}

static void log_step(struct training *t, double loss, const double *metrics)
{
    if (!t->log)
        return;
    fprintf(t->log, "%lld,%.9g", (long long)t->step, loss);
    for (int i = 0; i < t->model->metrics; i++)
        fprintf(t->log, ",%.9g", metrics ? metrics[i] : NAN);
    fprintf(t->log, ",%.6f\n", nn_app_now() - t->started);
}

static void show_bar(struct training *t)
{
    double seconds = nn_app_now() - t->started, part = (double)t->step / (double)t->last;
    char bar[31];
    int full = (int)(part * 30);
    for (int i = 0; i < 30; i++)
        bar[i] = i < full ? '#' : '.';
    bar[30] = 0;
    fprintf(stdout, "\r[%s] %3d %%  loss %.4f  %.0f samples/s  %.0f s left ", bar, (int)(part * 100), t->loss_sum / (double)(t->loss_count ? t->loss_count : 1),
            (double)t->step * t->n / (seconds > 0 ? seconds : 1), part > 0 ? seconds / part - seconds : 0);
    fflush(stdout);
}

/* One line an epoch. */
static int end_epoch(struct training *t, int64_t epoch)
{
    double loss, metrics[64];
    if (t->terminal && !t->o->quiet)
        fputs("\r\033[K", stdout);
    if (!t->o->quiet)
        printf("epoch %lld  loss %.6f", (long long)epoch + 1, t->loss_sum / (double)(t->loss_count ? t->loss_count : 1));
    t->loss_sum = 0;
    t->loss_count = 0;
    if (t->val.column) {
        if (nn_app_evaluate(&t->val, t->m, &loss, t->model->metrics <= 64 ? metrics : NULL))
            return 1;
        if (!t->o->quiet)
            printf("  val loss %.6f", loss);
        for (int i = 0; i < t->model->metrics && i < 64 && !t->o->quiet; i++)
            printf("  val %s %.4f", t->model->metric[i], metrics[i]);
    }
    double seconds = nn_app_now() - t->started;
    if (!t->o->quiet)
        printf("  %.0f samples/s\n", (double)t->step * t->n / (seconds > 0 ? seconds : 1));
    fflush(stdout);
    return 0;
}

static int one_step(struct training *t, int64_t step)
{
    int64_t epoch = step / t->steps_an_epoch, first = step % t->steps_an_epoch * t->n;
    int64_t left = t->set.samples - first;
    int n = left < t->n ? (int)left : t->n;
    double reals[1];
    for (int i = 0; i < n; i++)
        t->index[i] = nn_order_at(&t->order, epoch, first + i);
    nn_set_gather(&t->set, t->index, n, t->batch);
    int code = t->model->train_step(t->m, n, (const void *const *)t->batch, reals);
    if (code)
        return nn_app_call_failed(&t->set, t->m, code, t->index, n, t->batch);
    double loss = nn_app_real(t->model, reals, 0);
    t->loss_sum += loss;
    t->loss_count++;
    t->step++;
    log_step(t, loss, NULL);
    if (t->terminal && !t->o->quiet && (t->step % 16 == 0 || t->step == t->last))
        show_bar(t);
    if (isfinite(loss))
        return 0;
    return nn_app_fail(t->model, 1, "the loss is no longer a number at step %lld: is the learning rate too high?", (long long)step);
}

static int keep(struct training *t)
{
    if (t->o->checkpoint && t->model->checkpoint(t->m, t->o->checkpoint))
        return nn_app_fail(t->model, 1, "%s", t->model->error(t->m));
    return 0;
}

static int loop(struct training *t, int64_t from)
{
    for (int64_t step = from; step < t->last && !interrupted; step++) {
        if (one_step(t, step))
            return 1;
        if (t->o->every > 0 && (step + 1) % t->o->every == 0 && keep(t))
            return 1;
        if (((step + 1) % t->steps_an_epoch == 0 || step + 1 == t->last) && end_epoch(t, step / t->steps_an_epoch))
            return 1;
    }
    if (interrupted)
        fprintf(stderr, "\n%s: interrupted after step %lld; what was asked for is saved\n", t->model->name, (long long)t->step);
    if (keep(t))
        return 1;
    if (t->o->save && t->model->save(t->m, t->o->save))
        return nn_app_fail(t->model, 1, "%s", t->model->error(t->m));
    return 0;
}

/* The instance, from a checkpoint, from weights, or fresh. */
static int start(struct training *t, int64_t *from)
{
    const struct nn_options *o = t->o;
    if (!(t->m = nn_app_create(t->model, o->seed)) || nn_app_load(t->model, t->m, o->weights))
        return 1;
    nn_progress *p = t->model->progress(t->m);
    p->app[0] = o->seed;
    if (o->resume && t->model->resume(t->m, o->resume))
        return nn_app_fail(t->model, 1, "%s", t->model->error(t->m));
    if (o->has_lr)
        t->model->set_lr(t->m, o->lr);
    *from = (int64_t)p->step;
    return nn_order_make(&t->order, &t->set, p->app[0], !o->no_shuffle);
}

static int prepare(struct training *t)
{
    const struct nn_options *o = t->o;
    int status = nn_set_read(&t->set, t->model, &o->in, o->windows, 1, o);
    if (!status && (o->val_in.count || o->val_windows))
        status = nn_set_read(&t->val, t->model, &o->val_in, o->val_windows, 1, o);
    if (status)
        return status;
    t->n = o->batch > 0 ? o->batch : t->model->batch;
    if (t->n > t->model->batch)
        return nn_app_fail(t->model, 2, "--batch %d is above the model's capacity of %d", t->n, t->model->batch);
    t->steps_an_epoch = (t->set.samples + t->n - 1) / t->n;
    t->last = o->steps >= 0 ? o->steps : (o->epochs >= 0 ? o->epochs : 1) * t->steps_an_epoch;
    t->batch = nn_batch_new(t->model);
    t->index = malloc((size_t)t->n * sizeof *t->index);
    t->terminal = isatty(STDOUT_FILENO);
    return t->batch && t->index ? open_log(t) : nn_app_fail(t->model, 1, "no memory");
}

int nn_app_train(const nn_model *model, const struct nn_options *o)
{
    struct training t = {.model = model, .o = o, .val = {.model = model}};
    struct sigaction action, before;
    int64_t from = 0;
    if (!model->train_step)
        return nn_app_fail(model, 1, "this model has no optimizer: it cannot be trained");
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    interrupted = 0;
    int status = prepare(&t);
    if (!status)
        status = start(&t, &from);
    sigaction(SIGINT, &action, &before);
    t.started = nn_app_now();
    t.step = from;
    if (!status)
        status = loop(&t, from);
    sigaction(SIGINT, &before, NULL);
    if (t.log && (ferror(t.log) | fclose(t.log)))
        status = nn_app_fail(model, 1, "cannot write %s", o->log);
    nn_order_free(&t.order);
    nn_set_free(&t.set);
    nn_set_free(&t.val);
    nn_batch_free(model, t.batch);
    free(t.index);
    if (t.m)
        model->destroy(t.m);
    return status;
}
