/* Content decides what a file is; what is no model is named for what it looks like. */
#include "cmocka_all.h"
#include "formats/format.h"

#include <string.h>

static int parse(const char *bytes, size_t length, struct hst_error *err)
{
    struct hst_source_bytes memory = {(const uint8_t *)bytes, length};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    struct hst_tensor_table *table;
    return hst_format_parse(&source, &format, &table, err);
}

static void names_what_a_stranger_looks_like(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *what;
    } strangers[] = {
        {"<!DOCTYPE html><html>", "html: "}, {" \n<HTML>......", "html: "}, {"\xef\xbb\xbf<html><body>", "html: "}, {"<?xml version=\"1.0\"?>", "xml: "},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n", "lfs_pointer: it is a Git LFS pointer to a file of 12345 bytes (sha256 abc)"},
        {"version https://git-lfs.github.com/spec/v1", "of ? bytes (sha256 ?)"}, {"\x80\x02}.", "pickle"}, {"\x1f\x8b......", "compressed: it is a gzip"},
        {"Access denied to \x1b[31m", "unknown: "}, {"Access denied to this", "text: it is a text: Access denied to this"}, {"{\"error\":\"gone\"}", "json: "}, {"[1, 2, 3, 4]", "json: "},
        {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", "no known"}, {"hello", "truncated: 5 bytes are too few"}, {"", "truncated: the file is empty"},
        {"GGJT.....", "unsupported: it is an old GGML file (ggjt)"}, {"age-encryption.org/v1\n", "encrypted: "}, {"%PDF-1.7...", "pdf: "}, {"MZ........", "program: "}};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct hst_error err = {0};
        assert_int_equal(parse(strangers[i].bytes, strlen(strangers[i].bytes), &err), HST_E_UNKNOWN_FORMAT);
        assert_non_null(strstr(err.text, strangers[i].what));
    }
}

static void names_a_file_of_zeros(void **state)
{
    (void)state;
    static const char zeros[4096];
    struct hst_error err = {0};
    assert_int_equal(parse(zeros, sizeof zeros, &err), HST_E_UNKNOWN_FORMAT);
    assert_non_null(strstr(err.text, "zeros: its first 4096 bytes"));
}

static int fail_to_read(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    (void)context, (void)offset, (void)buffer, (void)length;
    return hst_error_set(err, HST_E_IO, "disk on fire");
}

static void passes_a_read_error_on(void **state)
{
    (void)state;
    struct hst_source source = {.size_bytes = 100, .read_at = fail_to_read};
    const struct hst_format *format;
    struct hst_tensor_table *table;
    assert_int_equal(hst_format_parse(&source, &format, &table, NULL), HST_E_IO);
    for (size_t i = 0; hst_formats[i] != NULL; i++)
        assert_int_equal(hst_formats[i]->parse(&source, &table, NULL), HST_E_IO);
}

static void memory_is_read_within_its_bounds(void **state)
{
    (void)state;
    struct hst_source_bytes memory = {(const uint8_t *)"abc", 3};
    struct hst_source source = hst_source_memory(&memory);
    char byte[4];
    assert_int_equal(source.read_at(source.context, 1, byte, 2, NULL), 0);
    assert_memory_equal(byte, "bc", 2);
    assert_int_equal(source.read_at(source.context, 1, byte, 3, NULL), HST_E_TRUNCATED);
    assert_int_equal(source.read_at(source.context, UINT64_MAX, byte, 1, NULL), HST_E_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_a_stranger_looks_like),
        cmocka_unit_test(names_a_file_of_zeros),
        cmocka_unit_test(passes_a_read_error_on),
        cmocka_unit_test(memory_is_read_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
