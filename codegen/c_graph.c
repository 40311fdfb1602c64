/* codegen/c_graph.c: the kernels of one graph, and the statements that call them in order.
 *
 *     k3_matmul_add_max(n, NN_AT(float, 0), (float *)(m->param + at_fc1_weight), NN_AT(float, 4096));   (lenet.net:10)
 *     NN_TIMED(3);
 *
 * They are written as for one thread, and as for those of a run (c_runs.c), who call what they share out and leave all else to
 * the first of them.
 *
 * Kernels whose functions would be the same, as those of layers of one shape, share one: what is compiled is less.
 *
 * A scan is a loop over its steps: the body's kernels, and the carried values moved from where the step left them to where
 * the next one reads them. Kernels read a step of a sequence where it lies, and store one of a stacked result where it goes
 * (ir/view.h); what they cannot is copied before and behind them. */
#include <ctype.h>
#include <string.h>

#include "codegen/c_emit.h"
#include "codegen/loop_work.h"
#include "ir/view.h"

/* One graph or body being written. */
struct graph_out {
    struct emit *e;
    struct graph_c *c;
    struct graph *top;
    struct call_item *item; /* the operation of the graph at work */
    int indent;
};

static void add_line(struct graph_out *o, struct text *t, const char *text, const struct node *from)
{
    for (int i = 0; i < o->indent; i++)
        text_puts(t, "    ");
    text_puts(t, text);
    if (from && from->at.line > 0 && from->at.file)
        text_add(t, "   /* %s:%d */", from->at.file, from->at.line);
    text_putc(t, '\n');
}

static void line(struct graph_out *o, const char *text, const struct node *from)
{
    add_line(o, &o->item->plain, text, from);
    add_line(o, &o->item->shared, text, from);
}

/* For the preprocessor. */
static void directive(struct graph_out *o, const char *text)
{
    text_puts(&o->item->plain, text);
    text_puts(&o->item->shared, text);
}

/* "call(...);": by the first thread of a run. */
static void line_alone(struct graph_out *o, const char *text, const struct node *from)
{
    int length = (int)strlen(text) - 1;

    add_line(o, &o->item->plain, text, from);
    add_line(o, &o->item->shared, arena_printf(o->e->arena, "NN_ALONE(%.*s);", length, text), from);
}

/* k3_conv_add_max: a number, and what the group does: its anchor, other operations once each. */
static const char *kernel_name(struct emit *e, const struct node *n)
{
    struct text t = text_make(e->arena);
    const char *what = group_words(e->arena, n->body[0], "_", 4);

    text_add(&t, "k%d_%s", e->kernel_number++, *what ? what : n->body[0]->first ? "copy" : "none");
    return text_string(&t);
}

/* A part of a batch takes its part of the work: in parts only the calls are more. */
static void add_row(struct graph_out *o, const struct lkernel *k, const struct node *of, double times)
{
    struct kernel_row *row = NEW(o->e->arena, struct kernel_row);
    double calls = times * (double)graph_parts(o->top);
    *row = (struct kernel_row){
        k->name, arena_string(o->e->arena, k->origin), of, calls, k->macs * times, k->bytes * times, NULL
    };
    *o->c->last = row;
    o->c->last = &row->next;
    o->c->macs += row->macs;
    o->c->count++;
}

static bool dump_wanted(const struct emit *e, const char *name)
{
    const char *at = e->o->dump;
    size_t length = strlen(name);
    while (at && *at) {
        size_t word = strcspn(at, ",");
        if (word == length && !strncmp(at, name, word))
            return true;
        at += word + (at[word] == ',');
    }
    return false;
}

void run_loop_passes(struct emit *e, struct lkernel *k, enum graph_kind kind)
{
    const char *disable = e->o->disable;

    if (kind == GRAPH_PREPARE)
        disable = disable ? arena_printf(e->arena, "%s,contract", disable) : "contract";
    loops_run(k, e->o->level, disable);
}

typedef bool same_fn(const struct graph_out *o, const struct kernel_text *x, const struct kernel_text *y);

static bool is_same_key(const struct graph_out *o, const struct kernel_text *x, const struct kernel_text *y)
{
    (void)o;
    return x->key_bytes && x->key_bytes == y->key_bytes && !memcmp(x->key, y->key, x->key_bytes);
}

static bool starts_with(const char *s, const char *word, size_t length)
{
    return *s == *word && !strncmp(s, word, length);
}

/* Whether two kernels' texts are the same but for their names, and for where a line is broken. */
static bool is_same_text(const struct graph_out *o, const struct kernel_text *x, const struct kernel_text *y)
{
    const char *all = text_string(&o->c->kernels), *a = all + x->at, *b = all + y->at;
    const char *a_end = a + x->length, *b_end = b + y->length;
    size_t a_name = strlen(x->name), b_name = strlen(y->name);

    while (a < a_end && b < b_end) {
        if (starts_with(a, x->name, a_name) && starts_with(b, y->name, b_name)) {
            a += a_name;
            b += b_name;
        } else if (isspace((unsigned char)*a) && isspace((unsigned char)*b)) {
            a += strspn(a, " \n");
            b += strspn(b, " \n");
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return a >= a_end && b >= b_end; /* blanks may go on behind an end */
}

/* The function that is the same as `own`; NULL: there is none. */
static const struct kernel_text *find_text(const struct graph_out *o, const struct kernel_text *own, same_fn *same)
{
    const struct kernel_text *t = o->c->texts;

    while (t && !same(o, own, t))
        t = t->next;
    return t;
}

static bool run_passes(struct graph_out *o, struct lkernel *k)
{
    struct emit *e = o->e;

    if (!verify_kernel(k, e->m->diag))
        return false;
    run_loop_passes(e, k, o->top->kind);
    if (dump_wanted(e, "loops"))
        print_kernel(e->o->dump_to, k);
    return verify_kernel(k, e->m->diag);
}

static int64_t bytes_of_arrays(const struct emit *e, const struct lkernel *k)
{
    int64_t bytes = 0;

    for (const struct lbuf *b = k->buffers; b; b = b->next)
        bytes += b->space == SPACE_ARGUMENT ? 0 : type_bytes(e, type_make(b->dtype, b->rank, b->shape));
    return bytes;
}

/* The function, which goes again where it is one that is there: what is not seen to be the same before its passes may be so
 * behind them. NULL after an error. */
static const struct kernel_text *make_text(struct graph_out *o, struct lkernel *k, struct kernel_text *own)
{
    struct text *to = &o->c->kernels;

    if (!run_passes(o, k))
        return NULL;
    int64_t stack = bytes_of_arrays(o->e, k);
    o->e->stack_bytes = stack > o->e->stack_bytes ? stack : o->e->stack_bytes;
    own->at = to->length;
    c_kernel(to, k, o->e->shared);
    own->length = to->length - own->at;
    const struct kernel_text *same = find_text(o, own, is_same_text);
    if (same) {
        text_cut(to, own->at);
        return same;
    }
    own->key = arena_copy(o->e->arena, own->key, own->key_bytes);
    bool threads = block_in_threads(&k->body);
    own->work = threads && kernel_is_for_runs(k) ? run_work(o->e, k) : NULL;
    own->own_threads = threads && !own->work;
    return o->c->texts = arena_copy(o->e->arena, own, sizeof *own);
}

/* Writes the kernel's function, or a name for one that is the same, which it gives. NULL after an error. */
static const struct kernel_text *finish_kernel(struct graph_out *o, struct lkernel *k)
{
    struct text *to = &o->c->kernels, key = text_make(o->e->lowering);
    bool keyed = kernel_key(&key, k) && !dump_wanted(o->e, "loops");
    struct kernel_text own = { k->name, 0, 0, text_string(&key), keyed ? key.length : 0, NULL, false, o->c->texts };
    const struct kernel_text *text = find_text(o, &own, is_same_key);

    if (dump_wanted(o->e, "lower"))
        print_kernel(o->e->o->dump_to, k);
    c_begin_kernel(to);
    text_putc(to, '\n');
    c_origin(to, k->origin);
    if (!text && !(text = make_text(o, k, &own)))
        return NULL;
    if (text->name != k->name)
        text_add(to, "#define %s %s\n", k->name, text->name);
    return text;
}

static const char *pointer(void *context, const struct lbuf *b)
{
    struct emit *e = context;
    return b->value ? value_pointer(e, b->value) : "&m->bad";
}

static double step_count(const struct graph_out *o, const struct node *n)
{
    double times = 1;
    for (const struct graph *g = n->graph; g->owner && g->owner->op == OP_scan; g = g->owner->graph) {
        const struct node *scan = g->owner;
        times *= (double)operand(scan, 0)->type.dim[attr_int(scan, "axis")].k;
    }
    (void)o;
    return times;
}

/* times: how often the graph calls it. */
static void call(struct graph_out *o, const struct lkernel *k, const struct kernel_text *text, const struct node *from,
                 const char *const *param, double times)
{
    struct text t = text_make(o->e->arena);
    struct call_item *item = o->item;

    c_kernel_call(&t, k, pointer, o->e, param);
    (text->work ? line : line_alone)(o, text_string(&t), from);
    line(o, arena_printf(o->e->arena, "NN_TIMED(%d);", o->c->count), NULL);
    for (int i = 0; i < RUN_WORKS && text->work; i++)
        item->work[i] += times * text->work[i];
    item->in_run |= text->work != NULL;
    item->ends_run |= text->own_threads;
    item->needs_context |= c_needs_run(&k->body);
}

/* Where a bound finds an element out of range the call ends before anything of the model has changed. */
static void check(struct graph_out *o, const struct node *group)
{
    for (const struct node *b = group->body[0]->first; b; b = b->next) {
        if (b->op != OP_bound)
            continue;
        o->item->ends_run = true;
        line(o, "if (m->bad)", NULL);
        line(o,
             arena_printf(o->e->arena, "    return nn_fail_index(m->error, \"%s\", m->bad - 1, %lld, %lld);",
                          group->operands && operand(group, 0)->var ? operand(group, 0)->var->name : "an index",
                          (long long)attr_int(b, "low"), (long long)attr_int(b, "high") - 1),
             NULL);
    }
}

/* Weights that are constants (--embed-weights) cannot be written: no model asks for it, a dump may. */
static bool leaves_constants(struct graph_out *o, const struct lkernel *k, const struct node *from)
{
    for (const struct lbuf *b = k->buffers; b; b = b->next)
        if (b->written && b->value && b->value->var && o->e->constant && o->e->constant[b->value->var->index]) {
            diag_error(o->e->m->diag, from->at, "'%s' is written here, and a constant under --embed-weights",
                       b->value->var->name);
            return false;
        }
    return true;
}

/* Before the call of a kernel that OpenBLAS may spare, which is to have its own threads where it can. */
static void unless_product(struct graph_out *o, const struct node *n)
{
    const char *product = product_call(o->e, n);
    if (!product)
        return;
    directive(o, "#ifdef NN_OPENBLAS\n");
    line(o, arena_printf(o->e->arena, "if (!%s)", product), NULL);
    directive(o, "#endif\n");
    o->item->is_run = n->graph == o->top;
}

static bool emit_group(struct graph_out *o, struct node *n)
{
    struct lkernel *k = lower_group(o->e->lowering, n, kernel_name(o->e, n), o->e->o->level);
    const struct kernel_text *text = k && leaves_constants(o, k, n) ? finish_kernel(o, k) : NULL;
    if (!text)
        return false;
    unless_product(o, n);
    call(o, k, text, n, NULL, step_count(o, n));
    if (n->graph == o->top)
        o->item->kernel = arena_string(o->e->arena, k->name);
    add_row(o, k, n, step_count(o, n));
    check(o, n);
    arena_reset(o->e->lowering);
    return true;
}

static void copy(struct graph_out *o, const struct value *to, const struct value *from)
{
    struct emit *e = o->e;
    const char *a = value_pointer(e, to), *b = value_pointer(e, from);
    if (strcmp(a, b))
        line_alone(o,
                   arena_printf(e->arena, "nn_copy(%s, %s, (%s) * sizeof(%s));", a, b, count_text(e, to->type),
                                c_type(e, to->type.dtype)),
                   NULL);
}

static bool scan_copy(struct graph_out *o, struct node *scan, enum step_copy how, int which)
{
    static const char *const words[] = { [STEP_TAKEN] = "take", [STEP_PUT] = "put", [STEP_CARRIED] = "carry" };
    const char *name = arena_printf(o->e->arena, "k%d_%s_step", o->e->kernel_number++, words[how]);
    const char *step = step_name(o->e, scan);
    struct lkernel *k = lower_scan_copy(o->e->lowering, scan, how, which, name);
    const struct kernel_text *text = k ? finish_kernel(o, k) : NULL;
    if (!text)
        return false;
    double times = step_count(o, scan->body[0]->first ? scan->body[0]->first : scan);
    call(o, k, text, NULL, &step, times);
    add_row(o, k, scan, times);
    arena_reset(o->e->lowering);
    return true;
}

static bool emit_nodes(struct graph_out *o, struct graph *g);

static void scan_loop(struct graph_out *o, struct node *scan)
{
    struct emit *e = o->e;
    int64_t steps = operand(scan, 0)->type.dim[attr_int(scan, "axis")].k;
    const char *t = step_name(e, scan);
    line(o,
         attr_bool(scan, "reverse")
             ? arena_printf(e->arena, "for (int %s = %lld; %s >= 0; %s--) {", t, (long long)steps - 1, t, t)
             : arena_printf(e->arena, "for (int %s = 0; %s < %lld; %s++) {", t, t, (long long)steps, t),
         scan);
    o->indent++;
}

/* Which steps are copied before the body's kernels, and which behind them. */
static bool take_steps(struct graph_out *o, struct node *scan)
{
    struct graph *body = scan->body[0];
    struct view view;
    for (int i = 0; i < attr_int(scan, "sequences"); i++)
        if (value_used(body->param[i]) && !view_of(body->param[i], &view) && !scan_copy(o, scan, STEP_TAKEN, i))
            return false;
    return true;
}

static bool put_steps(struct graph_out *o, struct node *scan, int stacked)
{
    struct view view;
    for (int i = 0; i < stacked; i++)
        if (!view_of(scan->body[0]->yield[i], &view) && !scan_copy(o, scan, STEP_PUT, i))
            return false;
    return true;
}

static bool carry_on(struct graph_out *o, struct node *scan, int i, int stacked)
{
    struct graph *body = scan->body[0];
    struct value *from = body->yield[stacked + i];
    struct view view;
    if (lies_apart(from, &view))
        return scan_copy(o, scan, STEP_CARRIED, i);
    copy(o, body->param[attr_int(scan, "sequences") + i], from);
    return true;
}

static bool emit_steps(struct graph_out *o, struct node *scan)
{
    struct graph *body = scan->body[0];
    int sequences = (int)attr_int(scan, "sequences"), carries = (int)attr_int(scan, "carries");
    int stacked = body->yields - carries;
    for (int i = 0; i < carries; i++)
        copy(o, body->param[sequences + i], operand(scan, sequences + i));
    scan_loop(o, scan);
    bool ok = take_steps(o, scan) && emit_nodes(o, body) && put_steps(o, scan, stacked);
    for (int i = 0; i < carries && ok; i++)
        ok = carry_on(o, scan, i, stacked);
    o->indent--;
    line(o, "}", NULL);
    for (int i = 0; i < carries && ok; i++)
        if (value_used(scan->result[stacked + i]))
            copy(o, scan->result[stacked + i], body->param[sequences + i]);
    return ok;
}

/* Where threads are worth it for all steps together, and samples go apart: a function of some samples. */
static bool emit_scan_apart(struct graph_out *o, struct node *scan, int64_t least)
{
    struct emit *e = o->e;
    struct call_item *item = o->item;
    const char *name = arena_printf(e->arena, "scan_k%d", e->kernel_number);

    o->item = call_item(e);
    e->given = o->item->given;
    e->apart = true;
    bool ok = emit_steps(o, scan);
    apart_function(e, &o->c->kernels, name, o->top->kind, text_string(&o->item->plain));
    o->item = item;
    line(o, apart_call(e, name, least), scan);
    line(o, "NN_TIMED_WITHIN;", NULL);
    item->ends_run = true;
    e->apart = false;
    return ok;
}

static bool emit_scan(struct graph_out *o, struct node *scan)
{
    const struct emit_options *options = o->e->o;
    bool threads = scan->graph == o->top && loops_has("threads", options->level, options->disable);
    int64_t least = threads && scan_is_apart(scan) ? scan_samples_in_threads(scan) : 0;

    return least ? emit_scan_apart(o, scan, least) : emit_steps(o, scan);
}

/* In parts: what they give adds up. */
static void emit_scalar(struct graph_out *o, const struct node *n, const char *wanted, const char *to)
{
    const char *sum = o->top->part ? arena_printf(o->e->arena, "(first ? %s : 0) + ", to) : "";
    o->item->ends_run = true;
    line(o, arena_printf(o->e->arena, "if (%s)", wanted), NULL);
    line(o, arena_printf(o->e->arena, "    %s = %s*%s;", to, sum, value_pointer(o->e, operand(n, 0))), n);
}

/* Each operation of the graph itself has its lines. */
static void begin_item(struct graph_out *o, const struct graph *g)
{
    if (g != o->top)
        return;
    o->item = *o->c->last_item = call_item(o->e);
    o->c->last_item = &o->item->next;
    o->e->given = o->item->given;
}

static bool emit_nodes(struct graph_out *o, struct graph *g)
{
    int metric = 0;
    for (struct node *n = g->first; n; n = n->next) {
        begin_item(o, g);
        switch (n->op) {
        case OP_fused:
            if (!computed_ahead(o->e, n) && !emit_group(o, n))
                return false;
            break;
        case OP_scan:
            if (!emit_scan(o, n))
                return false;
            break;
        case OP_output: break; /* its value lies in the caller's buffer already */
        case OP_loss: emit_scalar(o, n, "loss", "*loss"); break;
        case OP_metric: emit_scalar(o, n, "metrics", arena_printf(o->e->arena, "metrics[%d]", metric++)); break;
        default: bug("'%s' is left outside a group", op_info(n->op)->name);
        }
    }
    return true;
}

void emit_kernels(struct emit *e, struct text *t, const enum graph_kind *kinds, int count)
{
    const char *kernels[GRAPH_KINDS];

    for (int i = 0; i < count; i++)
        kernels[i] = text_string(&e->graph[kinds[i]].kernels);
    c_kernels(t, kernels, count, e->shared);
}

bool emit_graph(struct emit *e, struct graph *g)
{
    struct graph_c *c = &e->graph[g->kind];
    c->kernels = text_make(e->arena);
    c->calls = text_make(e->arena);
    c->last = &c->rows;
    c->last_item = &c->items;
    struct graph_out o = { .e = e, .c = c, .top = g, .indent = 1 };
    bool ok = emit_nodes(&o, g);
    e->given = NULL;
    return ok;
}
