/* frontend/init.c: initialisers, with the fans and gains of torch.nn.init (Glorot and Bengio 2010; He et al. 2015). */
#include <math.h>
#include <string.h>

#include "frontend/elab.h"

bool is_init_name(const char *formal)
{
    size_t n = strlen(formal);
    return n >= 5 && !strcmp(formal + n - 5, "_init");
}

/* torch.nn.init.calculate_gain */
static bool gain_of(const char *nonlinearity, double slope, double *gain)
{
    const struct {
        const char *word;
        double gain;
    } table[] = {
        { "linear", 1 },     { "sigmoid", 1 }, { "tanh", 5.0 / 3 },
        { "relu", sqrt(2) }, { "selu", 0.75 }, { "leaky_relu", sqrt(2 / (1 + slope * slope)) },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].word, nonlinearity)) {
            *gain = table[i].gain;
            return true;
        }
    return false;
}

static const char *const rules[] = { "zeros",          "ones",          "constant",        "uniform",       "normal",
                                     "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal" };

/* Those of the library alone: the places of a sparse matrix. */
static bool is_library_rule(const struct elab *e, const char *word)
{
    return e->in_library && !strcmp(word, "places");
}

bool is_initialiser(const char *word)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rules[i], word))
            return true;
    return false;
}

/* Which arguments each rule takes, positional ones in this order. */
static const char *const *arguments_of(const char *rule)
{
    static const char *const none[] = { NULL }, *const constant[] = { "v", NULL },
                             *const uniform[] = { "lo", "hi", NULL }, *const normal[] = { "mean", "std", NULL },
                             *const xavier[] = { "gain", "fan_in", "fan_out", NULL },
                             *const kaiming[] = { "nonlinearity", "a", "mode", "fan_in", "fan_out", "gain", NULL };
    switch (*rule) {
    case 'c': return constant;
    case 'u': return uniform;
    case 'n': return normal;
    case 'x': return xavier;
    case 'k': return kaiming;
    default: return none;
    }
}

static bool set_number(struct elab *e, struct init_spec *s, const char *arg, const struct val *v, struct place at)
{
    if (!is_number(v) || !isfinite(number_of(v))) {
        error_at(e, at, "'%s' is a %snumber, not %s", arg, is_number(v) ? "finite " : "", describe(e, v));
        return false;
    }
    double x = number_of(v);
    if (!strcmp(arg, "v") || !strcmp(arg, "lo") || !strcmp(arg, "mean"))
        s->a = x;
    else if (!strcmp(arg, "hi") || !strcmp(arg, "std"))
        s->b = x;
    else if (!strcmp(arg, "gain"))
        s->gain = x;
    else if (!strcmp(arg, "a"))
        s->slope = x;
    else if (v->kind != V_INT || v->i < 1) {
        error_at(e, at, "'%s' is an integer from 1 on, not %s", arg, describe(e, v));
        return false;
    } else if (!strcmp(arg, "fan_in"))
        s->fan_in = v->i;
    else
        s->fan_out = v->i;
    return true;
}

static bool set_word(struct elab *e, struct init_spec *s, const char *arg, const struct val *v, struct place at,
                     const char **nonlinearity)
{
    if (v->kind != V_STRING) {
        const char *word = v->kind == V_BLOCK                        ? v->block->tree->text
                           : v->kind == V_LAYER && v->layer->builtin ? v->layer->builtin->name
                                                                     : NULL;
        error_hint(e, at, NULL, NULL, word ? arena_printf(e->arena, "a word stands in quotes: \"%s\"", word) : NULL,
                   "'%s' is a word in quotes, not %s", arg, describe(e, v));
        return false;
    }
    if (!strcmp(arg, "nonlinearity")) {
        *nonlinearity = v->text;
        return true;
    }
    s->by_fan_out = !strcmp(v->text, "fan_out");
    if (s->by_fan_out || !strcmp(v->text, "fan_in"))
        return true;
    error_at(e, at, "mode is \"fan_in\" or \"fan_out\", not \"%.40s\"", v->text);
    return false;
}

static bool init_argument(struct elab *e, struct init_spec *s, const struct ast *x, int position,
                          const char **nonlinearity, unsigned *given)
{
    const char *const *args = arguments_of(s->rule);
    int i = 0, count = 0;
    while (args[count])
        count++;
    if (x->kind == A_ARG) {
        while (args[i] && strcmp(args[i], x->text))
            i++;
        if (!args[i]) {
            error_hint(e, place_of(e, x), NULL, x->text, arguments_hint(e, x->text, args, count),
                       "initialiser '%s' has no argument '%s'", s->rule, x->text);
            return false;
        }
    } else if ((i = position) >= count) {
        error_at(e, place_of(e, x), "initialiser '%s' takes %d arguments", s->rule, count);
        return false;
    }
    struct val v = eval(e, x->kind == A_ARG ? x->a : x);
    if (v.kind == V_POISON)
        return false;
    if (*given & 1u << i) {
        error_at(e, place_of(e, x), "argument '%s' is given twice", args[i]);
        return false;
    }
    *given |= 1u << i;
    if (!strcmp(args[i], "nonlinearity") || !strcmp(args[i], "mode"))
        return set_word(e, s, args[i], &v, place_of(e, x), nonlinearity);
    return set_number(e, s, args[i], &v, place_of(e, x));
}

static struct val make_init(struct elab *e, const struct ast *x, const char *rule)
{
    struct init_spec *s = NEW(e->arena, struct init_spec);
    const char *nonlinearity = "relu";
    unsigned given = 0;
    *s = (struct init_spec){ .rule = rule, .b = 1, .gain = *rule == 'k' ? -1 : 1, .slope = 0.01 };
    if (!strcmp(rule, "ones"))
        s->a = 1;
    for (int i = 0; x->kind == A_CALL && i < x->items; i++)
        if (!init_argument(e, s, x->item[i], i, &nonlinearity, &given))
            return v_poison();
    unsigned needed = *rule == 'c' ? 1 : *rule == 'u' || *rule == 'n' ? 3 : 0;
    if ((given & needed) != needed) {
        error_at(e, place_of(e, x), "initialiser '%s' needs %s", rule,
                 needed == 1    ? "its value: constant(v)"
                 : *rule == 'u' ? "its bounds: uniform(lo, hi)"
                                : "mean and deviation: normal(mean, std)");
        return v_poison();
    }
    if ((*rule == 'u' && s->a > s->b) || (*rule == 'n' && s->b < 0)) {
        error_at(e, place_of(e, x),
                 *rule == 'u' ? "uniform(lo, hi) needs lo <= hi" : "normal(mean, std) needs a deviation of at least 0");
        return v_poison();
    }
    if (s->gain < 0 && !gain_of(nonlinearity, s->slope, &s->gain)) {
        error_at(e, place_of(e, x),
                 "no nonlinearity is called \"%.40s\": there are linear, relu, leaky_relu, tanh, sigmoid and selu",
                 nonlinearity);
        return v_poison();
    }
    return (struct val){ .kind = V_INIT, .init = s };
}

/* Of the library alone: blank(initialiser, row), where that slice of the first axis starts as zeros. */
static struct val blank_row(struct elab *e, const struct ast *x)
{
    struct val v = eval_init(e, x->item[0]), row = eval(e, x->item[1]);
    if (row.kind != V_INT)
        error_at(e, place_of(e, x), "'%s' is an integer, not %s", x->item[1]->text, describe(e, &row));
    if (v.kind != V_INIT || row.kind != V_INT)
        return v_poison();
    struct init_spec *s = NEW(e->arena, struct init_spec);
    *s = *v.init;
    s->blank = true;
    s->row = row.i;
    return (struct val){ .kind = V_INIT, .init = s };
}

/* What was meant by a word that is no initialiser; or all there are. */
static const char *rule_hint(struct elab *e, const char *word)
{
    const char *foreign = foreign_init(e, word);
    return foreign ? foreign : names_hint(e, word, rules, sizeof rules / sizeof *rules, "there are ");
}

/* Of a number in the place of an initialiser. */
static const char *number_hint(struct elab *e, const struct ast *x)
{
    struct text t = text_make(e->arena);
    return say(e, &t, x) ? arena_printf(e->arena, "one value everywhere is constant(%s)", text_string(&t)) : NULL;
}

/* In the place of an initialiser names mean initialisers, but for formals that hold one. */
struct val eval_init(struct elab *e, const struct ast *x)
{
    const struct ast *f = x->kind == A_CALL ? x->a : x;
    if (x->kind == A_CHOICE) {
        struct val c = eval(e, x->a);
        if (c.kind == V_BOOL)
            return eval_init(e, c.i ? x->b : x->c);
    }
    if (x->kind == A_NONE)
        return v_none();
    if (f->kind == A_NAME) {
        const struct val *v = x->kind == A_NAME ? look_up(e, f->text, false) : NULL;
        if (v && (v->kind == V_INIT || v->kind == V_NONE || (v->kind == V_POISON && !is_initialiser(f->text))))
            return *v;
        if (e->in_library && x->kind == A_CALL && !strcmp(f->text, "blank"))
            return blank_row(e, x);
        if (is_initialiser(f->text) || is_library_rule(e, f->text))
            return make_init(e, x, f->text);
        error_hint(e, place_of(e, f), NULL, f->text, rule_hint(e, f->text), "no initialiser is called '%s'", f->text);
        return v_poison();
    }
    const char *hint = f->kind == A_MEMBER && is_initialiser(f->text)
                           ? arena_printf(e->arena, "a name stands alone: %s", f->text)
                       : f->kind == A_MEMBER                   ? rule_hint(e, f->text)
                       : x->kind == A_INT || x->kind == A_REAL ? number_hint(e, x)
                                                               : NULL;
    error_hint(e, place_of(e, x), NULL, NULL, hint, "expected an initialiser, such as zeros or uniform(-0.1, 0.1)");
    return v_poison();
}

/* fan_in: what one element of the result sums over; torch.nn.init._calculate_fan_in_and_fan_out. */
static bool fans(struct elab *e, const struct init_spec *s, struct type t, struct place at, double *in, double *out)
{
    double field = 1;
    *in = (double)s->fan_in;
    *out = (double)s->fan_out;
    if (*in > 0 && (*out > 0 || *s->rule == 'k'))
        return true;
    if (t.rank < 2 && (*in <= 0 || *s->rule == 'x')) {
        error_at(e, at, "fans cannot be counted from %s: give them (fan_in = ..., fan_out = ...)",
                 shape_text(e->arena, t));
        return false;
    }
    for (int i = 2; i < t.rank; i++)
        field *= (double)t.dim[i].k;
    if (*in <= 0)
        *in = (double)t.dim[1].k * field;
    if (*out <= 0 && t.rank >= 2)
        *out = (double)t.dim[0].k * field;
    return true;
}

bool resolve_init(struct elab *e, const struct init_spec *s, struct type t, struct place at, struct init *out)
{
    double in, fan_out;
    bool uniform = strstr(s->rule, "uniform"), fanned = *s->rule == 'x' || *s->rule == 'k';
    if (!fanned) {
        *out = (struct init){ *s->rule == 'u'   ? INIT_UNIFORM
                              : *s->rule == 'n' ? INIT_NORMAL
                              : *s->rule == 'p' ? INIT_PLACES
                                                : INIT_CONSTANT,
                              s->a, s->b, s->blank, s->row };
        return true;
    }
    if (!fans(e, s, t, at, &in, &fan_out))
        return false;
    double std = *s->rule == 'x' ? s->gain * sqrt(2 / (in + fan_out)) : s->gain / sqrt(s->by_fan_out ? fan_out : in);
    *out = (struct init){ uniform ? INIT_UNIFORM : INIT_NORMAL, uniform ? -sqrt(3) * std : 0,
                          uniform ? sqrt(3) * std : std, s->blank, s->row };
    return true;
}
