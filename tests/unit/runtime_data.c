/* runtime_data.c: data files: each format as it should be, as it should not be, and packed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "nn_data.h"

static char folder[] = "/tmp/runtime_data.XXXXXX";
static char text[512];
static const struct nn_message message = { text, sizeof text };

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* Reads bytes as a file of this name. spec: the name, with columns. */
static int read_as(const char *spec, const void *data, size_t size, int skip, struct nn_words *words,
                   struct nn_array *a)
{
    char path[256], full[256];
    snprintf(full, sizeof full, "%s/%s", folder, spec);
    snprintf(path, sizeof path, "%s/%.*s", folder, (int)strcspn(spec, ":"), spec);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(data, 1, size, f);
    fclose(f);
    struct nn_data_request r = { full, skip, words != NULL, words, nn_gunzip };
    text[0] = 0;
    int status = nn_data_read(&r, a, &message);
    remove(path);
    return status;
}

static void expect_error(int code, int expected, const char *words)
{
    if (code != expected || !strstr(text, words))
        fail_msg("gave %d and '%s', not %d and '%s'", code, text, expected, words);
}

static void bad_file(const char *spec, const char *data, size_t size, const char *words)
{
    struct nn_array a;
    expect_error(read_as(spec, data, size, 0, NULL, &a), NN_EFORMAT, words);
    assert_null(a.data);
}

/* --- npy ---------------------------------------------------------------------------------------------------------- */

static size_t npy(char *to, const char *header, const void *data, size_t size)
{
    size_t n = strlen(header);
    memcpy(to, "\x93NUMPY\1\0", 8);
    to[8] = (char)(n & 255);
    to[9] = (char)(n >> 8);
    memcpy(to + 10, header, n);
    memcpy(to + 10 + n, data, size);
    return 10 + n + size;
}

static void test_npy_types(void **state)
{
    (void)state;
    static const struct {
        const char *descr;
        size_t size;
        unsigned char bytes[16];
        double first, second;
    } cases[] = {
        { "<f4", 8, { 0, 0, 0xC0, 0x3F, 0, 0, 0, 0xC0 }, 1.5, -2 },
        { "<f8", 16, { 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0 }, 1.5, -2 },
        { "<i4", 8, { 1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF }, 1, -2 },
        { "<i8", 16, { 1, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF }, 1, -2 },
        { "|u1", 2, { 1, 254 }, 1, 254 },
        { "|b1", 2, { 1, 0 }, 1, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[256], header[128];
        struct nn_array a;
        void *out;
        int64_t samples;
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2, 1), }   \n",
                 cases[i].descr);
        size_t n = npy(file, header, cases[i].bytes, cases[i].size);
        assert_int_equal(read_as("x.npy", file, n, 0, NULL, &a), 0);
        assert_true(a.rank == 2 && a.shape[0] == 2 && a.count == 2);
        assert_int_equal(nn_array_column("x.npy", &a, NN_F64, 1, &out, &samples, &message), 0);
        assert_true(samples == 2 && ((double *)out)[0] == cases[i].first && ((double *)out)[1] == cases[i].second);
        free(out);
        nn_array_free(&a);
    }
}

static void test_npy_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size;
        const char *words;
    } cases[] = {
        { "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8, "big-endian" },
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8, "'<c8' is not read" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, "is not read" },
        { "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", 8, "Fortran" },
        { "{'descr': '<f4', 'shape': (2,), }", 8, "no fortran_order" },
        { "{'descr': '<f4', 'fortran_order': False, }", 8, "no shape" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7,
          "has 7 bytes of values, and its shape and type need 8" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 12, "12 bytes of values" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, "malformed" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8, "malformed" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0, "not what its shape" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", 8, "8 dimensions" },
    };
    char file[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        bad_file("x.npy", file, npy(file, cases[i].header, "0123456789ab", cases[i].size), cases[i].words);
    bad_file("x.npy", "\x93NUMPX\1\0\0\0", 10, "does not start");
    bad_file("x.npy", "\x93NUMPY\1\0\377\377", 10, "cut short");
    bad_file("x.npy", "\x93NUMPY\7\0\0\0", 10, "version");
    bad_file("x.npy", "", 0, "does not start");
}

static void test_npy_written(void **state)
{
    (void)state;
    static const int64_t shape[] = { 2, 3 };
    static const float x[] = { 1, 2, 3, 4, 5, 6 };
    char path[256];
    struct nn_array a;
    snprintf(path, sizeof path, "%s/y.npy", folder);
    struct nn_data_request r = { path, 0, 0, NULL, NULL };
    assert_int_equal(nn_npy_write(path, NN_F32, 2, shape, x, &message), 0);
    assert_int_equal(nn_data_read(&r, &a, &message), 0);
    assert_true(a.rank == 2 && a.shape[1] == 3 && !memcmp(a.data, x, sizeof x));
    nn_array_free(&a);
    remove(path);
    expect_error(nn_npy_write("/dev/full", NN_F32, 2, shape, x, &message), NN_EFILE, "No space");
}

/* --- IDX, bytes, gz ----------------------------------------------------------------------------------------------- */

static void test_idx(void **state)
{
    (void)state;
    struct nn_array a;
    assert_int_equal(read_as("labels", "\0\0\x08\1\0\0\0\3abc", 11, 0, NULL, &a), 0);
    assert_true(a.rank == 1 && a.shape[0] == 3 && ((uint8_t *)a.data)[2] == 'c');
    nn_array_free(&a);
    assert_int_equal(read_as("x", "\0\0\x0C\2\0\0\0\1\0\0\0\2\0\0\1\0\377\377\377\376", 20, 0, NULL, &a), 0);
    assert_true(a.rank == 2 && ((int32_t *)a.data)[0] == 256 && ((int32_t *)a.data)[1] == -2);
    nn_array_free(&a);
    bad_file("x", "\0\0\x07\1\0\0\0\3abc", 11, "0x07 is unknown");
    bad_file("x", "\0\0\x08\1\0\0\0\3ab", 10, "2 bytes of values");
    bad_file("x", "\0\0\x08\1\0\0\0\3abcd", 12, "4 bytes of values");
    bad_file("x", "\0\0\x08\11\0\0\0\3abcd", 12, "9 dimensions");
    bad_file("x", "\0\0\x08\0", 4, "0 dimensions");
    bad_file("x", "\0\0\x0B\2\0\0\0\2\0\0\0\3AB", 14, "has 2 bytes of values, and its shape and type need 12");
    bad_file("x", "\0\0\x08\3\377\377\377\377\377\377\377\377\377\377\377\377", 16, "not what its shape");
    bad_file("x", "hello", 5, "not a known format");
}

static size_t gzip(const char *from, size_t n, char *to, size_t room)
{
    z_stream z;
    memset(&z, 0, sizeof z);
    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (unsigned char *)(uintptr_t)from;
    z.avail_in = (unsigned)n;
    z.next_out = (unsigned char *)to;
    z.avail_out = (unsigned)room;
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void test_gz(void **state)
{
    (void)state;
    char packed[512];
    struct nn_array a;
    size_t n = gzip("\0\0\x08\1\0\0\0\3abc", 11, packed, sizeof packed);
    assert_int_equal(read_as("labels.gz", packed, n, 0, NULL, &a), 0);
    assert_int_equal(a.count, 3);
    nn_array_free(&a);
    for (size_t cut = 2; cut < n; cut++)
        bad_file("labels.gz", packed, cut, "gzip");
    packed[n - 6] ^= 1; /* the checksum */
    bad_file("labels.gz", packed, n, "damaged");
    n = gzip("1,2\n", 4, packed, sizeof packed);
    n += gzip("3,4\n", 4, packed + n, sizeof packed - n); /* two members are one file */
    assert_int_equal(read_as("x.csv.gz", packed, n, 0, NULL, &a), 0);
    assert_true(a.shape[0] == 2 && ((double *)a.data)[3] == 4);
    nn_array_free(&a);
}

static void test_bytes(void **state)
{
    (void)state;
    struct nn_array a;
    void *out;
    int64_t samples;
    assert_int_equal(read_as("x.txt", "abcdef", 6, 0, NULL, &a), 0);
    assert_int_equal(nn_array_column("x.txt", &a, NN_I32, 3, &out, &samples, &message), 0);
    assert_true(samples == 2 && ((int32_t *)out)[5] == 'f');
    free(out);
    expect_error(nn_array_column("x.txt", &a, NN_I32, 4, &out, &samples, &message), NN_EMISMATCH, "6 bytes");
    nn_array_free(&a);
}

/* --- csv ---------------------------------------------------------------------------------------------------------- */

static void test_csv(void **state)
{
    (void)state;
    const char *file = "\xEF\xBB\xBF"
                       "a,b,c,d\n1, 2.5 ,\"3\",4\r\n\n5,-6e2,7,0x10";
    struct nn_array a;
    assert_int_equal(read_as("x.csv:0-1,3", file, strlen(file), 1, NULL, &a), 0);
    assert_true(a.rank == 2 && a.shape[0] == 2 && a.shape[1] == 3);
    static const double expected[] = { 1, 2.5, 4, 5, -600, 16 };
    assert_memory_equal(a.data, expected, sizeof expected);
    nn_array_free(&a);
    assert_int_equal(read_as("x.csv", "1,2,3\n", 6, 0, NULL, &a), 0);
    assert_int_equal(a.shape[1], 3);
    nn_array_free(&a);
}

static void test_csv_words(void **state)
{
    (void)state;
    struct nn_words words = { NULL, 0 };
    struct nn_array a;
    const char *file = "1,setosa\n2,\"virginica, \"\"the\"\"\"\n3,setosa\n", *more = "1,other\n2,setosa\n";
    assert_int_equal(read_as("x.csv:1", file, strlen(file), 0, &words, &a), 0);
    static const double expected[] = { 0, 1, 0 };
    assert_memory_equal(a.data, expected, sizeof expected);
    nn_array_free(&a);
    assert_true(words.count == 2 && !strcmp(words.word[1], "virginica, \"the\""));
    assert_int_equal(read_as("x.csv:1", more, strlen(more), 0, &words, &a), 0); /* the same words, the same numbers */
    assert_true(((double *)a.data)[0] == 2 && ((double *)a.data)[1] == 0);
    nn_array_free(&a);
    nn_words_free(&words);
    assert_int_equal(read_as("x.csv:0", file, strlen(file), 0, &words, &a), 0); /* numbers stay numbers */
    assert_true(((double *)a.data)[2] == 3 && words.count == 0);
    nn_array_free(&a);
}

/* What says that a file is CSV: its name, whatever its letters' case, or columns. */
static void test_csv_names(void **state)
{
    (void)state;
    struct nn_array a;
    static const char *const names[] = { "x.CSV:1", "x.Csv:1", "x.data:1", "x:1", "x.txt:1" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(read_as(names[i], "1,2\n3,4\n", 8, 0, NULL, &a), 0);
        assert_true(a.rank == 2 && a.shape[1] == 1 && ((double *)a.data)[1] == 4 && a.line[1] == 2 && a.column[0] == 1);
        nn_array_free(&a);
    }
    assert_int_equal(read_as("x.TSV:2,0", "1\t2 \t 3\n\t\t6\n", 14, 0, NULL, &a), NN_EFORMAT);
    assert_int_equal(read_as("x.tsv:2,1", "1\t\"2\"\t 3\n\t5\t6\n", 16, 0, NULL, &a), 0);
    assert_true(a.shape[0] == 2 && ((double *)a.data)[0] == 3 && ((double *)a.data)[1] == 2 &&
                ((double *)a.data)[3] == 5);
    nn_array_free(&a);
    assert_int_equal(read_as("x.NPY.txt", "12", 2, 0, NULL, &a), 0);
    nn_array_free(&a);
    bad_file("x.data", "1,2\n", 4, "columns, as in ");
    bad_file("x.bin:0", "1,2\n", 4, "are taken of CSV");
    bad_file("x.csv:1", "1;2\n", 4, "fields are separated by commas");
    bad_file("x.tsv:1", "1,2\n", 4, "separated by tabs");
    bad_file("x.csv:0", "1 2\n", 4, "is no number: fields are separated by commas");
    expect_error(nn_data_read(&(struct nn_data_request){ .spec = "/nowhere/x:0-3" }, &a, &message), NN_EFILE,
                 "/nowhere/x: No such file");
}

static void test_csv_malformed(void **state)
{
    (void)state;
    struct nn_array a;
    bad_file("x.csv", "a,b\n1,2\n", 8, "--skip-lines");
    bad_file("x.csv", "1,2\n1,x\n", 8, "x.csv, line 2, column 1: 'x' is no number");
    bad_file("x.csv:3", "1,2\n", 4, "has 2 columns; column 3");
    bad_file("x.csv", "1,2\n3\n", 6, "x.csv, line 2: has 1 columns, and the first row has 2");
    bad_file("x.csv:1", "1,2\n3\n", 6, "x.csv, line 2: has 1 columns, and the first row has 2");
    bad_file("x.csv", "1,\"2\n", 5, "not closed");
    bad_file("x.csv", "\"1\"2,3\n", 7, "x.csv, line 1: something follows the closing quote of '1'");
    bad_file("x.csv:0", "1,2\r3,4\r", 8, "x.csv, line 1: lines end in LF or CR LF, not in CR");
    bad_file("x.csv", "\n\n", 2, "no rows");
    bad_file("x.csv", "", 0, "no rows");
    bad_file("x.csv", "1,,3\n", 5, "is no number");
    bad_file("x.csv", "1,2\n3,4,5\n", 10, "x.csv, line 2: has 3 columns, and the first row has 2");
    bad_file("x.csv:0", "1,2\n\n3,4,\n", 10, "x.csv, line 3: has 3 columns, and the first row has 2");
    static const char *const odd[] = { "nan", "-nan", "NaN", "inf", "-Infinity", "1e999" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char file[64], words[64];
        snprintf(file, sizeof file, "1,2\n3,%s\n", odd[i]);
        snprintf(words, sizeof words, "x.csv, line 2, column 1: '%s' is no finite number", odd[i]);
        expect_error(read_as("x.csv", file, strlen(file), 0, NULL, &a), NN_EVALUE, words);
    }
    expect_error(read_as("x.csv:a", "1\n", 2, 0, NULL, &a), NN_EVALUE,
                 "x.csv: the columns ':a' are malformed: columns are numbers");
    expect_error(read_as("x.csv:", "1\n", 2, 0, NULL, &a), NN_EVALUE, "malformed");
    expect_error(read_as("x.csv:3-1", "1\n", 2, 0, NULL, &a), NN_EVALUE, "malformed");
    expect_error(read_as("x.csv:1,", "1\n", 2, 0, NULL, &a), NN_EVALUE, "malformed");
    expect_error(read_as("x.csv:-1", "1\n", 2, 0, NULL, &a), NN_EVALUE, "malformed");
    expect_error(read_as("x.csv:99999999999999999999", "1\n", 2, 0, NULL, &a), NN_EVALUE, "malformed");
}

/* What is written, read back as `columns` values a row, is the same bits. */
static void write_and_read(nn_dtype type, int64_t rows, int64_t columns, const void *data, const char *expected)
{
    char path[256];
    const int64_t shape[] = { rows, columns };
    snprintf(path, sizeof path, "%s/y.csv", folder);
    assert_int_equal(nn_array_write(path, type, 2, shape, rows, data, NULL, &message), 0);
    struct nn_data_request r = { path, 0, 0, NULL, NULL };
    struct nn_buffer b;
    struct nn_array a;
    void *back;
    int64_t samples;
    assert_int_equal(nn_file_read(path, NULL, &b, &message), 0);
    if (expected)
        assert_string_equal((const char *)b.data, expected);
    free(b.data);
    assert_int_equal(nn_data_read(&r, &a, &message), 0);
    assert_int_equal(nn_array_column(path, &a, type, columns, &back, &samples, &message), 0);
    assert_int_equal(samples, rows);
    assert_memory_equal(back, data, (size_t)(rows * columns) * nn_dtype_size(type));
    free(back);
    nn_array_free(&a);
    remove(path);
}

static void test_csv_written(void **state)
{
    (void)state;
    static const float f[] = { 0.1f, -1e-45f, 3.4028235e38f, 16777217.f, 1.f / 3, -0.f };
    static const double d[] = { 0.1, 1.0 / 3, 4.9e-324, 1.7976931348623157e308 };
    static const int32_t n[] = { INT32_MIN, -1, 0, INT32_MAX };
    static const uint8_t u[] = { 0, 1, 255 };
    write_and_read(NN_F32, 2, 3, f, NULL);
    write_and_read(NN_F64, 4, 1, d, NULL);
    write_and_read(NN_I32, 2, 2, n, "-2147483648,-1\n0,2147483647\n");
    write_and_read(NN_U8, 3, 1, u, "0\n1\n255\n");
    static const int64_t shape[] = { 4 };
    char path[256], line[64] = "";
    snprintf(path, sizeof path, "%s/y.TSV", folder);
    assert_int_equal(nn_array_write(path, NN_I32, 1, shape, 2, n, NULL, &message), 0);
    FILE *file = fopen(path, "rb");
    assert_true(fread(line, 1, sizeof line - 1, file) && !fclose(file) && !remove(path));
    assert_string_equal(line, "-2147483648\t-1\n0\t2147483647\n");
    char *names[] = { "oak", "a, \"b\"", " elm" };
    struct nn_words words = { names, 3 };
    static const int32_t labels[] = { 2, 0, 1, 7 };
    snprintf(path, sizeof path, "%s/y.csv", folder);
    assert_int_equal(nn_array_write(path, NN_I32, 1, shape, 4, labels, &words, &message), 0);
    file = fopen(path, "rb");
    memset(line, 0, sizeof line);
    assert_true(fread(line, 1, sizeof line - 1, file) && !fclose(file) && !remove(path));
    assert_string_equal(line, "\" elm\"\noak\n\"a, \"\"b\"\"\"\n7\n"); /* no word has the number 7 */
    expect_error(nn_array_write("y.csv.gz", NN_I32, 1, shape, 4, n, NULL, &message), NN_EUNSUPPORTED,
                 "written unpacked");
    expect_error(nn_array_write("/nowhere/y.csv", NN_I32, 1, shape, 4, n, NULL, &message), NN_EFILE,
                 "/nowhere/y.csv: cannot");
}

/* --- values ------------------------------------------------------------------------------------------------------- */

static void test_values_a_type_cannot_hold(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        nn_dtype type;
        const char *words;
    } cases[] = {
        { "1\n300\n", NN_U8, "sample 1 has the value 300, which u8 cannot hold" },
        { "-1\n2\n", NN_U8, "sample 0 has the value -1" },
        { "1.5\n", NN_I32, "1.5, which i32" },
        { "2147483648\n", NN_I32, "2147483648, which" },
        { "2\n", NN_BOOL, "which bool" },
        { "1e300\n", NN_F32, "which f32" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nn_array a;
        void *out;
        int64_t samples;
        assert_int_equal(read_as("x.csv", cases[i].file, strlen(cases[i].file), 0, NULL, &a), 0);
        int code = nn_array_column("x.csv", &a, cases[i].type, 1, &out, &samples, &message);
        expect_error(code, NN_EVALUE, cases[i].words);
        assert_null(out);
        nn_array_free(&a);
    }
}

/* As .npy may hold it. */
static void test_nan_is_no_integer(void **state)
{
    (void)state;
    double value[] = { 1, NAN };
    struct nn_array a = { .kind = NN_KIND_F64, .rank = 1, .shape = { 2 }, .count = 2, .data = value };
    void *out;
    int64_t samples;
    expect_error(nn_array_column("x.npy", &a, NN_I32, 1, &out, &samples, &message), NN_EVALUE,
                 "sample 1 has the value nan, which i32 cannot hold");
}

static void test_shapes(void **state)
{
    (void)state;
    struct nn_array a;
    void *out;
    int64_t samples;
    assert_int_equal(read_as("x.csv", "1,2,3,4\n5,6,7,8\n", 16, 0, NULL, &a), 0);
    assert_int_equal(nn_array_column("x.csv", &a, NN_F32, 4, &out, &samples, &message),
                     0); /* whatever its shape is called */
    free(out);
    expect_error(nn_array_column("x.csv", &a, NN_F32, 3, &out, &samples, &message), NN_EMISMATCH,
                 "has 4 values a sample (2 samples), and 3 were expected");
    nn_array_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy_types),
        cmocka_unit_test(test_npy_malformed),
        cmocka_unit_test(test_npy_written),
        cmocka_unit_test(test_idx),
        cmocka_unit_test(test_gz),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_words),
        cmocka_unit_test(test_csv_names),
        cmocka_unit_test(test_csv_malformed),
        cmocka_unit_test(test_csv_written),
        cmocka_unit_test(test_values_a_type_cannot_hold),
        cmocka_unit_test(test_nan_is_no_integer),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
