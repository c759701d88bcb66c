/* Cards in words: what is printed is read, what is not known stays so, and other lines are no cards. */
#include "cmocka_all.h"
#include "gpu/card.h"

#include <stdio.h>
#include <string.h>

static const struct hst_gpu_card card = {.ordinal = 3, .uuid = "GPU-1", .name = "A card\twith\na tab", .pci_bus_id = "0000:01:00.0", .granularity = 2097152, .major = 9,
                                         .driver_version = 12040, .usable = 1, .info = {.total_bytes = 5, .free_bytes = UINT64_MAX, .used_bytes = 2,
                                         .ecc_errors = UINT64_MAX, .utilization_percent = -1, .temperature_c = 40, .xid = UINT64_MAX, .process_count = 12, .own_pids = 1,
                                         .processes = {{UINT64_MAX - 1, 4711}, {1, INT32_MAX}, {UINT64_MAX, 2}}}};

static void what_is_printed_is_read(void **state)
{
    (void)state;
    struct hst_strbuf line = {0};
    struct hst_gpu_card read;
    hst_gpu_card_put(&card, &line);
    assert_true(hst_gpu_card_read(line.text, &read));
    assert_string_equal(read.name, "A card with a tab");
    memcpy(read.name, card.name, sizeof read.name);
    assert_memory_equal(&read, &card, sizeof card);
    assert_int_equal(strlen(strchr(line.text, '\n')), 1); /* one line */
    hst_strbuf_fini(&line);
}

static void a_line_that_lacks_much_is_a_card_of_which_much_is_unknown(void **state)
{
    (void)state;
    struct hst_gpu_card read;
    assert_true(hst_gpu_card_read("card\tuuid=GPU-2\tcolour=green\ttemperature_c=\n", &read));
    assert_string_equal(read.uuid, "GPU-2");
    assert_int_equal(read.info.free_bytes, UINT64_MAX);
    assert_int_equal(read.info.utilization_percent, -1);
    assert_int_equal(read.usable, 0);
}

static void of_a_card_that_lacks_processes_they_are_unknown(void **state)
{
    (void)state;
    struct hst_gpu_card read;
    assert_true(hst_gpu_card_read("card\tuuid=GPU-2\n", &read));
    assert_int_equal(read.info.process_count, -1);
    assert_int_equal(read.info.own_pids, 0);
    assert_int_equal(hst_gpu_info_named(&read.info), 0);
    assert_int_equal(read.info.xid, UINT64_MAX);
}

static void as_many_processes_are_printed_as_fit_a_line(void **state)
{
    (void)state;
    struct hst_strbuf line = {0};
    struct hst_gpu_card full = card, read;
    memset(full.name, 'x', sizeof full.name - 1);
    memset(full.uuid, 'x', sizeof full.uuid - 1);
    for (size_t i = 0; i < HST_GPU_PROCESSES; i++)
        full.info.processes[i] = (struct hst_gpu_process){UINT64_MAX - 1 - i, INT32_MAX};
    hst_gpu_card_put(&full, &line);
    assert_true(line.length < HST_GPU_LINE_BYTES);
    assert_true(hst_gpu_card_read(line.text, &read));
    assert_memory_equal(read.info.processes, full.info.processes, sizeof read.info.processes);
    hst_strbuf_fini(&line);
}

/* What is not a number, or no number of a process, ends them. */
static void processes_are_read_as_far_as_they_are_well_formed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned count;
    } cases[] = {{"", 0}, {"1", 0}, {":", 0}, {":5", 0}, {"0:5", 0}, {"-1:5", 0}, {"x:5", 0}, {" 1:5", 0}, {"1:5", 1}, {"1:5,", 1}, {"1:5,2:", 2}, {"1:,2:x", 1}, {"1:5;2:5", 0},
                 {"1:5,,2:5", 1}, {"2147483647:1,2147483648:1", 1}, {"1:18446744073709551614", 1}, {"1:18446744073709551615", 0}, {"99999999999999999999999:1", 0},
                 {"1:-1", 0}, {"1:1\tprocesses=2:2,3:3", 2}, {"1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1,10:1", HST_GPU_PROCESSES}};
    struct hst_gpu_card read;
    char line[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(line, sizeof line, "card\tuuid=GPU-1\tprocesses=%s\n", cases[i].text);
        assert_true(hst_gpu_card_read(line, &read));
        if (hst_gpu_info_named(&read.info) != cases[i].count) fail_msg("%u of '%s'", hst_gpu_info_named(&read.info), cases[i].text);
    }
}

static void other_lines_are_no_cards(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "card", "card\t", "card\tname=x\n", "cards\tuuid=GPU-1\n", "none\tuuid=GPU-1\n"};
    struct hst_gpu_card read;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_false(hst_gpu_card_read(lines[i], &read));
}

static void texts_that_are_too_long_are_cut(void **state)
{
    (void)state;
    char line[600] = "card\tuuid=";
    struct hst_gpu_card read;
    memset(line + strlen(line), 'x', 500);
    assert_true(hst_gpu_card_read(line, &read));
    assert_int_equal(strlen(read.uuid), sizeof read.uuid - 1);
}

static void why_there_is_none_is_read(void **state)
{
    (void)state;
    struct hst_strbuf line = {0};
    hst_gpu_card_put_none("no driver", &line);
    assert_string_equal(hst_gpu_card_read_none(line.text), "no driver\n");
    assert_null(hst_gpu_card_read_none("card\tuuid=GPU-1\n"));
    hst_strbuf_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read),
        cmocka_unit_test(a_line_that_lacks_much_is_a_card_of_which_much_is_unknown),
        cmocka_unit_test(of_a_card_that_lacks_processes_they_are_unknown),
        cmocka_unit_test(as_many_processes_are_printed_as_fit_a_line),
        cmocka_unit_test(processes_are_read_as_far_as_they_are_well_formed),
        cmocka_unit_test(other_lines_are_no_cards),
        cmocka_unit_test(texts_that_are_too_long_are_cut),
        cmocka_unit_test(why_there_is_none_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
