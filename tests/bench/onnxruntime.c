/* tests/bench/onnxruntime.c: how long ONNX Runtime takes for a graph, through its C API.
 *
 *   onnxruntime LIBRARY GRAPH SECONDS THREADS RANGE OUTPUT TYPE:DIM,DIM... [TYPE:DIM,DIM...]
 *
 * TYPE is f or i (float, int64); the inputs are named x0, x1, ...; OUTPUT likewise is the type and shape of y. Prints a JSON
 * object. The library comes without a header; the API is a table that only grows, so its functions are known by place. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_OPTIONS = 10,
    SET_OPTIMIZATION = 23,
    SET_INTRA_THREADS = 24,
    SET_INTER_THREADS = 25,
    CREATE_TENSOR = 49,
    CREATE_MEMORY_INFO = 69
};
enum { API_VERSION = 10, ALL_OPTIMIZATIONS = 99, TYPE_FLOAT = 1, TYPE_INT64 = 7 };
enum { LEAST_CALLS = 20, MOST_CALLS = 200000, WARM_UP = 3, MOST_INPUTS = 4, MOST_RANK = 8 };

struct api_base {
    void *const *(*get)(uint32_t version);
    const char *(*version)(void);
};

static void *const *api;

static void check(void *status)
{
    if (!status)
        return;
    const char *(*message)(const void *) = (const char *(*)(const void *))api[GET_ERROR_MESSAGE];
    fprintf(stderr, "onnxruntime: %s\n", message(status));
    exit(1);
}

#define CALL(place, types, ...) check(((void *(*)types)api[place])(__VA_ARGS__))

static double now_us(void)
{
    struct timespec t;
    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* A tensor of the shape that `text` says, with values in it. */
static void *tensor(const void *memory, const char *text, double range)
{
    int64_t shape[MOST_RANK];
    size_t rank = 0, count = 1;
    for (const char *p = text + 2; *p && rank < MOST_RANK; p += *p == ',') {
        char *end;
        shape[rank] = strtoll(p, &end, 10);
        count *= (size_t)shape[rank++];
        p = end;
    }
    size_t each = text[0] == 'f' ? sizeof(float) : sizeof(int64_t);
    void *data = aligned_alloc(64, (count * each + 63) / 64 * 64), *value;
    if (!data)
        exit(1);
    for (size_t i = 0; i < count; i++) {
        double u = (double)rand() / ((double)RAND_MAX + 1);
        if (text[0] == 'f')
            ((float *)data)[i] = (float)((2 * u - 1) * 1.7320508075688772);
        else
            ((int64_t *)data)[i] = (int64_t)(u * range);
    }
    CALL(CREATE_TENSOR, (const void *, void *, size_t, const int64_t *, size_t, int, void **), memory, data,
         count * each, shape, rank, text[0] == 'f' ? TYPE_FLOAT : TYPE_INT64, &value);
    return value;
}

static void *session(void *env, const char *graph, int threads)
{
    void *options, *s;
    CALL(CREATE_OPTIONS, (void **), &options);
    CALL(SET_OPTIMIZATION, (void *, int), options, ALL_OPTIMIZATIONS);
    CALL(SET_INTRA_THREADS, (void *, int), options, threads);
    CALL(SET_INTER_THREADS, (void *, int), options, 1);
    CALL(CREATE_SESSION, (void *, const char *, void *, void **), env, graph, options, &s);
    return s;
}

static void run(void *s, void *const *in, size_t count, void **out)
{
    static const char *const inputs[MOST_INPUTS] = { "x0", "x1", "x2", "x3" }, *const output[] = { "y" };
    CALL(RUN, (void *, const void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **),
         s, NULL, inputs, in, count, output, (size_t)1, out);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void time_calls(void *s, void *const *in, size_t count, void **out, double seconds)
{
    static double us[MOST_CALLS];
    int calls = 0;
    double started = now_us();
    for (int i = 0; i < WARM_UP || now_us() - started < seconds * 2e5; i++)
        run(s, in, count, out);
    started = now_us();
    while (calls < MOST_CALLS && (calls < LEAST_CALLS || now_us() - started < seconds * 1e6)) {
        double start = now_us();
        run(s, in, count, out);
        us[calls++] = now_us() - start;
    }
    qsort(us, (size_t)calls, sizeof *us, by_value);
    printf("{\"median_us\": %.3f, \"min_us\": %.3f, \"p90_us\": %.3f, \"calls\": %d}\n", us[calls / 2], us[0],
           us[calls * 9 / 10], calls);
}

int main(int argc, char **argv)
{
    if (argc < 8 || argc > 7 + MOST_INPUTS) {
        fprintf(stderr, "usage: %s LIBRARY GRAPH SECONDS THREADS RANGE OUTPUT INPUT...\n", argv[0]);
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW);
    const struct api_base *(*base)(void) = NULL;
    if (library)
        *(void **)&base = dlsym(library, "OrtGetApiBase");
    if (!base)
        return fprintf(stderr, "%s\n", dlerror()), 1;
    api = base()->get(API_VERSION);
    void *env, *memory, *in[MOST_INPUTS], *out;
    CALL(CREATE_ENV, (int, const char *, void **), 3, "bench", &env);
    CALL(CREATE_MEMORY_INFO, (int, int, void **), 1, 0, &memory);
    for (int i = 7; i < argc; i++)
        in[i - 7] = tensor(memory, argv[i], atof(argv[5]));
    out = tensor(memory, argv[6], 0);
    time_calls(session(env, argv[2], atoi(argv[4])), in, (size_t)(argc - 7), &out, atof(argv[3]));
    return 0;
}
