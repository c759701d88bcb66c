/* The hashes of a file: known vectors, the same whatever the pieces, and only of a file that stayed as it was. */
#include "hashing/hash.h"
#include "cmocka_all.h"
#include "formats/format.h"
#include "model_bytes.h"

#include <fcntl.h>
#include <unistd.h>

static void to_hex(const uint8_t *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

static struct hst_hashes hash_in_pieces(const struct hst_tensor_table *table, const uint8_t *bytes, size_t size, size_t piece, uint8_t **ret_each)
{
    struct hst_hash *hash;
    struct hst_hashes hashes;
    assert_int_equal(hst_hash_new(table, &hash, NULL), 0);
    for (size_t at = 0; at < size; at += piece)
        hst_hash_update(hash, bytes + at, size - at < piece ? size - at : piece);
    assert_int_equal(hst_hash_finish(hash, &hashes, NULL), 0);
    if (ret_each != NULL) *ret_each = hst_hash_take_each(hash);
    hst_hash_free(hash);
    return hashes;
}

static void known_vectors(void **state)
{
    char hex[65];
    (void)state;
    struct hst_hashes hashes = hash_in_pieces(NULL, (const uint8_t *)"123456789", 9, 4, NULL);
    to_hex(hashes.sha256, 32, hex);
    assert_string_equal(hex, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    assert_int_equal(hashes.crc32, 0xcbf43926);
    assert_false(hashes.has_tensors);
    hashes = hash_in_pieces(NULL, (const uint8_t *)"", 0, 1, NULL);
    to_hex(hashes.sha256, 32, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    to_hex(hashes.autov1, 4, hex);
    assert_string_equal(hex, "e3b0c442"); /* nothing at 1 MiB: what A1111 says of small files, too */
}

/* AutoV1 is the hash of exactly these 64 KiB. */
static void autov1_looks_at_64_kib_from_1_mib_on(void **state)
{
    enum { SIZE = 0x120000 };
    uint8_t *bytes = calloc(1, SIZE);
    (void)state;
    struct hst_hashes zeros = hash_in_pieces(NULL, bytes, SIZE, SIZE, NULL);
    struct hst_hashes window = hash_in_pieces(NULL, bytes, 0x10000, 0x10000, NULL);
    assert_memory_equal(zeros.autov1, window.sha256, 4);
    const size_t outside[] = {0xfffff, 0x110000}, inside[] = {0x100000, 0x10ffff};
    for (int i = 0; i < 2; i++) {
        bytes[outside[i]] = 1;
        assert_memory_equal(hash_in_pieces(NULL, bytes, SIZE, 777777, NULL).autov1, zeros.autov1, 4);
        bytes[inside[i]] = 1;
        assert_memory_not_equal(hash_in_pieces(NULL, bytes, SIZE, 777777, NULL).autov1, zeros.autov1, 4);
        bytes[inside[i]] = 0;
    }
    free(bytes);
}

static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[5000],\"data_offsets\":[0,5000]},\"none\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[5000,5000]},"
                             "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[5000,5003]}}";

/* The file and its table. */
static struct hst_tensor_table *parse(const struct model_bytes *file)
{
    struct hst_source_bytes bytes = {file->bytes, file->size};
    struct hst_source source = hst_source_memory(&bytes);
    const struct hst_format *format;
    struct hst_tensor_table *table;
    assert_int_equal(hst_format_parse(&source, &format, &table, NULL), 0);
    return table;
}

static void every_length_of_pieces_gives_the_same(void **state)
{
    struct model_bytes file = model_bytes_make(header, strlen(header), 5003);
    struct hst_tensor_table *table = parse(&file);
    uint8_t *whole, *each;
    (void)state;
    struct hst_hashes expected = hash_in_pieces(table, file.bytes, file.size, file.size, &whole);
    struct hst_hashes data = hash_in_pieces(NULL, file.bytes + table->data_offset, 5003, 5003, NULL);
    assert_true(expected.has_tensors);
    assert_memory_equal(expected.tensors, data.sha256, 32);
    assert_int_equal(expected.data_bytes, 5003);
    for (size_t piece = 1; piece < 6000; piece += piece < 300 ? 1 : 97) {
        struct hst_hashes hashes = hash_in_pieces(table, file.bytes, file.size, piece, &each);
        assert_memory_equal(&hashes, &expected, sizeof hashes);
        assert_memory_equal(each, whole, 3 * HST_XXH128_BYTES);
        free(each);
    }
    free(whole);
    hst_tensor_table_free(table);
    free(file.bytes);
}

static void another_header_has_the_same_weights(void **state)
{
    char tagged[512];
    snprintf(tagged, sizeof tagged, "{\"__metadata__\":{\"title\":\"x\"},%s", header + 1);
    struct model_bytes plain_file = model_bytes_make(header, strlen(header), 5003), tagged_file = model_bytes_make(tagged, strlen(tagged), 5003);
    struct hst_tensor_table *plain_table = parse(&plain_file), *tagged_table = parse(&tagged_file);
    (void)state;
    struct hst_hashes a = hash_in_pieces(plain_table, plain_file.bytes, plain_file.size, 1000, NULL);
    struct hst_hashes b = hash_in_pieces(tagged_table, tagged_file.bytes, tagged_file.size, 1000, NULL);
    assert_memory_not_equal(a.sha256, b.sha256, 32);
    assert_memory_equal(a.tensors, b.tensors, 32);
    assert_memory_equal(a.sketch, b.sketch, 16);
    hst_tensor_table_free(plain_table);
    hst_tensor_table_free(tagged_table);
    free(plain_file.bytes);
    free(tagged_file.bytes);
}

/* A file on disk, open. */
static int write_file(char path[], const struct model_bytes *file)
{
    int fd = mkstemp(path);
    assert_int_equal(write(fd, file->bytes, file->size), file->size);
    return fd;
}

static void the_sketch_is_that_of_the_whole_reading(void **state)
{
    char path[] = "/tmp/hoist-test-XXXXXX";
    struct model_bytes file = model_bytes_make(header, strlen(header), 5003);
    struct hst_tensor_table *table = parse(&file);
    int fd = write_file(path, &file);
    uint8_t sketch[16];
    struct hst_hashes hashes;
    (void)state;
    assert_int_equal(hst_hash_sketch(fd, table, sketch, NULL), 0);
    assert_int_equal(hst_hash_file(fd, table, NULL, &hashes, NULL), 0);
    assert_memory_equal(sketch, hashes.sketch, 16);
    assert_memory_equal(hashes.sha256, hash_in_pieces(table, file.bytes, file.size, 100, NULL).sha256, 32);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)table->data_offset + 5001), 1);
    assert_int_equal(hst_hash_sketch(fd, table, sketch, NULL), 0);
    assert_memory_not_equal(sketch, hashes.sketch, 16);
    hst_tensor_table_free(table);
    free(file.bytes);
    close(fd);
    unlink(path);
}

/* Tensors that share bytes (tied weights of torch.save): the second has no hash of its own, and none of its bytes are read twice. */
static void tensors_within_others_are_left_out(void **state)
{
    struct hst_tensor tensors[] = {{.offset = 0, .size_bytes = 10}, {.offset = 0, .size_bytes = 10}, {.offset = 5, .size_bytes = 20}, {.offset = 10, .size_bytes = 6}};
    struct hst_tensor_table table = {.format = "torch", .tensors = tensors, .count = 4, .file_size_bytes = 16};
    uint8_t *each, zeros[16] = {0};
    (void)state;
    struct hst_hashes hashes = hash_in_pieces(&table, (const uint8_t *)"abcdefghijklmnop", 16, 3, &each);
    assert_int_equal(hashes.data_bytes, 16);
    assert_false(hashes.has_tensors);
    assert_memory_not_equal(each, zeros, 16);
    assert_memory_equal(each + 16, zeros, 16);
    assert_memory_equal(each + 32, zeros, 16);
    assert_memory_not_equal(each + 48, zeros, 16);
    free(each);
}

static void a_stop_ends_it(void **state)
{
    char path[] = "/tmp/hoist-test-XXXXXX";
    struct model_bytes file = model_bytes_make(header, strlen(header), 5003);
    int fd = write_file(path, &file);
    struct hst_hashes hashes;
    _Atomic(bool) stop = true;
    (void)state;
    assert_int_equal(hst_hash_file(fd, NULL, &stop, &hashes, NULL), HST_E_CANCELLED);
    free(file.bytes);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(autov1_looks_at_64_kib_from_1_mib_on),
        cmocka_unit_test(every_length_of_pieces_gives_the_same),
        cmocka_unit_test(another_header_has_the_same_weights),
        cmocka_unit_test(the_sketch_is_that_of_the_whole_reading),
        cmocka_unit_test(tensors_within_others_are_left_out),
        cmocka_unit_test(a_stop_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
