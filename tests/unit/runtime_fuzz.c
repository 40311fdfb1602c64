/* runtime_fuzz.c: every reader of files against thousands of damaged ones. Nothing may crash, read beyond its end or
 * keep memory; built with the sanitizers this is seen. An argument is the number of mutations a format, the seed is
 * fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "nn_data.h"
#include "nn_safetensors.h"

static long mutations = 3000;
static uint64_t state_of_random = 1;

static uint64_t draw(uint64_t below)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (state_of_random >> 33) % below;
}

/* One to four changes: a bit, a byte, a piece taken out, doubled or overwritten by another, the end cut. The copy has
 * exactly its size, so that the sanitizer sees one byte too many. */
static struct nn_buffer mutate(const struct nn_buffer *from)
{
    size_t size = from->size, room = 2 * size + 64;
    unsigned char *p = malloc(room);
    memcpy(p, from->data, size);
    for (uint64_t changes = 1 + draw(4); changes > 0 && size > 0; changes--) {
        size_t at = (size_t)draw(size), n = (size_t)draw(size - at) % 16 + 1, other = (size_t)draw(size);
        n = at + n > size ? size - at : n;
        switch (draw(7)) {
        case 0: p[at] ^= (unsigned char)(1u << draw(8)); break;
        case 1: p[at] = (unsigned char)draw(256); break;
        case 2: p[at] = (unsigned char)"0123456789{}[]\",:-.\\u\n"[draw(22)]; break;
        case 3:
            memmove(p + at, p + at + n, size - at - n);
            size -= n;
            break;
        case 4:
            if (size + n <= room) {
                memmove(p + at + n, p + at, size - at);
                size += n;
            }
            break;
        case 5: memmove(p + at, p + other, n < size - other ? n : size - other); break;
        default: size = at; break;
        }
    }
    struct nn_buffer out = { malloc(size + 1), size };
    memcpy(out.data, p, size);
    out.data[size] = 0;
    free(p);
    return out;
}

static void check_array(struct nn_array *a, int status)
{
    if (status) {
        assert_null(a->data);
        return;
    }
    for (int type = NN_F32; type <= NN_BOOL; type++) {
        void *out = NULL;
        int64_t samples;
        if (!nn_array_column("x", a, (nn_dtype)type, 2, &out, &samples, NULL))
            free(out);
    }
    nn_array_free(a);
}

typedef int parser(const char *, const struct nn_buffer *, struct nn_array *, const struct nn_message *);

static int parse_csv(const char *name, const struct nn_buffer *b, struct nn_array *a, const struct nn_message *m)
{
    struct nn_words words = { NULL, 0 };
    struct nn_data_request r = { name, (int)draw(2), (int)draw(2), &words, NULL };
    int status = nn_csv_parse(name, b, draw(2) ? "0-1,2" : NULL, draw(2) ? ',' : '\t', &r, a, m);
    nn_words_free(&words);
    return status;
}

static void fuzz(parser *parse, const void *seed, size_t size)
{
    struct nn_buffer from = { (unsigned char *)(uintptr_t)seed, size };
    for (long i = 0; i < mutations; i++) {
        char text[64];
        struct nn_message m = { text, sizeof text };
        struct nn_buffer b = mutate(&from);
        struct nn_array a = { .data = NULL };
        int status = parse("x", &b, &a, &m);
        if (status)
            nn_array_free(&a); /* as nn_data_read does */
        check_array(&a, status);
        free(b.data);
    }
}

static void test_npy(void **state)
{
    (void)state;
    static const char seed[] =
        "\x93NUMPY\1\0\x46\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }            \n"
        "0123456789abcdef";
    fuzz(nn_npy_parse, seed, sizeof seed - 1);
}

static void test_idx(void **state)
{
    (void)state;
    static const char seed[] = "\0\0\x0D\2\0\0\0\2\0\0\0\2"
                               "0123456789abcdef";
    fuzz(nn_idx_parse, seed, sizeof seed - 1);
}

static void test_csv(void **state)
{
    (void)state;
    static const char seed[] = "a,b,c\n1,2.5,\"x, \"\"y\"\"\"\n-3,4e2,z\r\n5,6,x\n";
    fuzz(parse_csv, seed, sizeof seed - 1);
}

static const char header[] = "{\"__metadata__\":{\"netrt.kind\":\"checkpoint\",\"k\\u00e9y\":\"v\\n\"},"
                             "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                             "\"b\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[8,16]},"
                             "\"\\ud83d\\ude00\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[16,18]}}";

static void test_safetensors(void **state)
{
    (void)state;
    static const int64_t shape_a[] = { 2, 1 }, shape_b[] = { 1 };
    float a[2];
    int32_t b[1];
    nn_tensor t[] = { { "a", NN_F32, NN_PARAM, 2, shape_a, a, NULL }, { "b", NN_I32, NN_STATE, 1, shape_b, b, NULL } };
    unsigned char seed[512] = { sizeof header - 1 };
    struct nn_buffer from = { seed, 8 + sizeof header - 1 + 18 };
    seed[0] = (unsigned char)((sizeof header - 1) & 255), seed[1] = (unsigned char)((sizeof header - 1) >> 8);
    memcpy(seed + 8, header, sizeof header - 1);
    long whole = 0;
    for (long i = 0; i < 4 * mutations; i++) {
        char text[64];
        struct nn_message m = { text, sizeof text };
        struct nn_st_file f;
        if (nn_st_parse(&f, "x", i ? mutate(&from) : (struct nn_buffer){ memcpy(malloc(512), seed, 512), from.size },
                        &m))
            continue;
        if (!nn_st_check(&f, t, 2, 0, &m)) {
            nn_st_fill(&f, t, 2);
            whole++;
        }
        nn_st_meta(&f, "netrt.kind");
        nn_st_close(&f);
    }
    assert_true(whole > 0);
}

/* Through a file, packed. */
static void test_gz(void **state)
{
    (void)state;
    static const unsigned char seed[] = { 31,  139, 8,   0,   0,   0,   0,   0,   2,  255, 51, 212,
                                          49,  210, 49,  214, 49,  209, 49,  213, 49, 227, 50, 132,
                                          179, 205, 185, 0,   255, 28,  140, 100, 24, 0,   0,  0 };
    struct nn_buffer from = { (unsigned char *)(uintptr_t)seed, sizeof seed };
    char path[] = "/tmp/runtime_fuzz.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (long i = 0; i < mutations / 3; i++) {
        struct nn_buffer b = mutate(&from), out;
        assert_true(ftruncate(fd, 0) == 0 && pwrite(fd, b.data, b.size, 0) == (ssize_t)b.size);
        if (!nn_file_read(path, nn_gunzip, &out, NULL))
            free(out.data);
        free(b.data);
    }
    close(fd);
    remove(path);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        mutations = atol(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy),         cmocka_unit_test(test_idx), cmocka_unit_test(test_csv),
        cmocka_unit_test(test_safetensors), cmocka_unit_test(test_gz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
