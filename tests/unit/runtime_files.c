/* runtime_files.c: weight files and checkpoints: what is written comes back, what is damaged or foreign is refused in
 * words and changes nothing, and a failed write leaves what was there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dirent.h>
#include <math.h>
#include <cmocka.h>

#include "netrt.h"
#include "nn_safetensors.h"

static char folder[] = "/tmp/runtime_files.XXXXXX";
static char error[256];

static const char *in_folder(const char *name)
{
    static char path[4][512];
    static int which;
    char *p = path[which++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int files_in_folder(void)
{
    DIR *d = opendir(folder);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            remove(in_folder(e->d_name));
    closedir(d);
    return rmdir(folder);
}

/* --- a model's tensors -------------------------------------------------------------------------------------------- */

static const int64_t shape_23[] = { 2, 3 }, shape_4[] = { 4 }, shape_none[] = { 0 };

struct tensors {
    float w[6];
    double d[4];
    int32_t i[4];
    uint8_t u[4], b[4];
    float scalar;
    nn_tensor t[6];
};

static void tensors_make(struct tensors *s)
{
    static const float w[6] = { 1.5f, -0.0f, 3e-39f, INFINITY, 0.1f, -2.0f };
    memset(s, 0, sizeof *s);
    memcpy(s->w, w, sizeof w);
    for (int i = 0; i < 4; i++) {
        s->d[i] = 1.0 / (i + 3);
        s->i[i] = i - 2;
        s->u[i] = (uint8_t)(255 - i);
        s->b[i] = i & 1;
    }
    s->scalar = 7;
    s->t[0] = (nn_tensor){ "a.weight", NN_F32, NN_PARAM, 2, shape_23, s->w, NULL };
    s->t[1] = (nn_tensor){ "a \"quoted\"\n\\name \xC3\xA9", NN_F64, NN_STATE, 1, shape_4, s->d, NULL };
    s->t[2] = (nn_tensor){ "i", NN_I32, NN_STATE, 1, shape_4, s->i, NULL };
    s->t[3] = (nn_tensor){ "u", NN_U8, NN_STATE, 1, shape_4, s->u, NULL };
    s->t[4] = (nn_tensor){ "b", NN_BOOL, NN_STATE, 1, shape_4, s->b, NULL };
    s->t[5] = (nn_tensor){ "scalar", NN_F32, NN_PARAM, 0, shape_none, &s->scalar, NULL };
}

static void tensors_clear(struct tensors *s)
{
    memset(s->w, 0, sizeof s->w);
    memset(s->d, 0, sizeof s->d);
    memset(s->i, 0, sizeof s->i);
    memset(s->u, 0, sizeof s->u);
    memset(s->b, 0, sizeof s->b);
    s->scalar = 0;
}

static int same_values(const struct tensors *a, const struct tensors *b)
{
    return !memcmp(a->w, b->w, sizeof a->w) && !memcmp(a->d, b->d, sizeof a->d) && !memcmp(a->i, b->i, sizeof a->i) &&
           !memcmp(a->u, b->u, sizeof a->u) && !memcmp(a->b, b->b, sizeof a->b) && a->scalar == b->scalar;
}

/* Writes a file from a header and some bytes. */
static void put_file(const char *path, const char *header, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    uint64_t n = strlen(header);
    for (int i = 0; i < 8; i++)
        putc((int)(n >> (8 * i) & 255), f);
    fwrite(header, 1, n, f);
    if (size)
        fwrite(data, 1, size, f);
    fclose(f);
}

static void expect_error(int code, int expected, const char *words)
{
    if (code != expected || !strstr(error, words))
        fail_msg("gave %d and '%s', not %d and '%s'", code, error, expected, words);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const meta[] = { "format", "pt", "ke\"y", "va\\lue", NULL };
    struct tensors a, b;
    tensors_make(&a);
    tensors_make(&b);
    tensors_clear(&b);
    const char *path = in_folder("w");
    assert_int_equal(nn_tensors_save(path, a.t, 6, meta, error, sizeof error), 0);
    assert_int_equal(nn_tensors_load(path, b.t, 6, error, sizeof error), 0);
    assert_true(same_values(&a, &b));
    assert_int_equal(files_in_folder(), 1);

    struct nn_st_file f;
    assert_int_equal(nn_st_open(&f, path, NULL), 0);
    assert_string_equal(nn_st_meta(&f, "ke\"y"), "va\\lue");
    assert_null(nn_st_meta(&f, "none"));
    assert_int_equal((f.payload - f.bytes.data) % 8, 0);
    nn_st_close(&f);
}

static void test_same_bytes(void **state)
{
    (void)state;
    struct tensors a;
    struct nn_buffer x, y;
    tensors_make(&a);
    assert_int_equal(nn_tensors_save(in_folder("x"), a.t, 6, NULL, NULL, 0), 0);
    assert_int_equal(nn_tensors_save(in_folder("y"), a.t, 6, NULL, NULL, 0), 0);
    nn_file_read_plain(in_folder("x"), &x, NULL);
    nn_file_read_plain(in_folder("y"), &y, NULL);
    assert_true(x.size == y.size && !memcmp(x.data, y.data, x.size));
    free(x.data);
    free(y.data);
}

static void test_conversions(void **state)
{
    (void)state;
    static const int64_t shape_6[] = { 6 };
    static const unsigned char data[] = {
        0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0x00, 0x7C, 0xFF, 0x7B, 0x00, 0x80, /* F16 1 -2 2^-24 inf 65504 -0 */
        0x80, 0x3F, 0x00, 0xC0, 0x80, 0x7F, 0xC0, 0x7F, 0x01, 0x00, 0x00, 0x80, /* BF16 1 -2 inf nan tiny -0 */
        0,    0,    0,    0,    0,    0,    0xF0, 0x3F, 0,    0,    0,    0,    0,    0,    0x00, 0xC0, /* F64 1 -2 */
        5,    0,    0,    0,    0,    0,    0,    0,    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 7, 250
    }; /* I64 5 -1, U8 7 250 */
    const char *header = "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},"
                         "\"bf\":{\"shape\":[6],\"dtype\":\"BF16\",\"data_offsets\":[12,24]},"
                         "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[24,40]},"
                         "\"l\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[40,56]},"
                         "\"u\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[56,58]}}";
    static const int64_t shape_2[] = { 2 };
    float h[6], bf[6], d[2];
    int32_t l[2], u[2];
    nn_tensor t[] = { { "h", NN_F32, NN_PARAM, 1, shape_6, h, NULL },
                      { "bf", NN_F32, NN_PARAM, 1, shape_6, bf, NULL },
                      { "d", NN_F32, NN_PARAM, 1, shape_2, d, NULL },
                      { "l", NN_I32, NN_STATE, 1, shape_2, l, NULL },
                      { "u", NN_I32, NN_STATE, 1, shape_2, u, NULL } };
    put_file(in_folder("c"), header, data, sizeof data);
    assert_int_equal(nn_tensors_load(in_folder("c"), t, 5, error, sizeof error), 0);
    assert_true(h[0] == 1 && h[1] == -2 && h[2] == 0x1p-24f && isinf(h[3]) && h[4] == 65504 && h[5] == 0 &&
                signbit(h[5]));
    assert_true(bf[0] == 1 && bf[1] == -2 && isinf(bf[2]) && isnan(bf[3]) && bf[4] == 0x1p-133f && signbit(bf[5]));
    assert_true(d[0] == 1 && d[1] == -2 && l[0] == 5 && l[1] == -1 && u[0] == 7 && u[1] == 250);

    nn_tensor byte = { "l", NN_U8, NN_STATE, 1, shape_2, l, NULL },
              real = { "u", NN_F32, NN_STATE, 1, shape_2, d, NULL };
    expect_error(nn_tensors_load(in_folder("c"), &byte, 1, error, sizeof error), NN_EMISMATCH, "element 1 is -1");
    expect_error(nn_tensors_load(in_folder("c"), &real, 1, error, sizeof error), NN_EMISMATCH, "U8 in the file");
}

static void test_mismatches_change_nothing(void **state)
{
    (void)state;
    static const int64_t shape_32[] = { 3, 2 };
    struct tensors a, b;
    tensors_make(&a);
    const char *path = in_folder("w");
    assert_int_equal(nn_tensors_save(path, a.t, 5, NULL, NULL, 0), 0);
    tensors_make(&b);
    tensors_clear(&b);
    b.t[5].name = "other";
    expect_error(nn_tensors_load(path, b.t, 6, error, sizeof error), NN_EMISMATCH, "has no tensor 'other' of shape []");
    b.t[3].shape = shape_32;
    b.t[3].rank = 2;
    expect_error(nn_tensors_load(path, b.t, 5, error, sizeof error), NN_EMISMATCH,
                 "tensor 'u' has shape [4], and [3, 2] in the model");
    assert_non_null(strstr(error, path));
    tensors_clear(&a);
    assert_true(same_values(&a, &b));
    expect_error(nn_tensors_load(in_folder("none"), a.t, 1, error, sizeof error), NN_EFILE, "No such file");
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int bytes;
        const char *words;
    } cases[] = {
        { "", 0, "shorter" },
        { "[]", 8, "no JSON object" },
        { "{", 8, "cut short" },
        { "{\"a\":{}} ", 8, "malformed" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", 4, "does not end" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "what its shape needs" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "what its shape needs" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "lies at bytes 0 to 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "1 bytes follow" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "lies at bytes 4 to 0" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
          6, "lies at bytes 2 to 6" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
          8, "stands twice" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "malformed" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "malformed" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, "malformed" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
          "what its shape needs" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904],\"data_offsets\":[0,0]}}x", 0,
          "follows its header" },
        { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "malformed" },
        { "{\"a\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "malformed" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "malformed" },
    };
    float x = 1;
    nn_tensor t = { "a", NN_F32, NN_PARAM, 0, shape_none, &x, NULL };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_file(in_folder("bad"), cases[i].header, "01234567", (size_t)cases[i].bytes);
        expect_error(nn_tensors_load(in_folder("bad"), &t, 1, error, sizeof error), NN_EFORMAT, cases[i].words);
    }
    /* deep nesting in what we pass over */
    char *deep = malloc(100100);
    size_t n = (size_t)sprintf(deep, "{\"a\":{\"x\":");
    memset(deep + n, '[', 100000);
    deep[n + 100000] = 0;
    put_file(in_folder("bad"), deep, NULL, 0);
    expect_error(nn_tensors_load(in_folder("bad"), &t, 1, error, sizeof error), NN_EFORMAT, "malformed");
    free(deep);
}

static void test_foreign_tensors_are_passed_over(void **state)
{
    (void)state;
    float x = 0;
    nn_tensor t = { "\xF0\x9F\x98\x80", NN_F32, NN_PARAM, 0, shape_none, &x, NULL };
    put_file(in_folder("f"),
             "{\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[0,3],\"more\":[{\"a\":null}]},"
             "\"\\ud83d\\ude00\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[3,7]}}   ",
             "xyz\0\0\x80?", 7);
    assert_int_equal(nn_tensors_load(in_folder("f"), &t, 1, error, sizeof error), 0);
    assert_true(x == 1);
}

static void test_truncations(void **state)
{
    (void)state;
    struct tensors a;
    struct nn_buffer whole;
    tensors_make(&a);
    assert_int_equal(nn_tensors_save(in_folder("w"), a.t, 6, NULL, NULL, 0), 0);
    nn_file_read_plain(in_folder("w"), &whole, NULL);
    for (size_t n = 0; n < whole.size; n++) {
        FILE *f = fopen(in_folder("cut"), "wb");
        fwrite(whole.data, 1, n, f);
        fclose(f);
        assert_int_equal(nn_tensors_load(in_folder("cut"), a.t, 6, error, sizeof error), NN_EFORMAT);
    }
    free(whole.data);
}

static void test_failed_writes(void **state)
{
    (void)state;
    struct tensors a, b;
    tensors_make(&a);
    expect_error(nn_tensors_save("/dev/full", a.t, 6, NULL, error, sizeof error), NN_EFILE, "No space left");
    expect_error(nn_tensors_save(in_folder("none/w"), a.t, 6, NULL, error, sizeof error), NN_EFILE, "No such file");
    expect_error(nn_tensors_save(folder, a.t, 6, NULL, error, sizeof error), NN_EFILE, "Is a directory");
    expect_error(nn_tensors_save(NULL, a.t, 6, NULL, error, sizeof error), NN_ENULL, "null");
    assert_int_equal(nn_tensors_save("/dev/null", a.t, 6, NULL, error, sizeof error), 0);
    struct stat st;
    assert_true(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));

    if (geteuid() != 0) { /* root writes everywhere */
        assert_int_equal(nn_tensors_save(in_folder("kept"), a.t, 6, NULL, error, sizeof error), 0);
        int before = files_in_folder();
        chmod(folder, 0500);
        expect_error(nn_tensors_save(in_folder("kept"), a.t, 2, NULL, error, sizeof error), NN_EFILE, "Permission");
        chmod(folder, 0700);
        assert_int_equal(files_in_folder(), before);
        tensors_make(&b);
        assert_int_equal(nn_tensors_load(in_folder("kept"), b.t, 6, error, sizeof error), 0);
    }
}

static void test_links_and_rights_stay(void **state)
{
    (void)state;
    struct tensors a;
    struct stat st;
    tensors_make(&a);
    assert_int_equal(nn_tensors_save(in_folder("real"), a.t, 6, NULL, NULL, 0), 0);
    assert_int_equal(chmod(in_folder("real"), 0640), 0);
    assert_int_equal(symlink(in_folder("real"), in_folder("link")), 0);
    assert_int_equal(nn_tensors_save(in_folder("link"), a.t, 2, NULL, error, sizeof error), 0);
    assert_true(lstat(in_folder("link"), &st) == 0 && S_ISLNK(st.st_mode));
    assert_true(stat(in_folder("real"), &st) == 0 && (st.st_mode & 0777) == 0640);
}

static int file_holds(const char *path, const char *text)
{
    char bytes[4096];
    FILE *f = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f), length = strlen(text);
    fclose(f);
    for (size_t i = 0; i + length <= n; i++)
        if (!memcmp(bytes + i, text, length))
            return 1;
    return 0;
}

static void test_checkpoints(void **state)
{
    (void)state;
    struct tensors a, b;
    float m[4] = { 1, 2, 3, 4 }, m2[4] = { 0 };
    nn_tensor extra = { "adam.m", NN_F32, NN_STATE, 1, shape_4, m, NULL }, extra2 = extra;
    nn_progress p = { 0xFFFFFFFFFFFFFFFFu, 12345678901u, 77, 0.1, { 1, 2, 3, UINT64_MAX }, NULL }, q;
    const char *const meta[] = { "words.label", "oak\nash", "more", "", NULL };
    extra2.data = m2;
    tensors_make(&a);
    const char *path = in_folder("ckpt");
    assert_int_equal(nn_checkpoint_save(path, "net-1", a.t, 6, &extra, 1, &p, error, sizeof error), 0);
    tensors_make(&b);
    tensors_clear(&b);
    memset(&q, 0, sizeof q);
    expect_error(nn_checkpoint_load(path, "net-2", b.t, 6, &extra2, 1, &q, error, sizeof error), NN_EMISMATCH,
                 "another model");
    assert_true(b.scalar == 0 && q.step == 0);
    assert_int_equal(nn_checkpoint_load(path, "net-1", b.t, 6, &extra2, 1, &q, error, sizeof error), 0);
    assert_true(same_values(&a, &b) && !memcmp(m, m2, sizeof m) && !memcmp(&p, &q, sizeof p));

    p.meta = meta; /* it goes into the file, and what is loaded leaves the caller's as it is */
    assert_int_equal(nn_checkpoint_save(path, "net-1", a.t, 6, &extra, 1, &p, error, sizeof error), 0);
    assert_int_equal(nn_checkpoint_load(path, "net-1", b.t, 6, &extra2, 1, &q, error, sizeof error), 0);
    assert_true(q.step == p.step && !q.meta);
    assert_true(file_holds(path, "\"words.label\":\"oak\\u000aash\",\"more\":\"\""));

    tensors_clear(&b);
    assert_int_equal(nn_tensors_load(path, b.t, 6, error, sizeof error), 0); /* weights out of a checkpoint */
    assert_true(same_values(&a, &b));
    assert_int_equal(nn_tensors_save(path, a.t, 6, NULL, error, sizeof error), 0);
    expect_error(nn_checkpoint_load(path, "net-1", b.t, 6, &extra2, 1, &q, error, sizeof error), NN_EMISMATCH,
                 "weights alone");
}

static void test_words(void **state)
{
    (void)state;
    for (int code = NN_EVALUE; code < 0; code++)
        assert_true(strlen(nn_strerror(code)) > 10 && strcmp(nn_strerror(code), "unknown error"));
    assert_string_equal(nn_strerror(-99), "unknown error");
    assert_true(strstr(nn_build_info(), "f32 lanes") != NULL);
    assert_true(nn_dtype_size(NN_F64) == 8 && !strcmp(nn_dtype_name(NN_BOOL), "bool"));
    void *p = nn_alloc(100);
    assert_true((uintptr_t)p % 64 == 0);
    nn_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_mismatches_change_nothing),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_foreign_tensors_are_passed_over),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_links_and_rights_stay),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
