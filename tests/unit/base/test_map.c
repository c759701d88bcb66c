/* A map finds what was put in, also after growth and removals. */
#include "base/map.h"
#include "base/status.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

static void finds_ten_thousand_keys_after_growth_and_removal(void **state)
{
    (void)state;
    enum { KEYS = 10000 };
    char(*keys)[24] = calloc(KEYS, sizeof *keys);
    struct hst_map map = {0};
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "model.layer.%d", i);
        assert_int_equal(hst_map_put_str(&map, keys[i], keys[i]), HST_OK);
    }
    for (int i = 0; i < KEYS; i += 2)
        assert_ptr_equal(hst_map_remove_str(&map, keys[i]), keys[i]);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(hst_map_get_str(&map, keys[i]), i % 2 ? keys[i] : NULL);
    assert_int_equal(map.count, KEYS / 2);
    hst_map_fini(&map);
    free(keys);
}

static void replaces_and_counts_once(void **state)
{
    (void)state;
    struct hst_map map = {0};
    int a, b;
    hst_map_put_str(&map, "k", &a);
    hst_map_put_str(&map, "k", &b);
    assert_ptr_equal(hst_map_get_str(&map, "k"), &b);
    assert_int_equal(map.count, 1);
    assert_null(hst_map_remove_str(&map, "other"));
    hst_map_fini(&map);
    assert_null(hst_map_get_str(&map, "k"));
}

static void walks_every_entry_once(void **state)
{
    (void)state;
    struct hst_map map = {0};
    int values[3] = {0};
    hst_map_put_str(&map, "a", &values[0]);
    hst_map_put_str(&map, "b", &values[1]);
    hst_map_put_str(&map, "a longer key than eight bytes", &values[2]);
    size_t cursor = 0;
    for (int *value; (value = hst_map_next(&map, &cursor));)
        ++*value;
    assert_int_equal(values[0] + values[1] + values[2], 3);
    hst_map_fini(&map);
}

static void reuses_the_room_of_removed_keys(void **state)
{
    (void)state;
    struct hst_map map = {0};
    char keys[1000][8];
    for (int i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof keys[i], "%d", i);
        hst_map_put_str(&map, keys[i], keys[i]);
        hst_map_remove_str(&map, keys[i]);
    }
    assert_int_equal(map.capacity, 16);
    hst_map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_ten_thousand_keys_after_growth_and_removal),
        cmocka_unit_test(replaces_and_counts_once),
        cmocka_unit_test(walks_every_entry_once),
        cmocka_unit_test(reuses_the_room_of_removed_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
