/* runtime_random.c: Philox4x32-10 against its authors' known answers (Random123, kat_vectors). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ir/element.h"
#include "nn_sparse.h"

static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } cases[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        nn_philox(out, cases[i].counter, cases[i].key);
        assert_memory_equal(out, cases[i].expected, sizeof out);
    }
}

/* seed is the key, block the low half of the counter, then step and stream. */
static void test_packing(void **state)
{
    (void)state;
    uint32_t w[4];
    nn_random_words(w, 0x299f31d0a4093822u, 0x13198a2e, 0x03707344, 0x85a308d3243f6a88u);
    assert_int_equal(w[0], 0xd16cfe09);
    nn_random_words(w, 1, 2, 3, 1);
    assert_int_equal(nn_random_bits(1, 2, 3, 6), w[2]);
    for (uint64_t e = 0; e < 1000; e++) {
        nn_real u = nn_uniform01(3, 1, 4, e);
        assert_true(u >= 0 && u < 1);
    }
}

/* Every number once, and those that the evaluator draws. */
static void test_permutations(void **state)
{
    enum { MOST = 300 };
    (void)state;
    for (uint64_t size = 1; size <= MOST; size++) {
        nn_permutation p = nn_draw_permutation(size, 7 + size, 3, 5);
        uint8_t seen[MOST] = { 0 };
        for (uint64_t i = 0; i < size; i++) {
            uint64_t at = nn_permuted(&p, i);
            assert_true(at < size && !seen[at]++);
            assert_int_equal(at, element_permuted(size, 7 + size, 3, 5, i));
        }
    }
    nn_permutation far = nn_draw_permutation((uint64_t)1 << 61, 1, 2, 3);
    assert_int_equal(nn_permuted(&far, 4), element_permuted((uint64_t)1 << 61, 1, 2, 3, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_known_answers), cmocka_unit_test(test_packing),
                                        cmocka_unit_test(test_permutations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
