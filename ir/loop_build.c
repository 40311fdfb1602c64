/* ir/loop_build.c: making kernels: buffers, names, hash-consed expressions, statements.
 *
 * Equal expressions of a kernel are one node. A load is an exception between stores: a load made after a store to its
 * buffer is another node than one made before it, told apart by the buffer's epoch. An expression says nothing of when
 * it is evaluated: that happens where the statement that holds it stands, and again in every statement that holds it.
 * A value that must outlive a store to what it reads is kept by a let. */
#include "ir/loop_index.h"

#include <string.h>

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*words[i] == *s && !strcmp(words[i], s))
            return true;
    return false;
}

bool is_c_word(const char *s)
{
    static const char *const words[] = {
        "auto",     "break",   "case",    "char",     "const",         "continue",  "default",     "do",
        "double",   "else",    "enum",    "extern",   "float",         "for",       "goto",        "if",
        "inline",   "int",     "long",    "register", "restrict",      "return",    "short",       "signed",
        "sizeof",   "static",  "struct",  "switch",   "typedef",       "union",     "unsigned",    "void",
        "volatile", "while",   "asm",     "typeof",   "bool",          "true",      "false",       "unix",
        "linux",    "alignas", "alignof", "nullptr",  "static_assert", "constexpr", "thread_local"
    };

    return is_one_of(s, words, sizeof words / sizeof *words);
}

/* What the printer means by these words, or a loop text. */
static bool word_taken(const struct lkernel *k, const char *s)
{
    static const char *const words[] = { "n",       "run",     "vec",      "inf",    "nan",      "NULL",
                                         "uint8_t", "int32_t", "uint64_t", "size_t", "ptrdiff_t" };

    return is_one_of(s, words, sizeof words / sizeof *words) || is_c_word(s) || (k->net && !strcmp(k->net, s));
}

/* Macros of the headers a kernel is compiled with are in capitals with underscores, or begin with nn_ or _. */
static bool looks_like_macro(const char *s)
{
    bool lower = false, underscore = false;

    for (const char *p = s; *p; p++) {
        lower |= *p >= 'a' && *p <= 'z';
        underscore |= *p == '_';
    }
    return *s == '_' || !strncmp(s, "nn_", 3) || (underscore && !lower);
}

/* k7_matmul: a kernel's name, or with more behind it that of a function it calls. */
static bool looks_like_kernel(const char *s)
{
    size_t digits = strspn(s + (*s == 'k'), "0123456789");

    return *s == 'k' && digits && s[1 + digits] == '_';
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* A C identifier near to `wanted`. */
static const char *identifier(struct lkernel *k, const char *wanted)
{
    struct text t = text_make(k->arena);

    for (const char *p = wanted; *p && t.length < 48; p++)
        text_putc(&t, letter(*p) || (*p >= '0' && *p <= '9') ? *p : '_');
    if (letter(*wanted) && !looks_like_macro(text_string(&t)) && !looks_like_kernel(text_string(&t)))
        return text_string(&t);
    return arena_printf(k->arena, "v%s%s", *text_string(&t) == '_' ? "" : "_", text_string(&t));
}

static struct lname *name_used(const struct lkernel *k, const char *interned)
{
    for (int i = 0; i < k->names_given; i++) {
        if (k->used[i].name == interned)
            return &k->used[i];
    }
    return NULL;
}

static const char *fresh_name(struct lkernel *k, const char *wanted)
{
    const char *base = identifier(k, wanted), *s = name(k->names, base);
    size_t length = strlen(base);
    bool digit = length && base[length - 1] >= '0' && base[length - 1] <= '9';

    struct lname *first = name_used(k, s);
    int next = first ? first->next : 2;

    while (word_taken(k, s) || name_used(k, s))
        s = name_printf(k->names, digit ? "%s_%d" : "%s%d", base, next++);
    if (first)
        first->next = next;
    arena_grow(k->arena, (void **)&k->used, &k->used_capacity, (size_t)k->names_given + 1, sizeof *k->used);
    k->used[k->names_given++] = (struct lname){ s, 2 };
    return s;
}

/* --- kernels and buffers ------------------------------------------------------------------------------------------ */

struct lkernel *lkernel_new(struct arena *a, struct names *names, const char *kernel, const char *origin, int64_t batch,
                            bool f64)
{
    struct lkernel *k = NEW(a, struct lkernel);

    k->arena = a;
    k->names = names;
    k->name = name(names, kernel);
    k->origin = arena_string(a, origin);
    k->batch = batch;
    k->f64 = f64;
    k->last_buffer = &k->buffers;
    k->table_size = 256;
    k->table = NEW_ARRAY(a, k->table_size, struct lx *);
    return k;
}

static struct lbuf *buffer_new(struct lkernel *k, const char *wanted, enum lspace space, enum dtype dtype, int rank,
                               const struct dim *shape)
{
    struct lbuf *b = NEW(k->arena, struct lbuf);

    if (rank < 0 || rank > MAX_RANK)
        bug("buffer %s has rank %d", wanted, rank);
    b->name = fresh_name(k, wanted);
    b->space = space;
    b->dtype = dtype;
    b->rank = rank;
    for (int i = 0; i < rank; i++)
        b->shape[i] = shape[i];
    b->steps = 1;
    b->kernel = k;
    return b;
}

/* Arguments stand before locals, also where they are made after one. */
static void buffer_link(struct lkernel *k, struct lbuf *b)
{
    struct lbuf **link = k->last_buffer;

    if (b->space == SPACE_ARGUMENT) {
        link = &k->buffers;
        while (*link && (*link)->space == SPACE_ARGUMENT)
            link = &(*link)->next;
    }
    b->next = *link;
    *link = b;
    if (!b->next)
        k->last_buffer = &b->next;
}

struct lbuf *lbuf_argument(struct lkernel *k, const char *wanted, struct type t, struct value *stands_for)
{
    struct lbuf *b = buffer_new(k, wanted, SPACE_ARGUMENT, t.dtype, t.rank, t.dim);

    b->value = stands_for;
    for (const struct use *u = stands_for ? stands_for->uses : NULL; u; u = u->next)
        b->wanted |= u->user->op != OP_output;
    buffer_link(k, b);
    return b;
}

void lbuf_view(struct lbuf *b, int64_t steps, int axis)
{
    if (b->space != SPACE_ARGUMENT || steps < 1 || axis < 1 || axis >= b->rank)
        bug("buffer %s is no view of %lld steps along axis %d", b->name, (long long)steps, axis);
    b->steps = steps;
    b->axis = axis;
}

struct type lbuf_memory(const struct lbuf *b)
{
    struct type t = type_make(b->dtype, b->rank, b->shape);

    if (b->axis)
        t.dim[b->axis].k *= b->steps;
    return t;
}

static struct ls *statement(struct lkernel *k, struct lblock *b, enum ls_kind kind)
{
    struct ls *s = NEW(k->arena, struct ls);

    s->kind = kind;
    if (b->last)
        b->last->next = s;
    else
        b->first = s;
    b->last = s;
    return s;
}

struct lbuf *lbuf_local(struct lkernel *k, struct lblock *b, const char *wanted, enum lspace space, enum dtype dtype,
                        int rank, const struct dim *shape)
{
    struct lbuf *local = buffer_new(k, wanted, space, dtype, rank, shape);

    buffer_link(k, local);
    statement(k, b, LS_LOCAL)->buf = local;
    return local;
}

struct lbuf *lbuf_scalar(struct lkernel *k, struct lblock *b, const char *wanted, enum dtype dtype, struct lx *start)
{
    struct lbuf *local = lbuf_local(k, b, wanted, SPACE_ARRAY, dtype, 0, NULL);

    b->last->value = start;
    return local;
}

struct lvar *lkernel_param(struct lkernel *k, const char *wanted)
{
    struct lvar *v = NEW(k->arena, struct lvar), **grown = NEW_ARRAY(k->arena, k->params + 1, struct lvar *);

    v->name = fresh_name(k, wanted);
    for (int i = 0; i < k->params; i++)
        grown[i] = k->param[i];
    grown[k->params++] = v;
    k->param = grown;
    return v;
}

/* --- expressions -------------------------------------------------------------------------------------------------- */

static unsigned mix(unsigned h, uint64_t x)
{
    x ^= h;
    x *= 0x9e3779b97f4a7c15u;
    return (unsigned)(x ^ (x >> 32));
}

static uint64_t real_bits(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static unsigned hash(const struct lx *x)
{
    unsigned h = mix((unsigned)x->kind * 31 + (unsigned)x->dtype, (unsigned)x->op);

    for (int i = 0; i < x->args; i++)
        h = mix(h, (uint64_t)x->arg[i]->id);
    h = mix(mix(h, (uint64_t)x->i), real_bits(x->real));
    return mix(mix(mix(h, (uintptr_t)x->var), (uintptr_t)x->buf), (uintptr_t)x->let);
}

static bool same(const struct lx *a, const struct lx *b)
{
    if (a->hash != b->hash || a->kind != b->kind || a->dtype != b->dtype || a->op != b->op || a->args != b->args ||
        a->i != b->i || real_bits(a->real) != real_bits(b->real) || a->var != b->var || a->buf != b->buf ||
        a->let != b->let || a->attrs != b->attrs)
        return false;
    for (int i = 0; i < a->args; i++) {
        if (a->arg[i] != b->arg[i])
            return false;
    }
    for (int i = 0; i < a->attrs; i++) {
        if (!attr_equal(&a->attr[i], &b->attr[i]))
            return false;
    }
    return true;
}

static void table_grow(struct lkernel *k)
{
    size_t size = k->table_size * 2;
    struct lx **table = NEW_ARRAY(k->arena, size, struct lx *);

    for (size_t i = 0; i < k->table_size; i++) {
        for (struct lx *x = k->table[i], *next; x; x = next) {
            next = x->chain;
            x->chain = table[x->hash & (size - 1)];
            table[x->hash & (size - 1)] = x;
        }
    }
    k->table = table;
    k->table_size = size;
}

struct lx *lx_make(struct lkernel *k, const struct lx *like)
{
    struct lx key = *like, *x;

    key.hash = hash(&key);
    for (x = k->table[key.hash & (k->table_size - 1)]; x; x = x->chain) {
        if (same(x, &key))
            return x;
    }
    if (k->expressions >= k->table_size)
        table_grow(k);
    x = arena_copy(k->arena, &key, sizeof key);
    x->arg = key.args ? arena_copy(k->arena, key.arg, (size_t)key.args * sizeof *key.arg) : NULL;
    x->attr = key.attrs ? arena_copy(k->arena, key.attr, (size_t)key.attrs * sizeof *key.attr) : NULL;
    x->id = (int)k->expressions++;
    x->chain = k->table[key.hash & (k->table_size - 1)];
    k->table[key.hash & (k->table_size - 1)] = x;
    lx_bounds(k, x);
    return x;
}

struct lx *lx_raw(struct lkernel *k, enum lx_kind kind, struct lx *a, struct lx *b)
{
    struct lx *args[] = { a, b };
    enum dtype t = kind == LX_ILT || kind == LX_ILE || kind == LX_IEQ ? DT_BOOL : DT_I32;

    return lx_make(k, &(struct lx){ .kind = kind, .dtype = t, .args = 2, .arg = args });
}

struct lx *lx_int(struct lkernel *k, int64_t i)
{
    return lx_make(k, &(struct lx){ .kind = LX_INT, .dtype = DT_I32, .i = i });
}

struct lx *lx_real(struct lkernel *k, double x)
{
    return lx_make(k, &(struct lx){ .kind = LX_REAL, .dtype = DT_REAL, .real = x });
}

struct lx *lx_flag(struct lkernel *k, bool x)
{
    return lx_make(k, &(struct lx){ .kind = LX_FLAG, .dtype = DT_BOOL, .i = x });
}

struct lx *lx_var(struct lkernel *k, struct lvar *v)
{
    return lx_make(k, &(struct lx){ .kind = LX_VAR, .dtype = DT_I32, .var = v });
}

struct lx *lx_batch(struct lkernel *k)
{
    return lx_make(k, &(struct lx){ .kind = LX_BATCH, .dtype = DT_I32 });
}

struct lx *lx_dim(struct lkernel *k, struct dim d)
{
    struct lx *size = lx_int(k, d.k);

    return d.n ? lx_index(k, LX_IMUL, lx_batch(k), size) : size;
}

/* A conversion that changes nothing is left out, one of a constant carried out. */
static struct lx *cast(struct lkernel *k, enum dtype to, struct lx *x)
{
    if (x->dtype == to)
        return x;
    if (to == DT_REAL && (x->kind == LX_INT || x->kind == LX_FLAG))
        return lx_real(k, (double)x->i);
    return NULL;
}

struct lx *lx_elem(struct lkernel *k, enum op op, enum dtype dtype, struct lx *const *args, int count)
{
    struct lx *arg[4], *folded;

    if (count < 0 || count > 4)
        bug("%s has %d operands", op_info(op)->name, count);
    folded = op == OP_cast && count == 1 ? cast(k, dtype, args[0]) : NULL;
    if (folded)
        return folded;
    if ((op == OP_relayout || op == OP_stop_gradient) && count == 1)
        return args[0];
    for (int i = 0; i < count; i++)
        arg[i] = args[i];
    return lx_make(k, &(struct lx){ .kind = LX_ELEM, .dtype = dtype, .op = op, .args = count, .arg = arg });
}

struct lx *lx_fma(struct lkernel *k, struct lx *a, struct lx *b, struct lx *c)
{
    struct lx *args[] = { a, b, c };

    return lx_make(k, &(struct lx){ .kind = LX_FMA, .dtype = DT_REAL, .args = 3, .arg = args });
}

struct lx *lx_load(struct lkernel *k, struct lbuf *buf, struct lx *const *index)
{
    struct lx *args[MAX_RANK];

    for (int i = 0; i < buf->rank; i++)
        args[i] = index[i];
    buf->read = true;
    return lx_make(
        k, &(struct lx){
               .kind = LX_LOAD, .dtype = buf->dtype, .buf = buf, .i = buf->epoch, .args = buf->rank, .arg = args });
}

struct lx *lx_guard(struct lkernel *k, struct lx *condition, struct lx *then, struct lx *otherwise)
{
    struct lx *args[] = { condition, then, otherwise };

    if (condition->kind == LX_FLAG)
        return condition->i ? then : otherwise;
    if (then == otherwise)
        return then;
    return lx_make(k, &(struct lx){ .kind = LX_GUARD, .dtype = then->dtype, .args = 3, .arg = args });
}

struct lx *lx_fold(struct lkernel *k, enum op op, struct lbuf *lanes)
{
    lanes->read = true;
    return lx_make(k,
                   &(struct lx){ .kind = LX_FOLD, .dtype = lanes->dtype, .op = op, .buf = lanes, .i = lanes->epoch });
}

struct lx *lx_random(struct lkernel *k, enum op op, const struct attr *attr, int attrs, struct lx *element)
{
    return lx_make(
        k,
        &(struct lx){
            .kind = LX_RANDOM, .dtype = DT_REAL, .op = op, .attr = attr, .attrs = attrs, .args = 1, .arg = &element });
}

int64_t lx_elements_of_sample(const struct lx *random)
{
    struct type t = type_scalar(DT_REAL);

    for (int i = 0; i < random->attrs; i++)
        if (random->attr[i].kind == AT_DIMS)
            t = type_make(DT_REAL, random->attr[i].count, random->attr[i].dims);
    return shape_batches(t) ? type_count(t, 1) : 0;
}

struct lx *lx_hyper(struct lkernel *k, enum op op, const struct attr *attr, int attrs, struct lx *step)
{
    return lx_make(
        k, &(struct lx){
               .kind = LX_HYPER, .dtype = DT_REAL, .op = op, .attr = attr, .attrs = attrs, .args = 1, .arg = &step });
}

/* --- statements --------------------------------------------------------------------------------------------------- */

struct ls *ls_loop(struct lkernel *k, struct lblock *b, const char *wanted, struct lx *begin, struct lx *end,
                   int64_t step, enum licence licence)
{
    struct ls *s = statement(k, b, LS_LOOP);

    if (step < 1)
        bug("loop %s has step %lld", wanted, (long long)step);
    s->var = NEW(k->arena, struct lvar);
    s->var->name = fresh_name(k, wanted);
    s->var->loop = s;
    s->begin = begin;
    s->end = end;
    s->step = step;
    s->licence = licence;
    return s;
}

void ls_replace(struct ls *s, struct lblock with)
{
    with.last->next = s->next;
    *s = *with.first;
    s->var->loop = s;
}

struct ls *ls_enclose(struct lkernel *k, struct ls *s, struct ls *outer)
{
    struct ls *inner = arena_copy(k->arena, s, sizeof *s);

    inner->next = NULL;
    inner->var->loop = inner;
    outer->body = (struct lblock){ inner, inner };
    ls_replace(s, (struct lblock){ outer, outer });
    return inner;
}

struct lx *ls_let(struct lkernel *k, struct lblock *b, const char *wanted, struct lx *value)
{
    struct ls *s = statement(k, b, LS_LET);

    s->name = fresh_name(k, wanted);
    s->value = value;
    s->reference = lx_make(k, &(struct lx){ .kind = LX_LET, .dtype = value->dtype, .let = s });
    return s->reference;
}

void ls_store(struct lkernel *k, struct lblock *b, struct lbuf *buf, struct lx *const *index, struct lx *value)
{
    struct ls *s = statement(k, b, LS_STORE);

    s->buf = buf;
    for (int i = 0; i < buf->rank; i++)
        s->index[i] = index[i];
    s->value = value;
    buf->written = true;
    buf->epoch++;
}

struct ls *ls_if(struct lkernel *k, struct lblock *b, struct lx *condition)
{
    struct ls *s = statement(k, b, LS_IF);

    s->value = condition;
    return s;
}

void ls_prefetch(struct lkernel *k, struct lblock *b, struct lx *load)
{
    statement(k, b, LS_PREFETCH)->value = load;
}
