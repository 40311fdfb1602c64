/* frontend/optim.c: optimizers and learning rate schedules. */
#include <math.h>
#include <string.h>

#include "frontend/elab.h"

struct rule_arg {
    const char *name;
    double fallback, least, most; /* least <= value <= most */
};

struct rule {
    const char *name;
    double lr; /* NAN: must be given */
    struct rule_arg arg[MAX_OPTIM_ARGS];
};

#define MOMENT(n, d)                                                                                                   \
    {                                                                                                                  \
        n, d, 0, 1                                                                                                     \
    }
#define AT_LEAST_0(n, d)                                                                                               \
    {                                                                                                                  \
        n, d, 0, INFINITY                                                                                              \
    }
static const struct rule rules[] = {
    { "sgd",
      NAN,
      { AT_LEAST_0("momentum", 0),
        AT_LEAST_0("dampening", 0),
        { "first_step", 0, 0, 1 },
        { "nesterov", 0, 0, 1 },
        AT_LEAST_0("weight_decay", 0),
        AT_LEAST_0("clip_norm", 0) } },
    { "adam",
      1e-3,
      { MOMENT("beta1", 0.9), MOMENT("beta2", 0.999), AT_LEAST_0("eps", 1e-8), AT_LEAST_0("weight_decay", 0),
        AT_LEAST_0("clip_norm", 0) } },
    { "adamw",
      1e-3,
      { MOMENT("beta1", 0.9), MOMENT("beta2", 0.999), AT_LEAST_0("eps", 1e-8), AT_LEAST_0("weight_decay", 0.01),
        AT_LEAST_0("clip_norm", 0) } },
    { "rmsprop",
      1e-2,
      { MOMENT("alpha", 0.99),
        AT_LEAST_0("eps", 1e-8),
        AT_LEAST_0("momentum", 0),
        { "centered", 0, 0, 1 },
        AT_LEAST_0("weight_decay", 0),
        AT_LEAST_0("clip_norm", 0) } },
    { "adagrad",
      1e-2,
      { AT_LEAST_0("lr_decay", 0), AT_LEAST_0("eps", 1e-10), AT_LEAST_0("weight_decay", 0),
        AT_LEAST_0("clip_norm", 0) } },
};
enum { RULES = sizeof rules / sizeof *rules };

struct schedule {
    const char *name;
    const char *arg[5]; /* in their order; required before optional */
    int required;
};

static const struct schedule schedules[] = {
    { "constant", { "lr" }, 1 },
    { "step", { "lr", "every", "gamma" }, 3 },
    { "cosine", { "lr", "steps", "warmup", "min" }, 2 },
    { "linear", { "lr", "steps", "warmup", "min" }, 2 },
};
enum { SCHEDULES = sizeof schedules / sizeof *schedules };

static bool is_other_optimizer(const char *word)
{
    static const char *const words[] = { "adamax", "nadam", "radam", "adadelta", "adafactor", "asgd", "ftrl",
                                         "lamb",   "lars",  "lbfgs", "lion",     "muon",      "rprop" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (spelt_alike(words[i], word))
            return true;
    return false;
}

static void unknown(struct elab *e, struct place at, const char *what, const char *word, const char *const *names,
                    size_t count)
{
    const char *near = is_other_optimizer(word) ? "" : word; /* nadam is not a misspelt adam */
    error_hint(e, at, NULL, word, names_hint(e, near, names, (int)count, "there are "), "no %s is called '%s'", what,
               word);
}

/* ---- calls of other libraries ---- */

/* params, net.parameters(), list(model.parameters()): what an optimizer is given first elsewhere. */
static bool is_parameters(const struct elab *e, const struct ast *x)
{
    static const char words[] = "params|parameters|named_parameters|trainable_parameters|model_params|net_params|"
                                "variables|trainable_variables|trainable_weights|weights";
    bool named = (x->kind == A_NAME && !look_up(e, x->text, false)) || x->kind == A_MEMBER;

    if (x->kind == A_CALL)
        return is_parameters(e, x->a) || (x->items && is_parameters(e, x->item[0]));
    return named && is_among(words, strlen(words), x->text);
}

/* One argument elsewhere that is two here, as betas = (0.9, 0.99). */
static bool say_pair(struct elab *e, struct text *t, const struct ast *x)
{
    static const char *const rows[][3] = { { "betas", "beta1", "beta2" } };
    const struct ast *pair = x->a;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i][0], x->text) || (pair->kind != A_TUPLE && pair->kind != A_LIST) || pair->items != 2)
            continue;
        text_add(t, "%s = ", rows[i][1]);
        bool said = say(e, t, pair->item[0]);
        text_add(t, ", %s = ", rows[i][2]);
        return said && say(e, t, pair->item[1]);
    }
    return false;
}

/* An argument by its name here, number `place` of those that have none; false: it is not to be said, or there is none such. */
static bool say_setting(struct elab *e, struct text *t, const char *optimizer, const struct ast *x, int place)
{
    int count;
    const char **names = formal_names(e, optimizer, &count);
    const char *here = x->kind == A_ARG ? argument_here(e, optimizer, x->text) : place <= 1 ? names[place] : "";

    if (x->kind == A_ARG && say_pair(e, t, x))
        return true;
    for (int i = 0; i < count; i++) {
        const struct ast *value = x->kind == A_ARG ? x->a : x;
        if (strcmp(names[i], here))
            continue;
        text_add(t, "%s = ", here);
        return value->kind != A_TUPLE && say(e, t, value);
    }
    return false;
}

/* The statement of this optimizer with the arguments that a call elsewhere has, without the parameters. rest: those that it has
 * not, in words; "": none. */
static const char *statement_of(struct elab *e, const struct rule *r, const struct ast *call, const char **rest)
{
    struct text t = text_make(e->arena), without = text_make(e->arena);
    int place = 0, said = 0;

    text_add(&t, "optimizer %s(", r->name);
    for (int i = 0; i < call->items; i++) {
        const struct ast *x = call->item[i];
        struct text setting = text_make(e->arena);
        if ((!i && is_parameters(e, x)) || (x->kind == A_ARG && is_parameters(e, x->a)))
            continue;
        if (say_setting(e, &setting, r->name, x, x->kind == A_ARG ? 0 : place++))
            text_add(&t, "%s%s", said++ ? ", " : "", text_string(&setting));
        else
            text_add(&without, "%s%s", without.length ? ", " : ", without ", x->kind == A_ARG ? x->text : "the rest");
    }
    text_puts(&t, !said && isnan(r->lr) ? "lr = 0.1);" : ");");
    *rest = text_string(&without);
    return text_string(&t);
}

const char **optimizer_arguments(struct elab *e, const char *optimizer, int *count)
{
    const char **names = NEW_ARRAY(e->arena, MAX_OPTIM_ARGS + 1, const char *);

    *count = 0;
    for (int i = 0; i < RULES; i++)
        if (!strcmp(rules[i].name, optimizer)) {
            names[(*count)++] = "lr";
            for (int k = 0; k < MAX_OPTIM_ARGS && rules[i].arg[k].name; k++)
                names[(*count)++] = rules[i].arg[k].name;
        }
    return names;
}

/* ---- schedules ---- */

/* What schedules take, where an optimizer has it, and whether it counts steps. */
static const struct schedule_arg {
    const char *name;
    size_t at;
    bool counts;
} schedule_args[] = {
    { "lr", offsetof(struct optimizer, rate), false },      { "every", offsetof(struct optimizer, every), true },
    { "gamma", offsetof(struct optimizer, gamma), false },  { "steps", offsetof(struct optimizer, steps), true },
    { "warmup", offsetof(struct optimizer, warmup), true }, { "min", offsetof(struct optimizer, low), false },
};

static const struct schedule_arg *schedule_arg(const char *name)
{
    const struct schedule_arg *a = schedule_args;

    while (strcmp(a->name, name) != 0)
        a++;
    return a;
}

static bool check_schedule(struct elab *e, const struct optimizer *o, struct place at)
{
    if (!(o->rate >= 0))
        error_at(e, at, "a learning rate is at least 0, not %g", o->rate);
    else if (!(o->every >= 1) || !(o->steps >= 1))
        error_at(e, at, "a schedule counts steps from 1 on");
    else if (!(o->warmup >= 0 && (o->warmup < o->steps || o->warmup == 0)))
        error_at(e, at, "warmup is at least 0 and less than steps");
    else
        return true;
    return false;
}

static bool schedule_call(struct elab *e, struct optimizer *o, const struct ast *x)
{
    const char *names[SCHEDULES];
    const struct schedule *s = NULL;
    for (int i = 0; i < SCHEDULES; i++) {
        names[i] = schedules[i].name;
        if (!strcmp(names[i], x->a->text))
            s = &schedules[i];
    }
    const char *foreign = s ? NULL : foreign_schedule(x->a->text);
    if (foreign)
        error_hint(e, x->a->at, NULL, x->a->text,
                   arena_printf(e->arena, "it is written lr = %s and counts steps, not epochs", foreign),
                   "no schedule is called '%s'", x->a->text);
    else if (!s)
        unknown(e, x->a->at, "schedule", x->a->text, names, SCHEDULES);
    if (!s)
        return false;
    o->schedule = s->name;
    unsigned given = 0;
    for (int i = 0; i < x->items; i++) {
        const struct ast *a = x->item[i];
        int k = i, count = 0;
        while (count < 5 && s->arg[count])
            count++;
        if (a->kind == A_ARG)
            for (k = 0; k < count && strcmp(s->arg[k], a->text);)
                k++;
        if (k >= count) {
            if (a->kind == A_ARG)
                unknown(e, a->at, "argument of this schedule", a->text, s->arg, (size_t)count);
            else
                error_at(e, a->at, "schedule '%s' takes %d arguments", s->name, count);
            return false;
        }
        struct val v = eval(e, a->kind == A_ARG ? a->a : a);
        if (v.kind == V_POISON)
            return false;
        const struct schedule_arg *arg = schedule_arg(s->arg[k]);
        bool fits = is_number(&v) && isfinite(number_of(&v)) && (!arg->counts || number_of(&v) == floor(number_of(&v)));
        if (given & 1u << k) {
            error_at(e, a->at, "argument '%s' is given twice", s->arg[k]);
            return false;
        }
        if (!fits) {
            error_at(e, a->at, "'%s' is a %s, not %s", s->arg[k],
                     arg->counts     ? "whole number of steps"
                     : is_number(&v) ? "finite number"
                                     : "number",
                     describe(e, &v));
            return false;
        }
        *(double *)(void *)((char *)o + arg->at) = number_of(&v);
        given |= 1u << k;
    }
    for (int i = 0; i < s->required; i++)
        if (!(given & 1u << i)) {
            error_at(e, x->at, "schedule '%s' needs its argument '%s'", s->name, s->arg[i]);
            return false;
        }
    return check_schedule(e, o, x->at);
}

static bool is_schedule_call(struct elab *e, const struct ast *x)
{
    return x->kind == A_CALL && x->a->kind == A_NAME && !look_up(e, x->a->text, false);
}

static bool set_lr(struct elab *e, struct optimizer *o, const struct ast *x)
{
    if (is_schedule_call(e, x) ||
        (x->kind == A_CALL && x->a->kind == A_NAME && (!strcmp(x->a->text, "linear") || !strcmp(x->a->text, "step"))))
        return schedule_call(e, o, x);
    struct val v = eval(e, x);
    if (v.kind == V_POISON)
        return false;
    if (!is_number(&v)) {
        error_at(e, x->at, "lr is a number or a schedule, not %s", describe(e, &v));
        return false;
    }
    o->rate = number_of(&v);
    if (!isfinite(o->rate)) {
        error_at(e, x->at, "a learning rate is a finite number, not %s", describe(e, &v));
        return false;
    }
    return check_schedule(e, o, x->at);
}

/* ---- rules ---- */

static int find_arg(const struct rule *r, const char *word)
{
    for (int i = 0; i < MAX_OPTIM_ARGS && r->arg[i].name; i++)
        if (!strcmp(r->arg[i].name, word))
            return i;
    return -1;
}

static bool arg_value(struct elab *e, const struct rule_arg *a, const struct ast *x, double *out)
{
    struct val v = eval(e, x->kind == A_ARG ? x->a : x);
    if (v.kind == V_POISON)
        return false;
    if (!strcmp(a->name, "first_step")) {
        if (v.kind == V_STRING && (!strcmp(v.text, "plain") || !strcmp(v.text, "dampened"))) {
            *out = *v.text == 'd';
            return true;
        }
        error_at(e, x->at, "first_step is \"plain\" or \"dampened\", not %s", describe(e, &v));
        return false;
    }
    bool flag = !strcmp(a->name, "nesterov") || !strcmp(a->name, "centered");
    if (flag ? v.kind != V_BOOL : !is_number(&v)) {
        error_at(e, x->at, "'%s' is %s, not %s", a->name, flag ? "true or false" : "a number", describe(e, &v));
        return false;
    }
    *out = number_of(&v);
    if (*out >= a->least && *out <= a->most && isfinite(*out) && !(a->most == 1 && !flag && *out == 1))
        return true;
    const char *range = a->most == 1 ? "at least 0 and below 1" : "a finite number from 0 on";
    error_at(e, x->at, "'%s' is %s, not %s", a->name, range, val_text(e, &v));
    return false;
}

/* The optimizers that have this argument, in words; NULL: none. */
static const char *optimizers_with(struct elab *e, const char *argument)
{
    struct text t = text_make(e->arena);

    for (int i = 0; i < RULES; i++)
        if (find_arg(&rules[i], argument) >= 0)
            text_add(&t, "%s%s", t.length ? ", " : "", rules[i].name);
    return t.length ? text_string(&t) : NULL;
}

static bool no_such_argument(struct elab *e, const struct optimizer *o, const struct rule *r, const struct ast *x)
{
    const char *names[MAX_OPTIM_ARGS + 1] = { "lr" };
    for (int k = 0; k < o->args; k++)
        names[k + 1] = r->arg[k].name;
    const char *what = arena_printf(e->arena, "argument of optimizer '%s'", r->name);
    const char *others = x->kind == A_ARG && !foreign_argument(e, x->text, names, (size_t)o->args + 1)
                             ? optimizers_with(e, x->text)
                             : NULL;
    if (others)
        error_hint(e, x->at, NULL, x->text, arena_printf(e->arena, "it is an argument of %s", others),
                   "no %s is called '%s'", what, x->text);
    else if (x->kind == A_ARG)
        unknown(e, x->at, what, x->text, names, (size_t)o->args + 1);
    else
        error_at(e, x->at, "optimizer '%s' takes %d arguments", r->name, o->args + 1);
    return false;
}

/* lr is argument 0, those of the rule's table follow. given: a bit for each that was seen. */
static bool read_argument(struct elab *e, struct optimizer *o, const struct rule *r, const struct ast *x, int position,
                          unsigned *given)
{
    int i = position;
    if (x->kind == A_ARG && strcmp(x->text, "lr"))
        i = find_arg(r, x->text) < 0 ? o->args + 1 : find_arg(r, x->text) + 1;
    else if (x->kind == A_ARG)
        i = 0;
    if (i > o->args)
        return no_such_argument(e, o, r, x);
    if (*given & 1u << i) {
        error_at(e, x->at, "argument '%s' is given twice", i ? r->arg[i - 1].name : "lr");
        return false;
    }
    *given |= 1u << i;
    return i ? arg_value(e, &r->arg[i - 1], x, &o->arg[i - 1].value) : set_lr(e, o, x->kind == A_ARG ? x->a : x);
}

const char *optimizer_named(const char *word)
{
    for (int i = 0; i < RULES; i++)
        if (spelt_alike(rules[i].name, word))
            return rules[i].name;
    return NULL;
}

const char *optimizer_setting(struct elab *e, const char *name)
{
    for (int i = 0; i < RULES; i++)
        if (!strcmp(name, "lr") || find_arg(&rules[i], name) >= 0)
            return arena_printf(e->arena, "it stands in the optimizer's call: optimizer %s(%s = ...);", rules[i].name,
                                name);
    return NULL;
}

bool is_schedule(const char *name)
{
    for (int i = 0; i < SCHEDULES; i++)
        if (!strcmp(schedules[i].name, name))
            return true;
    return false;
}

/* The name is that of another library, or stands in its module: says how the call is written. */
static bool misnamed(struct elab *e, const struct ast *f, const struct ast *call)
{
    const char *rest, *named = f->kind == A_NAME || f->kind == A_MEMBER ? optimizer_named(f->text) : NULL;
    const struct rule *r = rules;

    if (!named || !call || (f->kind == A_NAME && !strcmp(named, f->text)))
        return false;
    while (r->name != named)
        r++;
    const char *written = statement_of(e, r, call, &rest);
    error_hint(e, f->at, NULL, f->text, arena_printf(e->arena, "it is written %s%s", written, rest),
               "no optimizer is called '%s'", f->text);
    return true;
}

/* Where parameters are given first: says so. all: the hint has the whole statement. */
static bool takes_parameters(struct elab *e, const struct rule *r, const struct ast *call, bool *all)
{
    const char *rest, *written = statement_of(e, r, call, &rest);

    if (!call->items || !is_parameters(e, call->item[0]))
        return false;
    error_hint(e, call->item[0]->at, NULL, NULL,
               arena_printf(e->arena, "all are trained but those that 'freeze' names: %s", written),
               "an optimizer is given no parameters");
    *all = !*rest;
    return true;
}

static const struct rule *find_rule(struct elab *e, const struct ast *f, const struct ast *call)
{
    const char *names[RULES];
    for (int i = 0; i < RULES; i++) {
        names[i] = rules[i].name;
        if (f->kind == A_NAME && !strcmp(rules[i].name, f->text))
            return &rules[i];
    }
    const char *named = f->kind == A_MEMBER || f->kind == A_STRING ? optimizer_named(f->text) : NULL;
    if (misnamed(e, f, call))
        return NULL;
    if (f->kind == A_NAME)
        unknown(e, f->at, "optimizer", f->text, names, RULES);
    else
        error_hint(e, f->at, NULL, NULL,
                   named ? arena_printf(e->arena, "a name stands alone: %s(lr = 1e-3)", named) : NULL,
                   "expected an optimizer: sgd, adam, adamw, rmsprop or adagrad");
    return NULL;
}

static bool read_globs(struct elab *e, struct optimizer *o, const struct ast *x)
{
    for (int i = 0; i < x->items; i++) {
        if (o->globs == MAX_GLOBS) {
            error_at(e, x->at, "an optimizer has at most %d patterns", MAX_GLOBS);
            return false;
        }
        if (!add_pattern(e, x->item[i], o))
            return false;
        o->glob[o->globs++] = e->pattern[e->patterns - 1].glob;
    }
    return true;
}

static double argument(const struct optimizer *o, const char *word)
{
    for (int i = 0; i < o->args; i++)
        if (!strcmp(o->arg[i].name, word))
            return o->arg[i].value;
    return 0;
}

/* As in torch.optim.SGD. */
static bool check_nesterov(struct elab *e, const struct optimizer *o, struct place at)
{
    bool plain = argument(o, "momentum") > 0 && argument(o, "dampening") == 0;
    if (argument(o, "nesterov") == 0 || plain)
        return true;
    error_at(e, at, "nesterov needs a momentum above 0, and no dampening");
    return false;
}

void add_optimizer(struct elab *e, const struct ast *x)
{
    const struct ast *call = x->a->kind == A_CALL ? x->a : NULL, *f = call ? call->a : x->a;
    const struct rule *r = find_rule(e, f, call);
    struct optimizer *o = NEW(e->m->arena, struct optimizer), **last = &e->m->optimizer;
    if (!r)
        return;
    *o = (struct optimizer){
        .rule = r->name, .schedule = "constant", .rate = r->lr, .every = 1, .gamma = 1, .steps = 1, .at = x->at
    };
    for (int i = 0; i < MAX_OPTIM_ARGS && r->arg[i].name; i++)
        o->arg[o->args++] = (struct optim_arg){ r->arg[i].name, r->arg[i].fallback };
    unsigned given = 0;
    bool all = false;
    int others = call && takes_parameters(e, r, call, &all);
    bool right = !others;
    for (int i = others; call && !all && i < call->items; i++)
        right &= read_argument(e, o, r, call->item[i], i - others, &given);
    if (!right)
        return;
    if (isnan(o->rate)) {
        error_at(e, x->at, "optimizer '%s' needs its learning rate: %s(lr = ...)", r->name, r->name);
        return;
    }
    if (!check_nesterov(e, o, x->at) || !read_globs(e, o, x))
        return;
    for (; *last; last = &(*last)->next)
        if (!o->globs && !(*last)->globs) {
            error_at(e, x->at,
                     "two optimizers without `for`: one takes all parameters that no pattern of the others matches");
            return;
        }
    *last = o;
}

/* `*` matches anything, dots too. */
bool glob_match(const char *glob, const char *path)
{
    const char *star = NULL, *from = NULL;
    while (*path) {
        if (*glob == '*') {
            star = glob++;
            from = path;
        } else if (*glob == *path) {
            glob++;
            path++;
        } else if (star) {
            glob = star + 1;
            path = ++from;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

static bool taken(const struct module *m, const struct var *v)
{
    for (const struct optimizer *o = m->optimizer; o; o = o->next) {
        if (!o->globs)
            return true;
        for (int i = 0; i < o->globs; i++)
            if (glob_match(o->glob[i], v->name))
                return true;
    }
    return false;
}

static void check_glob(struct elab *e, const struct pattern *p)
{
    bool any = false;
    for (int k = 0; k < e->m->vars && !any; k++)
        any = e->m->var[k]->role == ROLE_PARAM && glob_match(p->glob, e->m->var[k]->name);
    if (!any)
        nothing_matches(e, p, "\"%.100s\" matches no parameter that is trained");
}

void check_optimizers(struct elab *e)
{
    for (int i = 0; i < e->patterns; i++)
        if (e->pattern[i].of)
            check_glob(e, &e->pattern[i]);
    for (int i = 0; i < e->m->vars && e->m->optimizer; i++)
        if (e->m->var[i]->role == ROLE_PARAM && !taken(e->m, e->m->var[i]))
            error_at(e, e->m->optimizer->at,
                     "no optimizer takes the parameter '%s': freeze it, or add an optimizer without `for`",
                     e->m->var[i]->name);
}
