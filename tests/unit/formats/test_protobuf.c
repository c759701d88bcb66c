/* The wire format is read strictly: each case is a few bytes, what they are, or why they are refused and at which byte. */
#include "cmocka_all.h"
#include "formats/protobuf.h"

#include <string.h>

/* A reader over bytes, whose window is so small that it moves. */
struct reading {
    struct hst_source_bytes memory;
    struct hst_source source;
    struct hst_protobuf reader;
    struct hst_error err;
    uint8_t window[4];
};

static void begin(struct reading *reading, const char *bytes, size_t size)
{
    *reading = (struct reading){.memory = {(const uint8_t *)bytes, size}};
    reading->source = hst_source_memory(&reading->memory);
    hst_protobuf_init(&reading->reader, &reading->source, reading->window, sizeof reading->window, &reading->err);
}
#define BEGIN(reading, bytes) begin(reading, bytes, sizeof(bytes) - 1)

static void assert_refused(const char *bytes, size_t size, int status, uint64_t offset, const char *word)
{
    struct reading reading;
    struct hst_protobuf_field field;
    int found;
    begin(&reading, bytes, size);
    while ((found = hst_protobuf_next(&reading.reader, &field)) > 0)
        ;
    assert_int_equal(found, status);
    assert_int_equal(reading.err.status, status);
    assert_non_null(strstr(reading.err.text, word));
    assert_true(reading.err.has_offset);
    assert_int_equal(reading.err.offset, offset);
}
#define REFUSED(bytes, status, offset, word) assert_refused(bytes, sizeof(bytes) - 1, status, offset, word)

static void tells_numbers_bytes_and_where_they_lie(void **state)
{
    struct reading reading;
    struct hst_protobuf_field field;
    const uint8_t *bytes;
    (void)state;
    BEGIN(&reading, "\x08\x96\x01\x12\x03" "abc\x19" "12345678\x25" "1234\xf8\xff\xff\xff\x0f\x00");
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_true(field.number == 1 && field.wire == HST_PROTOBUF_VARINT && field.value == 150 && field.offset == 1 && field.length == 2);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_true(field.number == 2 && field.wire == HST_PROTOBUF_BYTES && field.offset == 5 && field.length == 3);
    assert_int_equal(hst_protobuf_bytes(&reading.reader, &field, &bytes), 0);
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_true(field.number == 3 && field.wire == HST_PROTOBUF_FIXED64 && field.offset == 9 && field.length == 8);
    assert_int_equal(hst_protobuf_bytes(&reading.reader, &field, &bytes), HST_E_LIMIT_EXCEEDED);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_true(field.number == 4 && field.wire == HST_PROTOBUF_FIXED32 && field.offset == 18 && field.length == 4);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_true(field.number == (1 << 29) - 1 && field.value == 0);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 0);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 0);
}

static void numbers_have_up_to_64_bits(void **state)
{
    struct reading reading;
    uint64_t value;
    (void)state;
    BEGIN(&reading, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x80\x00");
    assert_int_equal(hst_protobuf_varint(&reading.reader, &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(hst_protobuf_varint(&reading.reader, &value), 0);
    assert_int_equal(value, 0);
    assert_true(hst_protobuf_ended(&reading.reader));
    assert_int_equal(hst_protobuf_varint(&reading.reader, &value), HST_E_TRUNCATED);
}

static void what_no_writer_writes_is_refused(void **state) /* OX-030 */
{
    (void)state;
    REFUSED("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", HST_E_INVALID_FILE, 11, "varint");
    REFUSED("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", HST_E_INVALID_FILE, 11, "varint");
    REFUSED("\x08", HST_E_TRUNCATED, 1, "truncated");
    REFUSED("\x08\x80", HST_E_TRUNCATED, 2, "truncated");
    REFUSED("\x12", HST_E_TRUNCATED, 1, "truncated");
    REFUSED("\x12\x03" "ab", HST_E_TRUNCATED, 2, "truncated");
    REFUSED("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", HST_E_TRUNCATED, 11, "truncated");
    REFUSED("\x19" "1234567", HST_E_TRUNCATED, 1, "truncated");
    REFUSED("\x25" "123", HST_E_TRUNCATED, 1, "truncated");
    REFUSED("\x00\x01", HST_E_INVALID_FILE, 1, "field");
    REFUSED("\x80\x80\x80\x80\x10\x00", HST_E_INVALID_FILE, 5, "field");
    REFUSED("\x0b\x0c", HST_E_INVALID_FILE, 1, "wire");
    REFUSED("\x0c", HST_E_INVALID_FILE, 1, "wire");
    REFUSED("\x0e\x01", HST_E_INVALID_FILE, 1, "wire");
    REFUSED("\x0f\x01", HST_E_INVALID_FILE, 1, "wire");
}

static void messages_are_entered_and_left(void **state)
{
    struct reading reading;
    struct hst_protobuf_field outer, inner;
    uint64_t value;
    (void)state;
    BEGIN(&reading, "\x0a\x07\x12\x02\x05\x06\x08\x01\x08\x08\x09");
    assert_int_equal(hst_protobuf_next(&reading.reader, &outer), 1);
    assert_int_equal(hst_protobuf_enter(&reading.reader, &outer), 0);
    assert_int_equal(hst_protobuf_next(&reading.reader, &inner), 1);
    assert_int_equal(hst_protobuf_enter(&reading.reader, &inner), 0);
    assert_int_equal(reading.reader.depth, 2);
    for (uint64_t i = 5; !hst_protobuf_ended(&reading.reader); i++) {
        assert_int_equal(hst_protobuf_varint(&reading.reader, &value), 0);
        assert_int_equal(value, i);
    }
    hst_protobuf_leave(&reading.reader);
    assert_int_equal(hst_protobuf_next(&reading.reader, &inner), 1);
    assert_int_equal(inner.value, 1);
    assert_int_equal(hst_protobuf_next(&reading.reader, &inner), HST_E_TRUNCATED); /* its last number would end outside of the message */
    hst_protobuf_leave(&reading.reader);
    assert_int_equal(hst_protobuf_next(&reading.reader, &outer), 1);
    assert_int_equal(outer.value, 9);
}

static void nesting_ends_at_a_hundred(void **state) /* OX-031 */
{
    struct reading reading;
    struct hst_protobuf_field field;
    (void)state;
    BEGIN(&reading, "\x0a\x00");
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    for (unsigned depth = 0; depth < 100; depth++)
        assert_int_equal(hst_protobuf_enter(&reading.reader, &field), 0);
    assert_int_equal(hst_protobuf_enter(&reading.reader, &field), HST_E_LIMIT_EXCEEDED);
    assert_non_null(strstr(reading.err.text, "depth"));
}

static void fields_are_counted(void **state)
{
    struct reading reading;
    struct hst_protobuf_field field;
    (void)state;
    BEGIN(&reading, "\x08\x01\x08\x01");
    reading.reader.fields = HST_PROTOBUF_FIELDS_MAX - 1;
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), HST_E_LIMIT_EXCEEDED);
}

/* A disk on which only the first bytes can be read. */
static int read_first(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    if (offset > 0) return hst_error_set(err, HST_E_IO, "the disk failed");
    memcpy(buffer, context, length);
    return 0;
}

static void a_disk_that_fails_is_no_verdict(void **state)
{
    static char bytes[] = "\x12\x03" "abc\x08\x01";
    struct reading reading = {.source = {sizeof bytes - 1, read_first, bytes}};
    struct hst_protobuf_field field;
    const uint8_t *content;
    (void)state;
    hst_protobuf_init(&reading.reader, &reading.source, reading.window, sizeof reading.window, &reading.err);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), 1);
    assert_int_equal(hst_protobuf_bytes(&reading.reader, &field, &content), HST_E_IO);
    assert_int_equal(hst_protobuf_next(&reading.reader, &field), HST_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_numbers_bytes_and_where_they_lie),
        cmocka_unit_test(numbers_have_up_to_64_bits),
        cmocka_unit_test(what_no_writer_writes_is_refused),
        cmocka_unit_test(messages_are_entered_and_left),
        cmocka_unit_test(nesting_ends_at_a_hundred),
        cmocka_unit_test(fields_are_counted),
        cmocka_unit_test(a_disk_that_fails_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
