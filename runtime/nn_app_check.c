/* nn_app_check.c: `check`: the gradients that a model computes against central differences of its loss, in double. */
#include "nn_app.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-4 /* relative; where both are small, to a thousandth of the tensor's largest gradient */

/* tensor, states: what the model holds now; kept: copies to return to before every call. */
struct check {
    const nn_model *model;
    const struct nn_options *o;
    void *m, **batch;
    int n;
    const nn_tensor *tensor;
    size_t tensors;
    double *gradient; /* of the loss, as computed; laid out as the model's */
    size_t gradients;
    unsigned char *state;
    nn_progress progress;
};

static int64_t count_of(const nn_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->shape[i];
    return count;
}

/* Copies the states, to (save) or from where they are kept. */
static size_t move_states(struct check *c, int save)
{
    size_t at = 0;
    for (size_t i = 0; i < c->tensors; i++) {
        size_t bytes = (size_t)count_of(&c->tensor[i]) * nn_dtype_size(c->tensor[i].dtype);
        if (c->tensor[i].role != NN_STATE)
            continue;
        if (c->state && save)
            memcpy(c->state + at, c->tensor[i].data, bytes);
        else if (c->state)
            memcpy(c->tensor[i].data, c->state + at, bytes);
        at += bytes;
    }
    return at;
}

/* The loss of the batch, with the random numbers of the first call: all that a call changes is put back before it. */
static int loss_of(struct check *c, double *loss)
{
    size_t count;
    double *g = c->model->gradients(c->m, &count);
    memset(g, 0, count * sizeof *g);
    move_states(c, 0);
    *c->model->progress(c->m) = c->progress;
    c->model->changed(c->m);
    int code = c->model->accumulate(c->m, c->n, (const void *const *)c->batch, loss);
    return code ? nn_app_fail(c->model, 1, "%s", c->model->error(c->m)) : 0;
}

/* (loss(x + h) - loss(x - h)) / 2h for the element x. */
static int difference(struct check *c, double *x, double h, double *slope)
{
    double before = *x, high = 0, low = 0;
    *x = before + h;
    double above = *x - before;
    int status = loss_of(c, &high);
    *x = before - h;
    double below = before - *x;
    status = status ? status : loss_of(c, &low);
    *x = before;
    *slope = (high - low) / (above + below);
    return status;
}

/* A kink (relu, max) within h of x spoils a difference, rounding a small h: the best of four counts. */
static int check_element(struct check *c, double *x, double expected, double floor_, double *off)
{
    static const double steps[] = { 1e-5, 1e-6, 1e-4, 1e-7 };
    *off = INFINITY;
    for (int i = 0; i < 4 && !(*off < TOLERANCE); i++) {
        double slope;
        if (difference(c, x, steps[i] * fmax(1, fabs(*x)), &slope))
            return 1;
        double now = fabs(slope - expected) / (fmax(fabs(slope), fabs(expected)) + floor_);
        *off = now < *off ? now : *off;
    }
    return 0;
}

static double largest(const double *x, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fabs(x[i]) > most || isnan(x[i]) ? fabs(x[i]) : most;
    return most;
}

/* Whether the model keeps element i out of its gradient: then the loss may change with it, and the gradient is 0. */
static int is_blank(const struct check *c, const nn_tensor *t, int64_t i)
{
    for (int k = 0; k < c->model->blanks; k++) {
        const nn_blank *b = &c->model->blank[k];
        if (&c->tensor[b->tensor] == t && i >= b->first && i - b->first < b->count)
            return 1;
    }
    return 0;
}

/* All elements of small tensors; of large ones some, spread evenly. */
static int check_tensor(struct check *c, const nn_tensor *t, const double *expected, int *wrong)
{
    int64_t count = count_of(t), asked = c->o->samples >= 0 ? c->o->samples : 24;
    int64_t checked = asked == 0 || count < asked ? count : asked;
    double floor_ = 1e-3 * largest(expected, count) + 1e-7, worst = 0;
    int64_t where = 0, blank = 0;
    for (int64_t k = 0; k < checked; k++) {
        int64_t i = (int64_t)((double)k * (double)count / (double)checked);
        double off;
        if (is_blank(c, t, i)) {
            blank++;
            continue;
        }
        if (check_element(c, (double *)t->data + i, expected[i], floor_, &off))
            return 1;
        if (off > worst || isnan(off))
            worst = off, where = i;
    }
    *wrong = !(worst < TOLERANCE);
    printf("%-5s %-40s %lld of %lld elements, largest relative difference %.1e", *wrong ? "WRONG" : "ok", t->name,
           (long long)(checked - blank), (long long)count, worst);
    if (*wrong)
        printf(" at element %lld", (long long)where);
    if (blank)
        printf(", %lld left out: the model gives them no gradient", (long long)blank);
    printf("\n");
    return 0;
}

static int check_all(struct check *c)
{
    const double *g = c->model->gradients(c->m, &c->gradients);
    double loss;
    int total = 0, bad = 0;
    if (loss_of(c, &loss))
        return 1;
    memcpy(c->gradient, g, c->gradients * sizeof *g);
    printf("loss %.9g on %d samples\n", loss, c->n);
    for (size_t i = 0; i < c->tensors; i++) {
        const nn_tensor *t = &c->tensor[i];
        int wrong = 0;
        if (!t->grad || t->dtype != NN_F64)
            continue;
        if (check_tensor(c, t, c->gradient + ((const double *)t->grad - g), &wrong))
            return 1;
        bad += wrong;
        total++;
    }
    if (bad)
        return nn_app_fail(c->model, 1,
                           "%d of %d gradients differ from central differences, or stand at a kink of relu or max: "
                           "another --seed or other samples tell",
                           bad, total);
    printf("all %d gradients agree with central differences\n", total);
    return 0;
}

static int make_batch(struct check *c)
{
    struct nn_source from = { &c->o->in,    c->o->windows, "in",          1,          c->o->skip_lines,
                              c->o->unpack, NULL,          c->o->weights, c->o->quiet };
    struct nn_set set;
    if (!c->o->in.count && !c->o->windows)
        return nn_batch_random(c->model, c->m, c->n, c->batch);
    if (!(from.words = nn_app_words_new(c->model, c->o->weights)))
        return 1;
    int status = nn_set_read(&set, c->model, &from);
    if (!status && set.samples < c->n)
        c->n = (int)set.samples;
    int64_t *index = malloc((size_t)c->n * sizeof *index);
    if (!status && !index)
        status = nn_app_fail(c->model, 1, "no memory");
    for (int i = 0; i < c->n && !status; i++)
        index[i] = nn_set_place(&set, i);
    if (!status)
        nn_set_gather(&set, index, c->n, c->batch);
    free(index);
    nn_set_free(&set);
    nn_app_words_free(c->model, from.words);
    return status;
}

static int prepare(struct check *c)
{
    c->m = nn_app_create(c->model, c->o->seed);
    c->batch = nn_batch_new(c->model);
    if (!c->m || nn_app_load(c->model, c->m, c->o->weights))
        return 1;
    c->tensor = c->model->tensors(c->m, &c->tensors);
    c->model->gradients(c->m, &c->gradients);
    c->gradient = malloc((c->gradients + 1) * sizeof *c->gradient);
    unsigned char *state = malloc(move_states(c, 1) + 1);
    if (!c->batch || !c->gradient || !state) {
        free(state);
        return nn_app_fail(c->model, 1, "no memory");
    }
    c->state = state;
    move_states(c, 1);
    c->progress = *c->model->progress(c->m);
    return make_batch(c);
}

int nn_app_check(const nn_model *model, const struct nn_options *o)
{
    struct check c = { .model = model, .o = o, .n = o->n > 0 ? o->n : model->batch < 4 ? model->batch : 4 };
    if (model->real != NN_F64)
        return nn_app_fail(model, 1, "check needs a program of a model compiled with --dtype f64");
    if (!model->accumulate)
        return nn_app_fail(model, 1, "this model has no loss, or was compiled with --mode infer");
    if (c.n > model->batch)
        return nn_app_fail(model, 2, "--n %d is above the model's capacity of %d", c.n, model->batch);
    int status = prepare(&c);
    status = status ? status : check_all(&c);
    nn_batch_free(model, c.batch);
    free(c.gradient);
    free(c.state);
    if (c.m)
        model->destroy(c.m);
    return status;
}
