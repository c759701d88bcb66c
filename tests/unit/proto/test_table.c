/* A table of tensors arrives as it was sent; one that lies is refused. */
#include "cmocka_all.h"
#include "model_bytes.h"
#include "formats/format.h"
#include "proto/table.h"

#define HEADER "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[24,25]}}"
enum { TENSORS_AT = 16 + 8 + 6 + 2, DTYPE = 4, RANK = 8, OFFSET = 12, SHAPE = 20, NAME = 36, SECOND = 37 };

/* The table of HEADER, and its bytes. */
struct sent {
    struct hst_tensor_table *table;
    struct hst_strbuf bytes;
};

static struct hst_tensor_table *parse(void)
{
    struct model_bytes file = model_bytes_make(HEADER, strlen(HEADER), 25);
    struct hst_source_bytes bytes = {file.bytes, file.size};
    struct hst_source source = hst_source_memory(&bytes);
    struct hst_tensor_table *table;
    const struct hst_format *format;
    assert_int_equal(hst_format_parse(&source, &format, &table, NULL), 0);
    free(file.bytes);
    return table;
}

static int send(void **state)
{
    static struct sent sent;
    sent = (struct sent){.table = parse()};
    hst_table_encode(sent.table, &sent.bytes);
    *state = &sent;
    return 0;
}

/* As send, with tensors in another file. */
static int send_external(void **state)
{
    static struct sent sent;
    sent = (struct sent){.table = parse()};
    struct hst_tensor_table *table = parse();
    sent.table->externals = malloc(sizeof *sent.table->externals);
    sent.table->external_count = 1;
    sent.table->externals[0] = (struct hst_external){
        .location = "sub/w.bin", .sha1 = "0123456789abcdef0123456789abcdef01234567", .least_bytes = table->file_size_bytes, .exact = true, .table = table};
    hst_table_encode(sent.table, &sent.bytes);
    *state = &sent;
    return 0;
}

static int forget(void **state)
{
    struct sent *sent = *state;
    hst_tensor_table_free(sent->table);
    hst_strbuf_fini(&sent->bytes);
    return 0;
}

static int receive(const void *bytes, size_t length, uint64_t file_size, struct hst_tensor_table **ret_table)
{
    struct hst_cursor cursor;
    void *exact = malloc(length > 0 ? length : 1); /* so that a sanitizer sees a byte too far */
    memcpy(exact, bytes, length);
    hst_cursor_init(&cursor, exact, length, 0);
    int status = hst_table_decode(&cursor, "safetensors", file_size, ret_table, NULL);
    free(exact);
    return status;
}

static void arrives_as_it_was_sent(void **state)
{
    const struct sent *sent = *state;
    struct hst_tensor_table *got;
    assert_int_equal(receive(sent->bytes.text, sent->bytes.length, sent->table->file_size_bytes, &got), 0);
    assert_int_equal(got->count, 2);
    assert_int_equal(got->data_offset, sent->table->data_offset);
    assert_string_equal(hst_tensor_table_metadata(got, "format"), "pt");
    for (size_t i = 0; i < got->count; i++) {
        const struct hst_tensor *a = &got->tensors[i], *b = &sent->table->tensors[i];
        assert_string_equal(a->name, b->name);
        assert_memory_equal(a->shape, b->shape, b->rank * sizeof *b->shape);
        assert_true(a->rank == b->rank && a->dtype == b->dtype && a->offset == b->offset && a->size_bytes == b->size_bytes && a->elements == b->elements);
    }
    hst_tensor_table_free(got);
}

static void external_data_arrive_too(void **state)
{
    const struct sent *sent = *state;
    struct hst_tensor_table *got;
    assert_int_equal(receive(sent->bytes.text, sent->bytes.length, sent->table->file_size_bytes, &got), 0);
    assert_int_equal(got->external_count, 1);
    const struct hst_external *a = got->externals, *b = sent->table->externals;
    assert_string_equal(a->location, b->location);
    assert_string_equal(a->sha1, b->sha1);
    assert_true(a->least_bytes == b->least_bytes && a->exact && a->table->count == 2 && a->table->file_size_bytes == 0);
    assert_string_equal(a->table->tensors[1].name, "b");
    hst_tensor_table_free(got);
}

static void no_shorter_one_is_taken(void **state)
{
    const struct sent *sent = *state;
    struct hst_tensor_table *got;
    for (size_t length = 0; length < sent->bytes.length; length++)
        assert_int_equal(receive(sent->bytes.text, length, sent->table->file_size_bytes, &got), HST_E_PROTOCOL);
}

/* Send it with `value` at `at`. @return the status */
static int send_with(const struct sent *sent, size_t at, const void *value, size_t length, uint64_t file_size)
{
    struct hst_tensor_table *got = NULL;
    char *bytes = malloc(sent->bytes.length);
    memcpy(bytes, sent->bytes.text, sent->bytes.length);
    memcpy(bytes + at, value, length);
    int status = receive(bytes, sent->bytes.length, file_size, &got);
    hst_tensor_table_free(got);
    free(bytes);
    return status;
}

static void a_lie_is_refused(void **state)
{
    const struct sent *sent = *state;
    const struct {
        size_t at;
        uint64_t value;
        size_t length;
    } lies[] = {
        {TENSORS_AT + DTYPE, 63, 4},           {TENSORS_AT + DTYPE, UINT32_MAX, 4},    {TENSORS_AT + RANK, 65, 4},
        {TENSORS_AT + RANK, UINT32_MAX, 4},    {TENSORS_AT + OFFSET, 0, 8},            {TENSORS_AT + OFFSET, UINT64_MAX, 8},
        {TENSORS_AT + SHAPE, UINT64_MAX, 8},   {TENSORS_AT + SHAPE, 4, 8},             {TENSORS_AT, UINT32_MAX, 4},
        {TENSORS_AT + NAME, 0, 1},             {TENSORS_AT + NAME, 0xff, 1},           {TENSORS_AT + NAME, 'b', 1},
        {TENSORS_AT + SECOND + OFFSET, 1, 8},  {0, UINT32_MAX, 4},                     {4, UINT32_MAX, 4},
        {4, 1, 4},                             {8, UINT64_MAX, 8},                     {16, UINT32_MAX, 4},
    };
    assert_int_equal(send_with(sent, TENSORS_AT + NAME, "a", 1, sent->table->file_size_bytes), 0); /* the places are right */
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        assert_int_equal(send_with(sent, lies[i].at, &lies[i].value, lies[i].length, sent->table->file_size_bytes), HST_E_PROTOCOL);
    assert_int_equal(send_with(sent, 0, "", 0, sent->table->file_size_bytes - 1), HST_E_PROTOCOL);
}

static void any_byte_may_be_anything(void **state)
{
    const struct sent *sent = *state;
    for (size_t at = 0; at < sent->bytes.length; at++)
        for (unsigned value = 0; value < 256; value++) {
            int status = send_with(sent, at, &value, 1, sent->table->file_size_bytes);
            assert_true(status == HST_OK || status == HST_E_PROTOCOL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrives_as_it_was_sent, send, forget),
        cmocka_unit_test_setup_teardown(external_data_arrive_too, send_external, forget),
        cmocka_unit_test_setup_teardown(no_shorter_one_is_taken, send_external, forget),
        cmocka_unit_test_setup_teardown(any_byte_may_be_anything, send_external, forget),
        cmocka_unit_test_setup_teardown(no_shorter_one_is_taken, send, forget),
        cmocka_unit_test_setup_teardown(a_lie_is_refused, send, forget),
        cmocka_unit_test_setup_teardown(any_byte_may_be_anything, send, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
