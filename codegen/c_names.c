/* codegen/c_names.c: what the generated C calls things, and what it cannot: a net's name is a type and begins those of
 * functions and macros; a value's is a parameter's. */
#include <ctype.h>
#include <string.h>

#include "codegen/c_emit.h"

static bool is_one_of(const char *id, size_t length, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strncmp(id, words[i], length) && !words[i][length])
            return true;
    return false;
}

/* Whether id begins with so much, in letters of any case. */
static bool begins(const char *id, const char *with)
{
    while (*with && toupper((unsigned char)*id) == toupper((unsigned char)*with))
        id++, with++;
    return !*with;
}

/* Keywords, and what C keeps for itself. */
static bool word_of_c(const char *id)
{
    return is_c_word(id) || (*id == '_' && (id[1] == '_' || isupper((unsigned char)id[1])));
}

bool name_of_cpp(const char *id)
{
    static const char *const words[] = { "class",      "new",       "delete",    "this",        "template",
                                         "typename",   "namespace", "private",   "public",      "protected",
                                         "virtual",    "operator",  "try",       "catch",       "throw",
                                         "friend",     "using",     "and",       "or",          "not",
                                         "xor",        "mutable",   "explicit",  "export",      "typeid",
                                         "wchar_t",    "decltype",  "noexcept",  "char16_t",    "char32_t",
                                         "bitand",     "bitor",     "compl",     "and_eq",      "or_eq",
                                         "xor_eq",     "not_eq",    "concept",   "requires",    "co_await",
                                         "const_cast", "co_return", "co_yield",  "static_cast", "reinterpret_cast",
                                         "char8_t",    "consteval", "constinit", "dynamic_cast" };
    return is_one_of(id, strlen(id), words, sizeof words / sizeof *words);
}

/* What headers of C's library declare that programs include beside NET.h, and C++'s own namespace. */
static bool name_of_library(const char *id)
{
    static const char *const words[] = {
        "std",     "main",   "NULL",    "abort",   "abs",      "atexit",   "atof",    "atoi",   "atol",   "bsearch",
        "calloc",  "exit",   "free",    "getenv",  "labs",     "malloc",   "qsort",   "rand",   "random", "realloc",
        "srand",   "srandom", "strtod", "strtol",  "system",   "clearerr", "fclose",  "feof",   "ferror", "fflush",
        "fgetc",   "fgets",  "fopen",   "fprintf", "fputc",    "fputs",    "fread",   "fscanf", "fseek",  "ftell",
        "fwrite",  "getc",   "getchar", "perror",  "printf",   "putc",     "putchar", "puts",   "remove", "rename",
        "rewind",  "scanf",  "setbuf",  "sprintf", "snprintf", "sscanf",   "stderr",  "stdin",  "stdout", "tmpfile",
        "ungetc",  "memchr", "memcmp",  "memcpy",  "memmove",  "memset",   "strcat",  "strchr", "strcmp", "strcpy",
        "strlen",  "strstr", "strtok",  "clock",   "time",     "mktime",   "ctime",   "gmtime", "assert", "errno",    "index",
    }, *const maths[] = {
        "acos",   "acosh",  "asin",  "asinh", "atan",  "atan2", "atanh", "cbrt", "ceil", "copysign", "cos",
        "cosh",   "div",    "erf",   "erfc",  "exp",   "exp2",  "expm1", "fabs", "fdim", "floor",    "fma",
        "fmax",   "fmin",   "fmod",  "frexp", "gamma", "hypot", "ldexp", "lgamma", "log", "log10",   "log1p",
        "log2",   "logb",   "modf",  "nan",   "pow",   "rint",  "remainder", "round", "sin", "sinh", "sqrt",
        "tan",    "tanh",   "tgamma", "trunc", "y0",   "y1",    "yn",    "j0",   "j1",   "jn",
    };
    size_t n = strlen(id);
    bool variant = n > 1 && (id[n - 1] == 'f' || id[n - 1] == 'l'); /* sinf, sinl */
    return is_one_of(id, n, words, sizeof words / sizeof *words) ||
           is_one_of(id, n, maths, sizeof maths / sizeof *maths) ||
           (variant && is_one_of(id, n - 1, maths, sizeof maths / sizeof *maths));
}

/* int32_t, uint_fast8_t, size_t and the like. */
static bool name_of_type(const char *id)
{
    static const char *const words[] = { "size_t",  "ssize_t", "ptrdiff_t", "max_align_t", "time_t",
                                         "clock_t", "off_t",   "div_t",     "ldiv_t",      "wint_t" };
    size_t n = strlen(id), whole = *id == 'u';
    bool integer = !strncmp(id + whole, "int", 3) && n > 5 && !strcmp(id + n - 2, "_t") &&
                   strspn(id + whole + 3, "0123456789_fastleprmx") == n - whole - 3;
    return integer || is_one_of(id, n, words, sizeof words / sizeof *words);
}

static bool name_of_runtime(const char *id)
{
    return begins(id, "nn_") || (begins(id, "nn") && !id[2]) || (begins(id, "netrt") && !id[5]);
}

const char *name_reserved(const char *id)
{
    return word_of_c(id)                             ? "a word of C"
           : name_of_library(id) || name_of_type(id) ? "a name of C's or C++'s library"
           : name_of_runtime(id)                     ? "a name of the runtime library"
                                                     : NULL;
}

/* The net, and its functions and macros. */
static bool names_net(const struct emit *e, const char *id)
{
    const char *rest = begins(id, e->name) ? id + strlen(e->name) : NULL;
    return rest && (!*rest || *rest == '_');
}

/* INT32_MAX, UINT8_C, NAN and the like. */
static bool macro_of_headers(const char *id)
{
    static const char *const words[] = {
        "NULL", "NAN", "INFINITY", "HUGE_VAL", "SIZE_MAX", "PTRDIFF_MIN", "PTRDIFF_MAX"
    };
    const char *last = strrchr(id, '_');
    bool limit = last && (!strcmp(last, "_MIN") || !strcmp(last, "_MAX") || !strcmp(last, "_C"));
    return (limit && !strncmp(id + (*id == 'U'), "INT", 3)) ||
           is_one_of(id, strlen(id), words, sizeof words / sizeof *words);
}

/* A kernel, k12_conv_add, or the step of a scan, t0. */
static bool numbered(const char *id)
{
    size_t digits = strspn(id + 1, "0123456789");
    return *id && digits && ((*id == 'k' && id[1 + digits] == '_') || (*id == 't' && !id[1 + digits]));
}

/* What the generated functions call their own. */
static bool used_inside(const struct emit *e, const char *id)
{
    static const char *const words[] = { "main", "n",       "m",  "c",     "train", "memory",  "bytes", "seed", "path",
                                         "loss", "metrics", "lr", "count", "code",  "context", "first", "t" };
    return word_of_c(id) || name_of_cpp(id) || name_of_type(id) || name_of_runtime(id) || macro_of_headers(id) ||
           numbered(id) || names_net(e, id) || is_one_of(id, strlen(id), words, sizeof words / sizeof *words);
}

static bool is_taken(const struct emit *e, const char *id)
{
    for (int i = 0; i < e->taken_count; i++)
        if (!strcmp(e->taken[i], id))
            return true;
    return false;
}

const char *c_identifier(struct emit *e, const char *text)
{
    char *id = arena_string(e->arena, text);
    for (char *p = id; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    const char *free_name = isdigit((unsigned char)*id) ? arena_printf(e->arena, "_%s", id) : id;
    if (used_inside(e, free_name))
        free_name = arena_printf(e->arena, "%s_", id);
    if (used_inside(e, free_name))
        free_name = arena_printf(e->arena, "value_%s", id);
    const char *given = free_name;
    for (int i = 2; is_taken(e, given); i++)
        given = arena_printf(e->arena, "%s_%d", free_name, i);
    e->taken[e->taken_count++] = given;
    return given;
}
