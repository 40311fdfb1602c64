/* runtime_oracles.c: the runtime's own readers beside libraries that read the same formats: JSON beside Jansson, .npy
 * beside numpy. What a header of weights says is read alike; documents made at random are taken or refused alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "nn_data.h"
#include "nn_json.h"
#include "nn_safetensors.h"

static char folder[] = "/tmp/runtime_oracles.XXXXXX";
static char words[200];
static const struct nn_message message = { words, sizeof words };

static const char *in_folder(const char *name)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* ---- JSON ---- */

static uint64_t state_of_random = 1;

static unsigned draw(unsigned below)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state_of_random >> 33) % below;
}

struct document {
    char text[4096];
    size_t length;
};

static void put(struct document *d, const char *s)
{
    size_t n = strlen(s);
    if (d->length + n < sizeof d->text) {
        memcpy(d->text + d->length, s, n + 1);
        d->length += n;
    }
}

static void put_string(struct document *d)
{
    static const char *const pieces[] = {
        "a", "Zz", " ", "\\n", "\\\"", "\\\\", "\\u00e9", "\xc3\xa9", "\\ud83d\\ude00", "0"
    };
    put(d, "\"");
    for (unsigned i = draw(5); i > 0; i--)
        put(d, pieces[draw(sizeof pieces / sizeof *pieces)]);
    put(d, "\"");
}

static void put_value(struct document *d, int depth)
{
    static const char *const plain[] = { "0", "17", "-3", "1.5", "2e3", "-0.25E-2", "true", "false", "null", " 8 " };
    unsigned kind = depth ? draw(4) : 3;
    unsigned items = draw(4);
    if (kind == 0 || kind == 1) {
        put(d, kind ? "{" : "[");
        for (unsigned i = 0; i < items; i++) {
            char key[16];
            snprintf(key, sizeof key, "%s\"k%u\": ", i ? "," : "", i);
            put(d, kind ? key : i ? ", " : "");
            put_value(d, depth - 1);
        }
        put(d, kind ? "}" : "]");
    } else if (kind == 2) {
        put_string(d);
    } else {
        put(d, plain[draw(sizeof plain / sizeof *plain)]);
    }
}

/* One sign changed, taken out or put in. */
static void damage(struct document *d)
{
    static const char signs[] = "{}[]\",:\\ 0e-.tu";
    size_t at = draw((unsigned)d->length);
    switch (draw(3)) {
    case 0: d->text[at] = signs[draw(sizeof signs - 1)]; break;
    case 1: memmove(d->text + at, d->text + at + 1, d->length-- - at); break;
    default: memmove(d->text + at + 1, d->text + at, d->length++ - at + 1); d->text[at] = signs[draw(sizeof signs - 1)];
    }
}

static bool taken_by_ours(const struct document *d)
{
    struct nn_json j = { (const unsigned char *)d->text, (const unsigned char *)d->text + d->length };
    return nn_json_skip(&j, 32) && nn_json_peek(&j) == -1;
}

static void test_documents(void **state)
{
    int taken = 0, refused = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct document d = { .length = 0 };
        put_value(&d, 4);
        if (i % 2 && d.length && d.length < sizeof d.text - 2)
            damage(&d);
        json_error_t why;
        json_t *theirs = json_loadb(d.text, d.length, JSON_DECODE_ANY, &why);
        /* a number too large for a double is a matter of values, which nothing here reads */
        bool large = !theirs && json_error_code(&why) == json_error_numeric_overflow;
        if (!large && (theirs != NULL) != taken_by_ours(&d))
            fail_msg("Jansson %s it, the runtime does not: %.*s", theirs ? "takes" : "refuses", (int)d.length, d.text);
        taken += theirs != NULL;
        refused += theirs == NULL;
        json_decref(theirs);
    }
    assert_true(taken > 8000 && refused > 1000);
}

static void test_header_of_weights(void **state)
{
    static const int64_t shape[] = { 2, 3 };
    float data[6] = { 1, 2, 3, 4, 5, 6 };
    const nn_tensor t[] = { { "a.\"b\"\\\xc3\xa9", NN_F32, NN_PARAM, 2, shape, data, NULL },
                            { "scalar", NN_F32, NN_STATE, 0, shape, data, NULL } };
    const char *const meta[] = { "who", "say \"hi\"\n", NULL };
    struct nn_buffer bytes;
    (void)state;
    assert_int_equal(nn_st_write(in_folder("w"), t, 2, NULL, 0, meta, &message), 0);
    assert_int_equal(nn_file_read_plain(in_folder("w"), &bytes, &message), 0);
    uint64_t length = 0;
    memcpy(&length, bytes.data, 8);
    json_t *header = json_loadb((const char *)bytes.data + 8, length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(header);
    json_t *first = json_object_get(header, t[0].name);
    assert_string_equal(json_string_value(json_object_get(first, "dtype")), "F32");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(first, "shape"), 1)), 3);
    json_t *range = json_object_get(first, "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(range, 0));
    assert_int_equal(json_integer_value(json_array_get(range, 1)) - (json_int_t)begin, 24);
    assert_memory_equal(bytes.data + 8 + length + begin, data, 24);
    assert_int_equal(json_array_size(json_object_get(json_object_get(header, "scalar"), "shape")), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(header, "__metadata__"), "who")), meta[1]);
    json_decref(header);
    free(bytes.data);
}

/* ---- .npy ---- */

static void run_numpy(const char *code)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && /usr/bin/python3 -c '%s'", folder, code);
    if (system(command))
        fail_msg("numpy does not take it");
}

static double element_of(const struct nn_array *a, int64_t i)
{
    switch (a->kind) {
    case NN_KIND_F32: return ((const float *)a->data)[i];
    case NN_KIND_F64: return ((const double *)a->data)[i];
    case NN_KIND_I8: return ((const int8_t *)a->data)[i];
    case NN_KIND_I16: return ((const int16_t *)a->data)[i];
    case NN_KIND_I32: return ((const int32_t *)a->data)[i];
    case NN_KIND_I64: return (double)((const int64_t *)a->data)[i];
    default: return ((const uint8_t *)a->data)[i];
    }
}

/* numpy writes a file of every type that is taken, and the same numbers as doubles. */
static void test_numpy_writes(void **state)
{
    static const char *const types[] = { "f4", "f8", "i4", "i8", "u1", "b1" };
    (void)state;
    run_numpy("import numpy as n\n"
              "for t in [\"f4\", \"f8\", \"i4\", \"i8\", \"u1\", \"b1\"]:\n"
              "    a = (n.arange(30) * 7 % 11 - (0 if t in (\"u1\", \"b1\") else 5)).reshape(5, 2, 3)\n"
              "    a = (a / 4 if t[0] == \"f\" else a).astype(t)\n"
              "    n.save(t, a)\n"
              "    a.astype(\"f8\").tofile(t + \".raw\")\n");
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        char name[16];
        struct nn_array a = { 0 };
        struct nn_buffer raw;
        snprintf(name, sizeof name, "%s.npy", types[k]);
        assert_int_equal(nn_data_read(&(struct nn_data_request){ .spec = in_folder(name) }, &a, &message), 0);
        snprintf(name, sizeof name, "%s.raw", types[k]);
        assert_int_equal(nn_file_read_plain(in_folder(name), &raw, &message), 0);
        assert_int_equal(a.rank, 3);
        assert_true(a.shape[0] == 5 && a.shape[1] == 2 && a.shape[2] == 3);
        for (int64_t i = 0; i < 30; i++) {
            double theirs;
            memcpy(&theirs, raw.data + 8 * i, 8);
            if (element_of(&a, i) != theirs)
                fail_msg("%s: element %d is %g, not %g", types[k], (int)i, element_of(&a, i), theirs);
        }
        nn_array_free(&a);
        free(raw.data);
    }
}

static void test_numpy_reads(void **state)
{
    static const int64_t shape[] = { 2, 3 };
    const float data[] = { 0, 0.5f, -1, 1e-30f, 3e30f, 7 };
    (void)state;
    assert_int_equal(nn_npy_write(in_folder("ours.npy"), NN_F32, 2, shape, data, &message), 0);
    run_numpy("import numpy as n\n"
              "a = n.load(\"ours.npy\")\n"
              "b = n.array([[0, 0.5, -1], [1e-30, 3e30, 7]], \"f4\")\n"
              "assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_header_of_weights),
        cmocka_unit_test(test_numpy_writes),
        cmocka_unit_test(test_numpy_reads),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
