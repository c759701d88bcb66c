/* An arena gives zeroed, aligned pieces of any size and frees them at once. */
#include "cmocka_all.h"
#include "formats/arena.h"

#include <string.h>

static void gives_aligned_zeroed_pieces(void **state)
{
    (void)state;
    struct hst_arena *arena = hst_arena_new();
    for (size_t size = 0; size < 100000; size = size * 2 + 1) {
        char *piece = hst_arena_alloc(arena, size);
        assert_int_equal((uintptr_t)piece % 8, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, 1, size);
    }
    assert_string_equal(hst_arena_text(arena, "abcdef", 3), "abc");
    hst_arena_free(arena);
    hst_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_aligned_zeroed_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
