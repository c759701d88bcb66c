/* Which devices hoistd has: what --device says, held against the cards of the machine. */
#include "cmocka_all.h"
#include "daemon/choice.h"

#include <string.h>

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static const struct hst_cuda_card cards[] = {
    {.ordinal = 0, .uuid = "GPU-00000000-0000-0000-0000-00000000000a", .name = "Card A", .total_bytes = 24 * GIB, .usable = true},
    {.ordinal = 1, .uuid = "GPU-00000000-0000-0000-0000-00000000000b", .name = "Card B", .total_bytes = 80 * GIB, .usable = true},
    {.ordinal = 2, .uuid = "GPU-00000000-0000-0000-0000-00000000000c", .name = "Card C", .total_bytes = 8 * GIB, .usable = false},
};
static const struct hst_cuda_card slice = {.ordinal = 0, .uuid = "MIG-00000000-0000-0000-0000-00000000000d", .name = "Slice", .total_bytes = 10 * GIB, .usable = true};

static struct hst_choice choices[HST_CHOICE_MAX];
static size_t count;
static struct hst_error err;

/* Up to three values of --device, NULL-ended, on a machine with 16 GiB of RAM for weights. */
static int choose(const struct hst_cuda_card *of, size_t of_count, const char *const values[])
{
    const struct hst_choice_places places = {16 * GIB, of, of_count, "no device file of NVIDIA's"};
    struct hst_setting given = {0};
    while (values[given.count] != NULL) {
        given.values[given.count] = (char *)values[given.count];
        given.count++;
    }
    err = (struct hst_error){0};
    return hst_choice_make(&given, &places, choices, &count, &err);
}
#define CHOOSE(...) choose(cards, 3, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void without_a_word_every_usable_card_comes_before_the_host(void **state)
{
    (void)state;
    assert_int_equal(CHOOSE(), 0);
    assert_int_equal(count, 3);
    assert_ptr_equal(choices[0].card, &cards[0]);
    assert_ptr_equal(choices[1].card, &cards[1]);
    assert_null(choices[2].card);
    assert_int_equal(choices[0].budget_bytes, 24 * GIB - 24 * GIB / 20);
    assert_int_equal(choices[2].budget_bytes, 16 * GIB);
}

static void a_card_keeps_room_for_contexts(void **state)
{
    (void)state;
    assert_int_equal(hst_choice_card_budget(80 * GIB), 76 * GIB);
    assert_int_equal(hst_choice_card_budget(4 * GIB), 4 * GIB - 512 * MIB);
    assert_int_equal(hst_choice_card_budget(256 * MIB), 192 * MIB);
}

static void a_machine_without_cards_has_its_host(void **state)
{
    (void)state;
    assert_int_equal(choose(NULL, 0, (const char *const[]){NULL}), 0);
    assert_int_equal(count, 1);
    assert_null(choices[0].card);
}

static void only_the_cards_that_are_named_are_used_and_the_host_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(CHOOSE("cuda:1=20G"), 0);
    assert_int_equal(count, 2);
    assert_ptr_equal(choices[0].card, &cards[1]);
    assert_int_equal(choices[0].budget_bytes, 20 * GIB);
    assert_int_equal(choices[1].budget_bytes, 16 * GIB);
    assert_int_equal(CHOOSE("host=1G"), 0);
    assert_int_equal(count, 1);
    assert_int_equal(choices[0].budget_bytes, GIB);
}

static void a_card_has_many_names(void **state)
{
    static const char *const names[] = {"cuda:0=12G", "cuda=12G", "GPU-00000000-0000-0000-0000-00000000000A=12G", "cuda:0=50%"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(CHOOSE("host=1G", names[i]), 0);
        assert_int_equal(count, 2);
        assert_ptr_equal(choices[0].card, &cards[0]);
        assert_in_range(choices[0].budget_bytes, 12 * GIB - 100, 12 * GIB);
    }
    assert_int_equal(CHOOSE("cuda:0"), 0);
    assert_int_equal(choices[0].budget_bytes, hst_choice_card_budget(24 * GIB));
}

static void what_cannot_be_is_refused_with_what_there_is(void **state)
{
    static const struct {
        const char *values[3], *said;
    } rows[] = {
        {{"cuda:3=1G"}, "GPU-00000000-0000-0000-0000-00000000000b"}, {{"cuda:0=25G"}, "25769803776"}, {{"cuda:0=1G", "GPU-00000000-0000-0000-0000-00000000000a=1G"}, "twice"},
        {{"host=1G", "host:0=1G"}, "twice"},  {{"host=17G"}, "17179869184"}, {{"cuda:2=1G"}, "share its memory"}, {{"cuda:0=lots"}, "'lots'"}, {{"=1G"}, "''"},
        {{"rocm:0=1G"}, "rocm:0"}, {{"cuda:0=101%"}, "101%"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(choose(cards, 3, rows[i].values), HST_E_CONFIG);
        assert_non_null(strstr(err.text, rows[i].said));
    }
}

static void a_card_on_a_machine_without_says_why_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(choose(NULL, 0, (const char *const[]){"cuda:0=1G", NULL}), HST_E_CONFIG);
    assert_non_null(strstr(err.text, "no device file of NVIDIA's"));
}

static void a_card_that_is_split_is_named_by_its_slices(void **state)
{
    (void)state;
    assert_int_equal(choose(&slice, 1, (const char *const[]){"GPU-00000000-0000-0000-0000-00000000000a=1G", NULL}), HST_E_CONFIG);
    assert_non_null(strstr(err.text, "MIG is named by its slices"));
    assert_int_equal(choose(&slice, 1, (const char *const[]){"MIG-00000000-0000-0000-0000-00000000000d=1G", NULL}), 0);
    assert_ptr_equal(choices[0].card, &slice);
}

static void cards_are_looked_at_only_when_they_may_be_used(void **state)
{
    struct hst_setting none = {0}, host = {{(char *)"host=1G"}, 1}, both = {{(char *)"host=1G", (char *)"cuda:0"}, 2};
    (void)state;
    assert_true(hst_choice_wants_cards(&none));
    assert_false(hst_choice_wants_cards(&host));
    assert_true(hst_choice_wants_cards(&both));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_every_usable_card_comes_before_the_host),
        cmocka_unit_test(a_card_keeps_room_for_contexts),
        cmocka_unit_test(a_machine_without_cards_has_its_host),
        cmocka_unit_test(only_the_cards_that_are_named_are_used_and_the_host_in_any_case),
        cmocka_unit_test(a_card_has_many_names),
        cmocka_unit_test(what_cannot_be_is_refused_with_what_there_is),
        cmocka_unit_test(a_card_on_a_machine_without_says_why_there_is_none),
        cmocka_unit_test(a_card_that_is_split_is_named_by_its_slices),
        cmocka_unit_test(cards_are_looked_at_only_when_they_may_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
