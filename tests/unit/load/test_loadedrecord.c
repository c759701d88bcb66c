/* What is written of a component on a device comes back as it was, and of anything else nothing is believed. */
#include "cache/record.h"
#include "cache/recordio.h"
#include "cmocka_all.h"
#include "load/loadedrecord.h"

#include <stdlib.h>
#include <string.h>

static struct hst_file_id files[2] = {{.size_bytes = 100}, {.size_bytes = 200}};
static struct hst_loadedrecord_segment segments[2] = {{7, 0, 4096}, {9, 2, 8192}};
static struct hst_loadedrecord_tensor tensors[3] = {{0, 8, 40, HST_DTYPE_F32, HST_DTYPE_BF16, 0, 0}, {1, 48, 8, HST_DTYPE_U8, HST_DTYPE_U8, 1, 256}, {1, 56, 0, HST_DTYPE_F32, HST_DTYPE_F32, 0, 0}};

static struct hst_loadedrecord sample(void)
{
    return (struct hst_loadedrecord){.device_uuid = "GPU-1", .component_id = (char *)"a:model", .precision = "bf16", .pinned = true, .ttl_seconds = -1, .copy_ns = 5, .fill_ns = UINT64_MAX,
                                     .since_wall_ns = -3, .files = files, .file_count = 2, .segments = segments, .segment_count = 2, .tensors = tensors, .tensor_count = 3};
}

static void it_comes_back_as_it_was(void **state)
{
    struct hst_strbuf text = {0}, again = {0};
    struct hst_loadedrecord record = sample(), back;
    (void)state;
    hst_loadedrecord_write(&text, &record);
    assert_int_equal(hst_loadedrecord_read(text.text, text.length, &back, NULL), HST_OK);
    assert_string_equal(back.component_id, "a:model");
    assert_string_equal(back.device_uuid, "GPU-1");
    assert_string_equal(back.precision, "bf16");
    assert_true(back.pinned && !back.alone && back.ttl_seconds == -1 && back.since_wall_ns == -3 && back.copy_ns == 5 && back.fill_ns == UINT64_MAX);
    assert_memory_equal(back.segments, segments, sizeof segments);
    assert_memory_equal(back.tensors, tensors, sizeof tensors);
    hst_loadedrecord_write(&again, &back);
    assert_int_equal(again.length, text.length);
    assert_memory_equal(again.text, text.text, text.length);
    hst_loadedrecord_fini(&back);
    hst_strbuf_fini(&text);
    hst_strbuf_fini(&again);
}

static void ttls_are_whole_at_their_ends(void **state)
{
    const int64_t ttls[] = {-1, 0, 1, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct hst_strbuf text = {0};
        struct hst_loadedrecord record = sample(), back;
        record.ttl_seconds = ttls[i];
        hst_loadedrecord_write(&text, &record);
        assert_int_equal(hst_loadedrecord_read(text.text, text.length, &back, NULL), HST_OK);
        assert_true(back.ttl_seconds == ttls[i]);
        hst_loadedrecord_fini(&back);
        hst_strbuf_fini(&text);
    }
}

/* What is left of it in memory of exactly that size, so that reading beyond it is seen. */
static int read_copy(const char *bytes, size_t length, struct hst_loadedrecord *ret_record)
{
    struct hst_error err = {0};
    char *copy = malloc(length + (length == 0));
    if (length > 0) memcpy(copy, bytes, length);
    int status = hst_loadedrecord_read(copy, length, ret_record, &err);
    free(copy);
    assert_int_equal(err.status, status);
    return status;
}

static void what_is_cut_off_is_refused(void **state)
{
    struct hst_strbuf text = {0};
    struct hst_loadedrecord record = sample(), back;
    (void)state;
    hst_loadedrecord_write(&text, &record);
    for (size_t length = 0; length < text.length; length++)
        assert_int_equal(read_copy(text.text, length, &back), HST_E_PROTOCOL);
    hst_strbuf_fini(&text);
}

static void every_byte_that_changed_is_noticed(void **state)
{
    struct hst_strbuf text = {0};
    struct hst_loadedrecord record = sample(), back;
    (void)state;
    hst_loadedrecord_write(&text, &record);
    for (size_t at = 0; at < text.length; at++)
        for (int bit = 0; bit < 8; bit++) {
            text.text[at] ^= (char)(1 << bit);
            assert_int_equal(read_copy(text.text, text.length, &back), HST_E_PROTOCOL);
            text.text[at] ^= (char)(1 << bit);
        }
    hst_strbuf_fini(&text);
}

/* @return what reading it gives, whose checksum is right */
static int try(const struct hst_loadedrecord *record)
{
    struct hst_strbuf text = {0};
    struct hst_loadedrecord back;
    hst_loadedrecord_write(&text, record);
    int status = read_copy(text.text, text.length, &back);
    if (status == HST_OK) hst_loadedrecord_fini(&back);
    hst_strbuf_fini(&text);
    return status;
}

static void what_points_nowhere_is_refused(void **state)
{
    struct hst_loadedrecord_tensor one[1];
    struct hst_loadedrecord_segment empty[1] = {{1, 0, 0}}, far[1] = {{1, UINT64_C(1) << 40, 4096}};
    struct hst_loadedrecord record = sample();
    const struct hst_loadedrecord_tensor wrong[] = {{2, 8, 40, 1, 1, 0, 0}, {0, 8, 40, 1, 1, 2, 0}, {0, 8, 40, 1, 1, UINT64_MAX, 0}, {0, 8, 40, 9999, 1, 0, 0}, {0, 8, 40, 1, UINT64_MAX, 0, 0},
                                                    {0, 8, 0, 1, 1, 2, 0}};
    (void)state;
    record.tensors = one;
    record.tensor_count = 1;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        one[0] = wrong[i];
        assert_int_equal(try(&record), HST_E_PROTOCOL);
    }
    one[0] = tensors[0];
    assert_int_equal(try(&record), HST_OK);
    record.segment_count = 1;
    record.segments = empty;
    assert_int_equal(try(&record), HST_E_PROTOCOL);
    record.segments = far;
    assert_int_equal(try(&record), HST_E_PROTOCOL);
}

/* Numbers of rows that are not there, behind a checksum that is right. */
static void tables_that_are_too_long_are_refused(void **state)
{
    const uint64_t counts[] = {4, 1000, UINT32_MAX, UINT64_C(1) << 61, UINT64_MAX / 56 + 2, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct hst_strbuf text = {0};
        struct hst_loadedrecord record = sample(), back;
        uint64_t count = counts[i];
        hst_loadedrecord_write(&text, &record);
        size_t at = text.length - sizeof(uint64_t) - 3 * 7 * sizeof(uint64_t) - sizeof count;
        struct hst_strbuf changed = {0};
        hst_strbuf_append(&changed, text.text, at);
        hst_strbuf_append(&changed, &count, sizeof count);
        hst_strbuf_append(&changed, text.text + at + sizeof count, 3 * 7 * sizeof(uint64_t));
        hst_recordio_seal(&changed);
        assert_int_equal(read_copy(changed.text, changed.length, &back), HST_E_PROTOCOL);
        hst_strbuf_fini(&text);
        hst_strbuf_fini(&changed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was),            cmocka_unit_test(ttls_are_whole_at_their_ends), cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(every_byte_that_changed_is_noticed), cmocka_unit_test(what_points_nowhere_is_refused), cmocka_unit_test(tables_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
