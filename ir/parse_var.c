/* ir/parse_var.c: variables, optimizers and sparse matrices of a dump. */
#include "ir/parse.h"

#include <string.h>

/* ---- variables ---- */

static bool parse_init(struct parser *p, struct init *i)
{
    static const char *const rules[] = { "constant", "uniform", "normal", "places" };
    int rule = -1;
    for (int k = 0; k < 4; k++)
        if (reader_is(&p->r, rules[k]))
            rule = k;
    if (rule < 0) {
        reader_expected(&p->r, "constant, uniform, normal or places");
        return false;
    }
    i->rule = (enum init_rule)rule;
    reader_next(&p->r);
    if (i->rule == INIT_PLACES)
        return true;
    if (!reader_expect(&p->r, "(") || !reader_real(&p->r, &i->a))
        return false;
    if (i->rule != INIT_CONSTANT && (!reader_expect(&p->r, ",") || !reader_real(&p->r, &i->b)))
        return false;
    if (!reader_expect(&p->r, ")"))
        return false;
    i->blank = reader_accept(&p->r, "blank");
    return !i->blank || reader_int(&p->r, &i->row);
}

/* The variable a token names, already declared. */
static struct var *parse_var_name(struct parser *p)
{
    if (!reader_expect_kind(&p->r, TK_VAR, "a variable (@path)"))
        return NULL;
    struct var *v = module_find(p->m, p->r.token.text);
    if (!v)
        reader_error(&p->r, p->r.token.at, "no variable @%s has been declared", p->r.token.text);
    else
        reader_next(&p->r);
    return v;
}

static bool parse_of(struct parser *p, enum role role, struct var *v)
{
    bool needed = role == ROLE_GRAD || role == ROLE_RANGE;
    if (!reader_is(&p->r, "of")) {
        if (needed)
            reader_expected(&p->r, "'of'");
        return !needed;
    }
    reader_next(&p->r);
    if (!(v->of = parse_var_name(p)))
        return false;
    if (role == ROLE_GRAD)
        v->of->grad = v;
    if (reader_accept(&p->r, "to") && !(v->last = parse_var_name(p)))
        return false;
    if (role == ROLE_RANGE && !v->last) {
        reader_expected(&p->r, "'to'");
        return false;
    }
    return true;
}

/* A variable declared before must be the same here. */
static struct var *declare(struct parser *p, struct place at, const char *text, enum role role, struct type t)
{
    struct var *v = module_find(p->m, text);
    if (v && (v->role != role || !type_equal(v->type, t))) {
        reader_error(&p->r, at, "'%s' was declared as %s %s before", text, role_name(v->role),
                     type_text(p->a, v->type, p->m->f64));
        return NULL;
    }
    if (!v) {
        v = module_var(p->m, text, role, t);
        v->at = at;
        v->init.rule = INIT_CONSTANT;
    }
    return v;
}

bool parse_var(struct parser *p, enum role role, struct scope *s)
{
    bool argument = role == ROLE_INPUT || role == ROLE_TARGET;
    reader_next(&p->r);
    struct token t = p->r.token;
    struct type type;
    if (!reader_expect_kind(&p->r, argument ? TK_VALUE : TK_VAR, argument ? "a name (%name)" : "a path (@path)"))
        return false;
    reader_next(&p->r);
    if (!reader_expect(&p->r, ":") || !parse_type(p, &type))
        return false;
    struct var *v = declare(p, t.at, t.text, role, type);
    if (!v || (reader_accept(&p->r, "=") && !parse_init(p, &v->init)) || !parse_of(p, role, v) ||
        !parse_offset(p, &v->offset))
        return false;
    if (!scope_add(p, s, key_of(p, &t), graph_var(s->graph, v))) {
        reader_error(&p->r, t.at, "'%s' is declared twice", t.text);
        return false;
    }
    return true;
}

/* ---- optimizers ---- */

static double *schedule_field(struct optimizer *o, const char *word)
{
    struct {
        const char *word;
        double *field;
    } fields[] = {
        { "rate", &o->rate },   { "every", &o->every },   { "gamma", &o->gamma },
        { "steps", &o->steps }, { "warmup", &o->warmup }, { "low", &o->low },
    };
    for (int i = 0; i < 6; i++)
        if (!strcmp(word, fields[i].word))
            return fields[i].field;
    return NULL;
}

static bool parse_schedule(struct parser *p, struct optimizer *o)
{
    o->schedule = p->r.token.text;
    reader_next(&p->r);
    if (!reader_expect(&p->r, "("))
        return false;
    while (!reader_accept(&p->r, ")")) {
        double *field = schedule_field(o, p->r.token.text);
        if (!field) {
            reader_expected(&p->r, "a property of the schedule");
            return false;
        }
        reader_next(&p->r);
        if (!reader_expect(&p->r, "=") || !reader_real(&p->r, field))
            return false;
        reader_accept(&p->r, ",");
    }
    return true;
}

static bool parse_optimizer_args(struct parser *p, struct optimizer *o)
{
    while (!reader_accept(&p->r, ")")) {
        const char *word = p->r.token.text;
        if (!reader_expect_kind(&p->r, TK_NAME, "an argument"))
            return false;
        reader_next(&p->r);
        if (!reader_expect(&p->r, "="))
            return false;
        if (!strcmp(word, "lr")) {
            if (!parse_schedule(p, o))
                return false;
        } else if (o->args == MAX_OPTIM_ARGS) {
            reader_error(&p->r, p->r.token.at, "more than %d arguments", MAX_OPTIM_ARGS);
            return false;
        } else {
            o->arg[o->args].name = word;
            if (!reader_real(&p->r, &o->arg[o->args++].value))
                return false;
        }
        reader_accept(&p->r, ",");
    }
    return true;
}

bool parse_optimizer(struct parser *p)
{
    struct optimizer *o = NEW(p->a, struct optimizer), **at = &p->m->optimizer;
    *o = (struct optimizer){ .every = 1, .gamma = 1, .steps = 1, .schedule = "constant", .at = p->r.token.at };
    reader_next(&p->r);
    o->rule = p->r.token.text;
    if (!reader_expect_kind(&p->r, TK_NAME, "an optimizer"))
        return false;
    reader_next(&p->r);
    if (!reader_expect(&p->r, "(") || !parse_optimizer_args(p, o))
        return false;
    if (reader_accept(&p->r, "for"))
        do {
            if (!reader_expect_kind(&p->r, TK_STRING, "a pattern in quotes"))
                return false;
            if (o->globs == MAX_GLOBS) {
                reader_error(&p->r, p->r.token.at, "more than %d patterns", MAX_GLOBS);
                return false;
            }
            o->glob[o->globs++] = p->r.token.text;
            reader_next(&p->r);
        } while (reader_accept(&p->r, ","));
    while (*at)
        at = &(*at)->next;
    *at = o;
    return true;
}

/* ---- sparse matrices ---- */

/* sparse @values, @rows, @columns, out = 4, in = 3, zeta = 0.3 */
bool parse_sparse(struct parser *p)
{
    struct sparse s = { .at = p->r.token.at };
    reader_next(&p->r);
    if (!(s.values = parse_var_name(p)) || !reader_expect(&p->r, ",") || !(s.rows = parse_var_name(p)) ||
        !reader_expect(&p->r, ",") || !(s.columns = parse_var_name(p)))
        return false;
    if (!reader_expect(&p->r, ",") || !reader_expect(&p->r, "out") || !reader_expect(&p->r, "=") ||
        !reader_int(&p->r, &s.out) || !reader_expect(&p->r, ",") || !reader_expect(&p->r, "in") ||
        !reader_expect(&p->r, "=") || !reader_int(&p->r, &s.in))
        return false;
    if (!reader_expect(&p->r, ",") || !reader_expect(&p->r, "zeta") || !reader_expect(&p->r, "=") ||
        !reader_real(&p->r, &s.zeta))
        return false;
    module_add_sparse(p->m, &s);
    return true;
}
