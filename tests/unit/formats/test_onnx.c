/* ONNX is read strictly: each case is a file with one thing right or wrong, and the tensors or the verdict it must get. */
#include "cmocka_all.h"
#include "formats/format.h"
#include "formats/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of fields and of element types, as in onnx.proto. */
enum { IR_VERSION = 1, GRAPH = 7, OPSET_IMPORT = 8, NODE = 1, INITIALIZER = 5, ATTRIBUTE = 5, ATTRIBUTE_GRAPH = 6, ATTRIBUTE_GRAPHS = 11 };
enum { DIMS = 1, DATA_TYPE = 2, SEGMENT = 3, FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, NAME = 8, RAW_DATA = 9, DOUBLE_DATA = 10, UINT64_DATA = 11, EXTERNAL_DATA = 13, DATA_LOCATION = 14 };
enum { FLOAT = 1, UINT8 = 2, INT8 = 3, INT64 = 7, STRING = 8, DOUBLE = 11, COMPLEX64 = 14, COMPLEX128 = 15, UINT4 = 21, FLOAT4 = 23 };

/* A message being written. What takes it frees it. */
struct bytes {
    uint8_t *data;
    size_t size, room;
};

static void put_byte(struct bytes *out, uint8_t byte)
{
    if (out->size == out->room) out->data = realloc(out->data, out->room = 2 * out->room + 64);
    out->data[out->size++] = byte;
}

static void put_varint(struct bytes *out, uint64_t value)
{
    for (; value > 127; value >>= 7)
        put_byte(out, (uint8_t)(value | 128));
    put_byte(out, (uint8_t)value);
}

static void put_number(struct bytes *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_data(struct bytes *out, unsigned field, const void *data, size_t size)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, size);
    for (size_t i = 0; i < size; i++)
        put_byte(out, ((const uint8_t *)data)[i]);
}

static void put_text(struct bytes *out, unsigned field, const char *text)
{
    put_data(out, field, text, strlen(text));
}

static void put_message(struct bytes *out, unsigned field, struct bytes inner)
{
    put_data(out, field, inner.data, inner.size);
    free(inner.data);
}

/* A tensor of this type and shape with the name "t", without its numbers. */
static struct bytes tensor(uint64_t type, uint64_t rows, uint64_t columns)
{
    struct bytes out = {0};
    put_number(&out, DIMS, rows);
    put_number(&out, DIMS, columns);
    put_number(&out, DATA_TYPE, type);
    put_text(&out, NAME, "t");
    return out;
}

static void put_pair(struct bytes *out, unsigned field, const char *key, const char *value)
{
    struct bytes pair = {0};
    put_text(&pair, 1, key);
    put_text(&pair, 2, value);
    put_message(out, field, pair);
}

/* A tensor of two floats in another file. NULL = the key is not there. */
static struct bytes external(const char *location, const char *offset, const char *length)
{
    struct bytes out = tensor(FLOAT, 1, 2);
    if (location != NULL) put_pair(&out, EXTERNAL_DATA, "location", location);
    if (offset != NULL) put_pair(&out, EXTERNAL_DATA, "offset", offset);
    if (length != NULL) put_pair(&out, EXTERNAL_DATA, "length", length);
    put_number(&out, DATA_LOCATION, 1);
    return out;
}

static struct bytes graph_of(struct bytes initializer)
{
    struct bytes graph = {0};
    put_message(&graph, INITIALIZER, initializer);
    return graph;
}

static struct bytes model_of(struct bytes graph)
{
    struct bytes model = {0}, opset = {0};
    put_number(&model, IR_VERSION, 8);
    put_message(&model, GRAPH, graph);
    put_number(&opset, 2, 17);
    put_message(&model, OPSET_IMPORT, opset);
    return model;
}

static int parse(struct bytes model, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    uint8_t *copy = malloc(model.size + 1);
    memcpy(copy, model.data, model.size);
    free(model.data);
    struct hst_source_bytes memory = {copy, model.size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    int status = hst_format_parse(&source, &format, ret_table, err);
    if (status == 0) assert_string_equal(format->name, "onnx");
    free(copy);
    return status;
}

static struct hst_tensor_table *accept(struct bytes model)
{
    struct hst_tensor_table *table;
    struct hst_error err = {0};
    if (parse(model, &table, &err) < 0) fail_msg("%s", err.text);
    return table;
}

static void refuse(struct bytes model, int status, const char *word)
{
    struct hst_tensor_table *table;
    struct hst_error err = {0};
    assert_int_equal(parse(model, &table, &err), status);
    if (strstr(err.text, word) == NULL) fail_msg("'%s' does not say %s", err.text, word);
    assert_true(err.has_offset || status == HST_E_INVALID_FILE);
}

static void refuse_tensor(struct bytes initializer, int status, const char *word)
{
    refuse(model_of(graph_of(initializer)), status, word);
}

static struct bytes raw(uint64_t type, uint64_t rows, uint64_t columns, size_t size)
{
    static const uint8_t zeros[64];
    struct bytes out = tensor(type, rows, columns);
    put_data(&out, RAW_DATA, zeros, size);
    return out;
}

/* ---- what lies in the file ---- */

static void raw_data_is_served_where_it_lies(void **state) /* OX-001 */
{
    struct bytes initializer = tensor(FLOAT, 2, 1);
    (void)state;
    put_text(&initializer, RAW_DATA, "01234567");
    struct bytes model = model_of(graph_of(initializer));
    const uint8_t *at = memmem(model.data, model.size, "01234567", 8);
    uint64_t offset = (uint64_t)(at - model.data);
    struct hst_tensor_table *table = accept(model);
    assert_int_equal(table->count, 1);
    assert_string_equal(table->tensors[0].name, "t");
    assert_int_equal(table->tensors[0].dtype, HST_DTYPE_F32);
    assert_int_equal(table->tensors[0].offset, offset);
    assert_int_equal(table->tensors[0].size_bytes, 8);
    assert_true(table->tensors[0].rank == 2 && table->tensors[0].shape[0] == 2 && table->tensors[0].shape[1] == 1);
    hst_tensor_table_free(table);
}

static void every_type_has_its_size(void **state)
{
    static const struct {
        const char *name;
        size_t size;
    } types[] = {[1] = {"F32", 32}, [2] = {"U8", 8}, [3] = {"I8", 8}, [4] = {"U16", 16}, [5] = {"I16", 16}, [6] = {"I32", 32}, [7] = {"I64", 64}, [9] = {"BOOL", 8},
                 [10] = {"F16", 16}, [11] = {"F64", 64}, [12] = {"U32", 32}, [13] = {"U64", 64}, [14] = {"C64", 64}, [16] = {"BF16", 16}, [17] = {"F8_E4M3", 8},
                 [18] = {"F8_E4M3FNUZ", 8}, [19] = {"F8_E5M2", 8}, [20] = {"F8_E5M2FNUZ", 8}, [21] = {"U4", 4}, [22] = {"I4", 4}, [23] = {"F4", 4}, [24] = {"F8_E8M0", 8},
                 [25] = {"U2", 2}, [26] = {"I2", 2}, [27] = {"F6_E2M3", 6}, [28] = {"F6_E3M2", 6}};
    (void)state;
    for (size_t type = 0; type < sizeof types / sizeof types[0]; type++) {
        if (types[type].name == NULL) continue;
        struct hst_tensor_table *table = accept(model_of(graph_of(raw(type, 2, 4, types[type].size))));
        assert_string_equal(hst_dtype_info(table->tensors[0].dtype)->name, types[type].name);
        assert_int_equal(table->tensors[0].size_bytes, types[type].size);
        hst_tensor_table_free(table);
    }
}

static void small_integers_are_padded_to_a_byte(void **state)
{
    (void)state;
    struct hst_tensor_table *table = accept(model_of(graph_of(raw(UINT4, 3, 1, 2))));
    assert_int_equal(table->tensors[0].size_bytes, 2);
    hst_tensor_table_free(table);
    refuse_tensor(raw(UINT4, 3, 1, 1), HST_E_INVALID_FILE, "size");
    refuse_tensor(raw(FLOAT4, 3, 1, 2), HST_E_INVALID_FILE, "whole number of bytes");
}

static void packed_floats_and_doubles_lie_as_in_memory(void **state)
{
    static const struct {
        unsigned type, field;
        size_t size;
    } cases[] = {{FLOAT, FLOAT_DATA, 8}, {COMPLEX64, FLOAT_DATA, 16}, {DOUBLE, DOUBLE_DATA, 16}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct bytes initializer = tensor(cases[i].type, 1, 2);
        put_data(&initializer, cases[i].field, "0123456789abcdef", cases[i].size);
        struct hst_tensor_table *table = accept(model_of(graph_of(initializer)));
        assert_int_equal(table->tensors[0].size_bytes, cases[i].size);
        assert_null(hst_tensor_table_metadata(table, "onnx.constants"));
        hst_tensor_table_free(table);
    }
    struct bytes initializer = tensor(FLOAT, 1, 3);
    put_data(&initializer, FLOAT_DATA, "01234567", 8);
    refuse_tensor(initializer, HST_E_INVALID_FILE, "size");
}

static void assert_left_out(struct bytes initializer)
{
    struct hst_tensor_table *table = accept(model_of(graph_of(initializer)));
    assert_int_equal(table->count, 0);
    assert_non_null(strstr(hst_tensor_table_metadata(table, "onnx.constants"), "1 initializers, 't' the first"));
    hst_tensor_table_free(table);
}

static void small_numbers_of_the_graph_are_left_out_and_named(void **state)
{
    (void)state;
    struct bytes varints = tensor(INT8, 1, 1), one_by_one = tensor(FLOAT, 1, 1), in_runs = tensor(FLOAT, 1, 2), in_two = tensor(INT64, 1, 2), wide = tensor(13, 1, 1);
    put_data(&varints, INT32_DATA, "\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    assert_left_out(varints);
    put_varint(&one_by_one, FLOAT_DATA << 3 | 5);
    for (int i = 0; i < 4; i++)
        put_byte(&one_by_one, 0);
    assert_left_out(one_by_one);
    put_data(&in_runs, FLOAT_DATA, "0123", 4);
    put_data(&in_runs, FLOAT_DATA, "4567", 4);
    assert_left_out(in_runs);
    put_number(&in_two, INT64_DATA, 1);
    put_number(&in_two, INT64_DATA, 2);
    assert_left_out(in_two);
    put_number(&wide, UINT64_DATA, 1);
    assert_left_out(wide);
}

static void large_numbers_written_one_by_one_are_unsupported(void **state)
{
    struct bytes initializer = tensor(INT64, 1, HST_ONNX_CONSTANT_MAX + 1);
    uint8_t *zeros = calloc(1, HST_ONNX_CONSTANT_MAX + 1);
    (void)state;
    put_data(&initializer, INT64_DATA, zeros, HST_ONNX_CONSTANT_MAX + 1);
    free(zeros);
    refuse_tensor(initializer, HST_E_INVALID_FILE, "unsupported: its numbers are written one by one instead of as raw_data: initializer 't'");
}

static void wrong_bytes_and_types_are_refused(void **state) /* OX-033 */
{
    struct bytes both = raw(FLOAT, 1, 2, 8), twice = raw(FLOAT, 1, 2, 8), segment = raw(FLOAT, 1, 2, 8), negative = raw(FLOAT, 1, UINT64_MAX, 8), nowhere = raw(FLOAT, 1, 2, 8);
    (void)state;
    refuse_tensor(raw(FLOAT, 1, 2, 7), HST_E_INVALID_FILE, "size");
    refuse_tensor(raw(FLOAT, 1, 2, 9), HST_E_INVALID_FILE, "size");
    refuse_tensor(tensor(FLOAT, 1, 2), HST_E_INVALID_FILE, "size");
    refuse_tensor(raw(0, 1, 2, 8), HST_E_INVALID_FILE, "dtype");
    refuse_tensor(raw(99, 1, 2, 8), HST_E_INVALID_FILE, "dtype");
    refuse_tensor(raw(STRING, 1, 2, 8), HST_E_INVALID_FILE, "unsupported");
    refuse_tensor(raw(COMPLEX128, 1, 2, 32), HST_E_INVALID_FILE, "unsupported");
    refuse_tensor(raw(FLOAT, UINT64_C(1) << 40, UINT64_C(1) << 40, 8), HST_E_INVALID_FILE, "overflow");
    refuse_tensor(negative, HST_E_INVALID_FILE, "shape");
    put_data(&both, FLOAT_DATA, "01234567", 8);
    refuse_tensor(both, HST_E_INVALID_FILE, "data");
    put_data(&twice, RAW_DATA, "01234567", 8);
    refuse_tensor(twice, HST_E_INVALID_FILE, "duplicate");
    put_text(&segment, SEGMENT, "");
    refuse_tensor(segment, HST_E_INVALID_FILE, "unsupported");
    put_number(&nowhere, DATA_LOCATION, 2);
    refuse_tensor(nowhere, HST_E_INVALID_FILE, "location");
}

static void shapes_are_packed_or_not_and_may_be_empty(void **state)
{
    struct bytes packed = {0}, scalar = {0}, empty = {0}, many = {0}, cut = {0};
    uint8_t ones[HST_RANK_MAX + 1];
    (void)state;
    put_data(&packed, DIMS, "\x02\x80\x01", 3);
    put_number(&packed, DATA_TYPE, UINT8);
    put_data(&packed, RAW_DATA, (uint8_t[256]){0}, 256);
    struct hst_tensor_table *table = accept(model_of(graph_of(packed)));
    assert_true(table->tensors[0].shape[0] == 2 && table->tensors[0].shape[1] == 128);
    hst_tensor_table_free(table);
    put_number(&scalar, DATA_TYPE, UINT8);
    put_text(&scalar, RAW_DATA, "x");
    put_number(&empty, DIMS, 0);
    put_number(&empty, DATA_TYPE, UINT8);
    put_text(&empty, NAME, "empty");
    struct bytes graph = graph_of(scalar);
    put_message(&graph, INITIALIZER, empty);
    table = accept(model_of(graph));
    assert_true(table->count == 2 && hst_tensor_table_find(table, "")->rank == 0 && hst_tensor_table_find(table, "empty")->size_bytes == 0);
    hst_tensor_table_free(table);
    memset(ones, 1, sizeof ones);
    put_data(&many, DIMS, ones, sizeof ones);
    refuse_tensor(many, HST_E_LIMIT_EXCEEDED, "dimensions");
    put_data(&cut, DIMS, "\x80", 1);
    refuse_tensor(cut, HST_E_TRUNCATED, "truncated");
}

static void names_appear_once(void **state) /* OX-035 */
{
    (void)state;
    for (unsigned pair = 0; pair < 9; pair++) {
        struct bytes graph = {0};
        for (unsigned i = 0; i < 2; i++) {
            unsigned kind = i == 0 ? pair / 3 : pair % 3;
            struct bytes constant = tensor(INT8, 1, 1);
            put_number(&constant, INT32_DATA, 1);
            struct bytes kinds[] = {raw(FLOAT, 1, 2, 8), external("w", NULL, "8"), constant};
            for (unsigned other = 0; other < 3; other++)
                if (other != kind) free(kinds[other].data);
            put_message(&graph, INITIALIZER, kinds[kind]);
        }
        refuse(model_of(graph), HST_E_INVALID_FILE, "duplicate");
    }
}

static void names_that_are_none_are_refused(void **state)
{
    struct bytes nul = {0}, longer = {0};
    char name[HST_NAME_MAX + 1];
    (void)state;
    put_data(&nul, NAME, "a\0b", 3);
    refuse_tensor(nul, HST_E_INVALID_FILE, "NUL");
    memset(name, 'n', sizeof name);
    put_data(&longer, NAME, name, sizeof name);
    refuse_tensor(longer, HST_E_LIMIT_EXCEEDED, "too long");
}

/* ---- graphs in graphs ---- */

static struct bytes node_of(const char *name, unsigned field, struct bytes graph)
{
    struct bytes node = {0}, attribute = {0};
    if (name != NULL) put_text(&attribute, 1, name);
    put_message(&attribute, field, graph);
    put_message(&node, ATTRIBUTE, attribute);
    return node;
}

static void initializers_of_inner_graphs_are_named_by_their_way(void **state)
{
    (void)state;
    struct bytes innermost = graph_of(raw(UINT8, 1, 2, 2)), inner = graph_of(raw(UINT8, 1, 2, 2)), outer = graph_of(raw(UINT8, 1, 2, 2)), list = {0}, node = {0};
    put_message(&inner, NODE, node_of(NULL, ATTRIBUTE_GRAPH, innermost));
    put_message(&outer, NODE, (struct bytes){0});
    put_message(&outer, NODE, node_of("then_branch", ATTRIBUTE_GRAPH, inner));
    put_text(&list, 1, "bodies");
    put_message(&list, ATTRIBUTE_GRAPHS, graph_of(raw(UINT8, 1, 2, 2)));
    put_message(&list, ATTRIBUTE_GRAPHS, graph_of(raw(UINT8, 1, 2, 2)));
    put_message(&node, ATTRIBUTE, list);
    put_message(&outer, NODE, node);
    struct hst_tensor_table *table = accept(model_of(outer));
    assert_int_equal(table->count, 5);
    const char *names[] = {"t", "#1/then_branch/t", "#1/then_branch/#0//t", "#2/bodies/0/t", "#2/bodies/1/t"};
    for (size_t i = 0; i < 5; i++)
        assert_non_null(hst_tensor_table_find(table, names[i]));
    hst_tensor_table_free(table);
}

static void nesting_has_an_end(void **state) /* OX-031 */
{
    (void)state;
    struct bytes graph = graph_of(raw(UINT8, 1, 2, 2));
    for (int i = 0; i < 100; i++) { /* three messages each */
        struct bytes around = {0};
        put_message(&around, NODE, node_of("g", ATTRIBUTE_GRAPH, graph));
        graph = around;
    }
    refuse(model_of(graph), HST_E_LIMIT_EXCEEDED, "depth");
}

static void an_attribute_with_a_graph_has_a_sound_name(void **state)
{
    struct bytes node = {0}, attribute = {0};
    (void)state;
    put_data(&attribute, 1, "a\0b", 3);
    put_message(&attribute, ATTRIBUTE_GRAPH, (struct bytes){0});
    put_message(&node, ATTRIBUTE, attribute);
    struct bytes graph = {0};
    put_message(&graph, NODE, node);
    refuse(model_of(graph), HST_E_INVALID_FILE, "NUL");
}

static void a_long_way_has_an_end(void **state)
{
    char name[HST_NAME_MAX / 2];
    (void)state;
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    struct bytes graph = graph_of(raw(UINT8, 1, 2, 2));
    for (int i = 0; i < 3; i++) {
        struct bytes around = {0};
        put_message(&around, NODE, node_of(name, ATTRIBUTE_GRAPH, graph));
        graph = around;
    }
    refuse(model_of(graph), HST_E_LIMIT_EXCEEDED, "too long");
}

/* ---- what lies elsewhere ---- */

static struct hst_tensor_table *accept_external(const char *location, const char *offset, const char *length)
{
    return accept(model_of(graph_of(external(location, offset, length))));
}

static void external_data_has_a_table_of_its_own(void **state) /* OX-003, OX-016 */
{
    static const struct {
        const char *location, *offset, *length, *path;
        uint64_t least;
        bool exact;
    } cases[] = {{"sub/w.bin", "16", "8", "sub/w.bin", 24, false}, {"./w", NULL, NULL, "w", 8, true}, {"./././w", "0", "8", "w", 8, false},
                 {"..w/...", "007", NULL, "..w/...", 15, true},
                 {".w/ab", "1", "8", ".w/ab", 9, false}, {"a/b", "1", "8", "a/b", 9, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hst_tensor_table *table = accept_external(cases[i].location, cases[i].offset, cases[i].length);
        const struct hst_external *found = &table->externals[0];
        assert_true(table->count == 0 && table->external_count == 1 && found->table->count == 1);
        assert_string_equal(found->location, cases[i].path);
        assert_string_equal(found->table->tensors[0].name, "t");
        assert_true(found->least_bytes == cases[i].least && found->exact == cases[i].exact && found->sha1 == NULL);
        assert_int_equal(found->table->tensors[0].offset + 8, found->least_bytes);
        hst_tensor_table_free(table);
    }
}

static void paths_that_leave_the_folder_are_refused_unseen(void **state) /* OX-010 */
{
    char longer[HST_ONNX_LOCATION_MAX + 3], name[HST_ONNX_LOCATION_NAME_MAX + 2];
    const char *paths[] = {"../secret", "a/../../secret", "/etc/passwd", "C:\\x", "C:x", "..\\x", "a\\b", "//host/x", "", ".", "..", "./", "./.", "a/", "a//b", "a/./b", "a/..", longer, name};
    (void)state;
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = name[sizeof name - 1] = '\0';
    for (size_t i = 100; i < sizeof longer - 1; i += 100)
        longer[i] = '/';
    memset(name, 'n', sizeof name - 1);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        refuse_tensor(external(paths[i], "0", "8"), HST_E_INVALID_FILE, "path");
    refuse_tensor(external(NULL, "0", "8"), HST_E_INVALID_FILE, "path");
    struct bytes nul = external("w", NULL, NULL), pair = {0};
    put_text(&pair, 1, "location");
    put_data(&pair, 2, "w\0x", 3);
    put_message(&nul, EXTERNAL_DATA, pair);
    refuse_tensor(nul, HST_E_INVALID_FILE, "NUL");
}

static void sizes_are_decimal_digits_and_end_in_a_file(void **state) /* OX-015 */
{
    const char *numbers[] = {"-1", "", "x", "1e3", " 5", "5 ", "0x10", "+1", "1.0", "9223372036854775808", "18446744073709551616", "99999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        refuse_tensor(external("w", numbers[i], "8"), HST_E_INVALID_FILE, "offset");
        refuse_tensor(external("w", "0", numbers[i]), HST_E_INVALID_FILE, "length");
    }
    refuse_tensor(external("w", "9223372036854775807", "8"), HST_E_INVALID_FILE, "overflow");
    refuse_tensor(external("w", "0", "9"), HST_E_INVALID_FILE, "size");
}

static void a_key_of_external_data_appears_once_and_unknown_ones_mean_nothing(void **state)
{
    struct bytes twice = external("w", "0", "8"), unknown = external("w", "0", "8"), here = external("w", "0", "8");
    (void)state;
    put_pair(&twice, EXTERNAL_DATA, "offset", "0");
    refuse_tensor(twice, HST_E_INVALID_FILE, "duplicate");
    put_pair(&unknown, EXTERNAL_DATA, "basepath", "/etc");
    hst_tensor_table_free(accept(model_of(graph_of(unknown))));
    put_data(&here, RAW_DATA, "01234567", 8);
    refuse_tensor(here, HST_E_INVALID_FILE, "data");
}

/* Two tensors of one file: may they lie so? */
static int parse_two(struct bytes first, struct bytes second, struct hst_error *err)
{
    struct hst_tensor_table *table = NULL;
    struct bytes graph = graph_of(first);
    uint8_t *name = memmem(second.data, second.size, "\x42\x01t", 3);
    name[2] = 'u';
    put_message(&graph, INITIALIZER, second);
    int status = parse(model_of(graph), &table, err);
    if (status == 0) assert_true(table->external_count == 1 && table->externals[0].table->count == 2);
    if (status == 0) assert_true(table->externals[0].table->tensors[0].offset <= table->externals[0].table->tensors[1].offset);
    if (status == 0) hst_tensor_table_free(table);
    return status;
}

static void what_reaches_to_the_end_is_the_last(void **state)
{
    struct hst_error err = {0};
    (void)state;
    assert_int_equal(parse_two(external("w", "8", "8"), external("w", "0", "8"), &err), 0);
    assert_int_equal(parse_two(external("w", "8", NULL), external("w", "0", "8"), &err), 0);
    assert_int_equal(parse_two(external("w", "0", "8"), external("w", "8", NULL), &err), 0);
    assert_int_equal(parse_two(external("w", "8", NULL), external("w", "8", NULL), &err), 0);
    assert_int_equal(parse_two(external("w", "0", NULL), external("w", "8", "8"), &err), HST_E_INVALID_FILE);
    assert_int_equal(parse_two(external("w", "8", "8"), external("w", "0", NULL), &err), HST_E_INVALID_FILE);
    assert_non_null(strstr(err.text, "size"));
}

static struct bytes with_checksum(const char *checksum)
{
    struct bytes out = external("w", "0", "8");
    if (checksum != NULL) put_pair(&out, EXTERNAL_DATA, "checksum", checksum);
    return out;
}

static void checksums_are_kept_and_agree(void **state) /* OX-018 */
{
    const char *one = "0123456789ABCDEFabcdef0123456789abcdef01", *other = "1123456789abcdefabcdef0123456789abcdef01";
    struct hst_error err = {0};
    (void)state;
    struct hst_tensor_table *table = accept(model_of(graph_of(with_checksum(one))));
    assert_string_equal(table->externals[0].sha1, "0123456789abcdefabcdef0123456789abcdef01");
    hst_tensor_table_free(table);
    assert_int_equal(parse_two(with_checksum(one), with_checksum(NULL), &err), 0);
    assert_int_equal(parse_two(with_checksum(one), with_checksum(one), &err), 0);
    assert_int_equal(parse_two(with_checksum(one), with_checksum(other), &err), HST_E_INVALID_FILE);
    assert_non_null(strstr(err.text, "checksum"));
    refuse_tensor(with_checksum("0123"), HST_E_INVALID_FILE, "checksum");
    refuse_tensor(with_checksum("x123456789abcdefabcdef0123456789abcdef01"), HST_E_INVALID_FILE, "checksum");
}

static void files_are_counted(void **state) /* OX-020 */
{
    struct bytes graph = {0};
    (void)state;
    for (int i = 0; i < 100000; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        struct bytes initializer = {0};
        put_number(&initializer, DATA_TYPE, UINT8);
        put_text(&initializer, NAME, name);
        put_pair(&initializer, EXTERNAL_DATA, "location", name);
        put_number(&initializer, DATA_LOCATION, 1);
        put_message(&graph, INITIALIZER, initializer);
    }
    refuse(model_of(graph), HST_E_LIMIT_EXCEEDED, "limit: external data lies in more than 1000 files");
}

/* ---- the model ---- */

static void long_values_are_kept_as_empty(void **state)
{
    struct bytes model = {0}, pair = {0};
    char text[HST_ONNX_TEXT_MAX + 1];
    (void)state;
    memset(text, 'x', sizeof text);
    put_number(&model, IR_VERSION, 2);
    put_text(&pair, 1, "long");
    put_data(&pair, 2, text, sizeof text);
    put_message(&model, 14, pair);
    put_text(&model, GRAPH, "");
    struct hst_tensor_table *table = accept(model);
    assert_string_equal(hst_tensor_table_metadata(table, "long"), "");
    hst_tensor_table_free(table);
}

static void fields_are_written_as_their_types_are(void **state)
{
    struct bytes number = {0}, text = model_of((struct bytes){0}), longer = {0};
    char key[HST_NAME_MAX + 1];
    (void)state;
    put_number(&number, RAW_DATA, 7);
    refuse_tensor(number, HST_E_INVALID_FILE, "wire");
    put_pair(&text, OPSET_IMPORT, "ai.onnx", "17");
    refuse(text, HST_E_INVALID_FILE, "wire");
    memset(key, 'k', sizeof key);
    put_number(&longer, IR_VERSION, 2);
    put_text(&longer, GRAPH, "");
    struct bytes pair = {0};
    put_data(&pair, 1, key, sizeof key);
    put_message(&longer, 14, pair);
    refuse(longer, HST_E_LIMIT_EXCEEDED, "too long");
}

static void metadata_is_as_the_file_has_it(void **state) /* OX-038 */
{
    struct bytes model = {0}, graph = {0}, opset = {0}, again = {0}, inner = {0};
    (void)state;
    put_number(&model, IR_VERSION, 8);
    put_text(&model, 2, "pytorch");
    put_number(&model, 5, (uint64_t)-3);
    put_pair(&model, 14, "run", "$(rm -rf ~); `id`");
    put_text(&graph, 2, "main");
    put_text(&inner, 2, "not this");
    put_message(&graph, NODE, node_of("inner", ATTRIBUTE_GRAPH, inner));
    put_message(&graph, 15, graph_of((struct bytes){0}));
    put_message(&model, GRAPH, graph);
    put_number(&opset, 2, 17);
    put_message(&model, OPSET_IMPORT, opset);
    put_text(&again, 1, "ai.onnx");
    put_message(&model, OPSET_IMPORT, again);
    struct hst_tensor_table *table = accept(model);
    const char *pairs[][2] = {{"onnx.ir_version", "8"}, {"onnx.producer_name", "pytorch"}, {"onnx.model_version", "-3"}, {"run", "$(rm -rf ~); `id`"}, {"onnx.graph", "main"},
                              {"onnx.opset.ai.onnx", "17"}, {"onnx.sparse_initializers", "1"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_string_equal(hst_tensor_table_metadata(table, pairs[i][0]), pairs[i][1]);
    assert_int_equal(table->metadata_count, 7);
    hst_tensor_table_free(table);
}

static void what_is_no_weight_is_left_alone(void **state) /* OX-036 */
{
    struct bytes model = {0}, function = {0};
    (void)state;
    put_number(&model, IR_VERSION, 8);
    put_message(&function, 7, node_of("g", ATTRIBUTE_GRAPH, graph_of(raw(99, 1, 1, 1))));
    put_message(&model, 25, function);
    put_message(&model, 20, graph_of(raw(99, 1, 1, 1)));
    struct bytes rest = model_of(graph_of(raw(UINT8, 1, 2, 2)));
    for (size_t i = 2; i < rest.size; i++)
        put_byte(&model, rest.data[i]);
    free(rest.data);
    put_text(&model, 100, "a field of the future");
    struct hst_tensor_table *table = accept(model);
    assert_int_equal(table->count, 1);
    hst_tensor_table_free(table);
}

static void a_model_is_whole(void **state)
{
    struct bytes graphs = model_of((struct bytes){0}), no_graph = {0}, no_opset = {0}, old = {0}, versions = {0}, keys = {0};
    (void)state;
    put_text(&graphs, GRAPH, "");
    refuse(graphs, HST_E_INVALID_FILE, "duplicate");
    put_number(&no_graph, IR_VERSION, 8);
    put_text(&no_graph, 2, "x");
    for (int i = 0; i < 5000; i++) /* it would come after what the first look sees */
        put_text(&no_graph, 26, "");
    refuse(no_graph, HST_E_TRUNCATED, "graph");
    put_number(&no_opset, IR_VERSION, 3);
    put_text(&no_opset, GRAPH, "");
    refuse(no_opset, HST_E_TRUNCATED, "operators");
    put_number(&old, IR_VERSION, 2);
    put_text(&old, GRAPH, "");
    hst_tensor_table_free(accept(old));
    put_number(&versions, IR_VERSION, 8);
    put_text(&versions, GRAPH, "");
    put_number(&versions, IR_VERSION, 8);
    refuse(versions, HST_E_INVALID_FILE, "duplicate");
    put_number(&keys, IR_VERSION, 8);
    put_pair(&keys, 14, "k", "1");
    put_pair(&keys, 14, "k", "2");
    put_text(&keys, GRAPH, "");
    refuse(keys, HST_E_INVALID_FILE, "duplicate");
}

static void assert_foreign(const char *bytes, size_t size)
{
    struct bytes file = {0};
    for (size_t i = 0; i < size; i++)
        put_byte(&file, (uint8_t)bytes[i]);
    struct hst_tensor_table *table;
    assert_int_equal(parse(file, &table, NULL), HST_E_UNKNOWN_FORMAT);
}
#define FOREIGN(bytes) assert_foreign(bytes, sizeof(bytes) - 1)

static void what_only_begins_alike_is_no_onnx(void **state)
{
    (void)state;
    FOREIGN("\x08");
    FOREIGN("\x08\x08");                 /* and nothing else */
    FOREIGN("\x08\x08\x12\x01x");        /* no graph */
    FOREIGN("\x08\x00\x3a\x00");         /* version 0 */
    FOREIGN("\x08\x80\x01\x3a\x00");     /* version 128 */
    FOREIGN("\x12\x01x\x08\x08\x3a\x00"); /* the version is not the first */
    FOREIGN("\x08\x08\x08\x08\x3a\x00"); /* it is there twice */
    FOREIGN("\x08\x08\x38\x00");         /* the graph is a number */
    FOREIGN("\x08\x08\x4a\x00\x3a\x00"); /* a model has no field 9 */
    FOREIGN("\x08\x08\x82\x80\x04\x00"); /* nor one above 31 */
    FOREIGN("\x08\x08\x12\x7f" "abc");   /* a text that would end outside of the file */
    FOREIGN("\x08\x08\x12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_data_is_served_where_it_lies),
        cmocka_unit_test(every_type_has_its_size),
        cmocka_unit_test(small_integers_are_padded_to_a_byte),
        cmocka_unit_test(packed_floats_and_doubles_lie_as_in_memory),
        cmocka_unit_test(small_numbers_of_the_graph_are_left_out_and_named),
        cmocka_unit_test(large_numbers_written_one_by_one_are_unsupported),
        cmocka_unit_test(wrong_bytes_and_types_are_refused),
        cmocka_unit_test(shapes_are_packed_or_not_and_may_be_empty),
        cmocka_unit_test(names_appear_once),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(initializers_of_inner_graphs_are_named_by_their_way),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(an_attribute_with_a_graph_has_a_sound_name),
        cmocka_unit_test(a_long_way_has_an_end),
        cmocka_unit_test(external_data_has_a_table_of_its_own),
        cmocka_unit_test(paths_that_leave_the_folder_are_refused_unseen),
        cmocka_unit_test(sizes_are_decimal_digits_and_end_in_a_file),
        cmocka_unit_test(a_key_of_external_data_appears_once_and_unknown_ones_mean_nothing),
        cmocka_unit_test(what_reaches_to_the_end_is_the_last),
        cmocka_unit_test(checksums_are_kept_and_agree),
        cmocka_unit_test(files_are_counted),
        cmocka_unit_test(long_values_are_kept_as_empty),
        cmocka_unit_test(fields_are_written_as_their_types_are),
        cmocka_unit_test(metadata_is_as_the_file_has_it),
        cmocka_unit_test(what_is_no_weight_is_left_alone),
        cmocka_unit_test(a_model_is_whole),
        cmocka_unit_test(what_only_begins_alike_is_no_onnx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
