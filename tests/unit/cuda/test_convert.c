/* A card's conversions have the bits of the host's (src/convert, whose bits are PyTorch's): every number of the short types, and of the long ones every
 * exponent with mantissas that are ties, next to ties, or anything, at whichever bit they are cut. */
#include "cmocka_all.h"
#include "convert/convert.h"
#include "cuda/convert.h"
#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum hst_dtype types[] = {HST_DTYPE_F64, HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16, HST_DTYPE_F8_E4M3, HST_DTYPE_F8_E5M2};
enum { NUMBERS_MAX = 1400000, GUARD = 256 };

/* The card: memory of the host that it reaches. */
static struct card {
    const struct hst_cuda_driver *driver;
    void *context, *stream;
    struct hst_cuda_converter converter;
    uint8_t *source, *target, *expected;
} card;

static unsigned size_of(enum hst_dtype dtype)
{
    return hst_dtype_info(dtype)->block_bytes;
}

static unsigned long long address(const void *pointer)
{
    return (unsigned long long)(uintptr_t)pointer;
}

/* Have the card convert, and wait for it. */
static void convert(enum hst_dtype from, enum hst_dtype to, const void *source, void *target, uint64_t count)
{
    struct hst_error err = {0};
    if (hst_cuda_convert(&card.converter, from, to, address(source), address(target), count, card.stream, &err) != HST_OK) fail_msg("%s", err.text);
    assert_int_equal(card.driver->cuStreamSynchronize(card.stream), HST_CU_SUCCESS);
}

/* A number's bits: little-endian. */
static unsigned long long bits_of(const uint8_t *numbers, size_t at, unsigned bytes)
{
    unsigned long long bits = 0;
    memcpy(&bits, numbers + at * bytes, bytes);
    return bits;
}

/* card.source holds `count` numbers of `from`: card and host make the same of them. */
static void agree(enum hst_dtype from, enum hst_dtype to, size_t count)
{
    unsigned bytes = size_of(to);
    memset(card.target, 0xa5, count * bytes);
    convert(from, to, card.source, card.target, count);
    hst_convert_find(from, to)->run(card.source, card.expected, count);
    for (size_t i = 0; i < count; i++)
        if (memcmp(card.target + i * bytes, card.expected + i * bytes, bytes) != 0)
            fail_msg("%s %llx became %s %llx, not %llx", hst_dtype_info(from)->name, bits_of(card.source, i, size_of(from)), hst_dtype_info(to)->name,
                     bits_of(card.target, i, bytes), bits_of(card.expected, i, bytes));
}

static void agree_on_all_targets(enum hst_dtype from, size_t count)
{
    assert_true(count <= NUMBERS_MAX);
    for (size_t i = 0; i < HST_CONVERT_TYPES; i++)
        if (types[i] != from) agree(from, types[i], count);
}

/* All numbers of a short type. */
static void agree_on_every_number(enum hst_dtype from)
{
    size_t count = (size_t)1 << (8 * size_of(from));
    for (size_t i = 0; i < count; i++)
        memcpy(card.source + i * size_of(from), &i, size_of(from));
    agree_on_all_targets(from, count);
}

static void every_f16_agrees(void **state)
{
    (void)state;
    agree_on_every_number(HST_DTYPE_F16);
}

static void every_bf16_agrees(void **state)
{
    (void)state;
    agree_on_every_number(HST_DTYPE_BF16);
}

static void every_f8_agrees(void **state)
{
    (void)state;
    agree_on_every_number(HST_DTYPE_F8_E4M3);
    agree_on_every_number(HST_DTYPE_F8_E5M2);
}

static uint64_t anything(void)
{
    static uint64_t seed = 20261130;
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed ^ seed >> 29;
}

/* A mantissa of `bits` bits whose last `cut` ones are nothing, the smallest, just below a half, a half, just above it, all. */
static uint64_t mantissa(unsigned bits, unsigned cut, unsigned which)
{
    uint64_t all = (UINT64_C(1) << cut) - 1, half = (all + 1) / 2;
    uint64_t lasts[] = {0, 1, half - 1, half, half + 1, all};
    return (anything() & ((UINT64_C(1) << bits) - 1) & ~all) | (lasts[which] & all);
}

/* Of numbers, every so-manieth is enough for what is twenty times as slow. */
static unsigned step(void)
{
    return getenv("HOIST_SANITIZED") != NULL ? 11 : 1;
}

/* Numbers of a long type: every exponent, both signs, every cut. Fills card.source; returns how many. */
static size_t fill_with_ties(unsigned exponent_bits, unsigned mantissa_bits, unsigned each)
{
    unsigned bytes = (1 + exponent_bits + mantissa_bits) / 8;
    size_t count = 0;
    for (uint64_t head = 0; head < UINT64_C(2) << exponent_bits; head++)
        for (unsigned i = (unsigned)head % step(); i < 6 * (mantissa_bits + 1) * each; i += step(), count++) {
            uint64_t number = head << mantissa_bits | mantissa(mantissa_bits, i / 6 % (mantissa_bits + 1), i % 6);
            memcpy(card.source + count * bytes, &number, bytes);
        }
    return count;
}

static void f32_of_every_exponent_and_tie_agree(void **state)
{
    (void)state;
    agree_on_all_targets(HST_DTYPE_F32, fill_with_ties(8, 23, 8));
}

static void f64_of_every_exponent_and_tie_agree(void **state)
{
    (void)state;
    agree_on_all_targets(HST_DTYPE_F64, fill_with_ties(11, 52, 1));
}

/* More of the exponents that floats have, and a few on either side. */
static void f64_with_exponents_of_f32_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUMBERS_MAX / 4 / step(); i++) {
        uint64_t exponent = 1023 - 155 + i % 287, number = (anything() >> 63) << 63 | exponent << 52 | mantissa(52, (unsigned)(anything() % 53), (unsigned)(anything() % 6));
        memcpy(card.source + i * 8, &number, 8);
    }
    agree_on_all_targets(HST_DTYPE_F64, NUMBERS_MAX / 4 / step());
}

/* Of `count` numbers nothing before and nothing behind is written. */
static void stays_inside(enum hst_dtype from, enum hst_dtype to, size_t count)
{
    size_t bytes = count * size_of(to);
    memset(card.target, 0xa5, bytes + 2 * GUARD);
    convert(from, to, card.source, card.target + GUARD, count);
    hst_convert_find(from, to)->run(card.source, card.expected, count);
    assert_memory_equal(card.target + GUARD, card.expected, bytes);
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(card.target[i], 0xa5);
        assert_int_equal(card.target[GUARD + bytes + i], 0xa5);
    }
}

static void any_count_is_converted_and_nothing_else_written(void **state)
{
    static const size_t counts[] = {0, 1, 2, 31, 255, 256, 257, 1000};
    (void)state;
    for (size_t i = 0; i < 8192; i++)
        card.source[i] = (uint8_t)anything();
    for (size_t i = 0; i < HST_CONVERT_TYPES * HST_CONVERT_TYPES; i++)
        for (size_t j = 0; i / HST_CONVERT_TYPES != i % HST_CONVERT_TYPES && j < sizeof counts / sizeof counts[0]; j++)
            stays_inside(types[i / HST_CONVERT_TYPES], types[i % HST_CONVERT_TYPES], counts[j]);
}

static void more_numbers_than_there_are_threads_are_converted(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUMBERS_MAX; i++)
        card.source[i] = (uint8_t)anything();
    stays_inside(HST_DTYPE_F8_E5M2, HST_DTYPE_BF16, NUMBERS_MAX - GUARD);
}

static int refused(enum hst_dtype from, enum hst_dtype to, unsigned source_offset, unsigned target_offset)
{
    struct hst_error err = {0};
    return hst_cuda_convert(&card.converter, from, to, address(card.source) + source_offset, address(card.target) + target_offset, 1, card.stream, &err);
}

static void other_types_and_addresses_are_refused(void **state)
{
    (void)state;
    assert_int_equal(refused(HST_DTYPE_F32, HST_DTYPE_F32, 0, 0), HST_E_INVALID_ARGUMENT);
    assert_int_equal(refused(HST_DTYPE_I8, HST_DTYPE_F32, 0, 0), HST_E_INVALID_ARGUMENT);
    assert_int_equal(refused(HST_DTYPE_F32, HST_DTYPE_Q4_0, 0, 0), HST_E_INVALID_ARGUMENT);
    assert_int_equal(refused((enum hst_dtype)0, HST_DTYPE_F16, 0, 0), HST_E_INVALID_ARGUMENT);
    assert_int_equal(refused(HST_DTYPE_F16, HST_DTYPE_F32, 1, 0), HST_E_INVALID_ARGUMENT);
    assert_int_equal(refused(HST_DTYPE_F16, HST_DTYPE_F32, 2, 2), HST_E_INVALID_ARGUMENT);
    assert_int_equal(refused(HST_DTYPE_F16, HST_DTYPE_F32, 2, 4), HST_OK);
}

/* Card and host convert between the same types. */
static void the_card_knows_what_the_host_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < HST_DTYPE_ROWS * HST_DTYPE_ROWS; i++) {
        enum hst_dtype from = hst_dtype_at(i / HST_DTYPE_ROWS)->dtype, to = hst_dtype_at(i % HST_DTYPE_ROWS)->dtype;
        assert_int_equal(hst_cuda_converts(from, to), hst_convert_find(from, to) != NULL);
    }
}

static int no_compiler(void **module, const void *image)
{
    (void)module, (void)image;
    return 221; /* CUDA_ERROR_JIT_COMPILER_NOT_FOUND */
}

static int no_function(void **function, void *module, const char *name)
{
    (void)function, (void)module, (void)name;
    return HST_CU_NOT_FOUND;
}

static int no_launch(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                     void *stream, void **parameters, void **extra)
{
    (void)function, (void)grid_x, (void)grid_y, (void)grid_z, (void)block_x, (void)block_y, (void)block_z, (void)shared_bytes, (void)stream, (void)parameters, (void)extra;
    return HST_CU_ILLEGAL_ADDRESS;
}

static void what_the_driver_refuses_is_said(void **state)
{
    struct hst_cuda_driver driver = *card.driver;
    struct hst_cuda_converter converter = {0};
    struct hst_error err = {0};
    (void)state;
    driver.cuModuleGetFunction = no_function;
    assert_int_equal(hst_cuda_converter_init(&driver, &converter, &err), HST_E_DEVICE_FAILED);
    driver.cuModuleLoadData = no_compiler;
    assert_int_equal(hst_cuda_converter_init(&driver, &converter, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "kernel"));
    assert_null(converter.driver);
    converter = card.converter;
    driver.cuLaunchKernel = no_launch;
    converter.driver = &driver;
    assert_int_equal(hst_cuda_convert(&converter, HST_DTYPE_F16, HST_DTYPE_F32, 0, 0, 1, NULL, &err), HST_E_DEVICE_LOST);
}

static void *pinned(size_t bytes)
{
    void *memory = NULL;
    assert_int_equal(card.driver->cuMemHostAlloc(&memory, bytes, 0), HST_CU_SUCCESS);
    return memory;
}

/* The double, unless HOIST_CUDA_DRIVER names another: that of a real card will do. */
static void choose_driver(void)
{
    char folder[1024], path[1100];
    struct hst_error err = {0};
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, &err), 0);
    snprintf(path, sizeof path, "%s/fakecuda/libcuda.so.1", folder);
    setenv("HOIST_CUDA_DRIVER", path, 0);
}

static int open_card(void **state)
{
    struct hst_error err = {0};
    int device = 0;
    (void)state;
    choose_driver();
    if (hst_cuda_driver_get(&card.driver, &err) != HST_OK) fail_msg("%s", err.text);
    assert_int_equal(card.driver->cuDeviceGet(&device, 0), HST_CU_SUCCESS);
    assert_int_equal(card.driver->cuCtxCreate(&card.context, HST_CU_CTX_BLOCKING_SYNC, device), HST_CU_SUCCESS);
    assert_int_equal(card.driver->cuStreamCreate(&card.stream, HST_CU_STREAM_NON_BLOCKING), HST_CU_SUCCESS);
    if (hst_cuda_converter_init(card.driver, &card.converter, &err) != HST_OK) fail_msg("%s", err.text);
    card.source = pinned(NUMBERS_MAX * 8);
    card.target = pinned(NUMBERS_MAX * 8 + 2 * GUARD);
    card.expected = malloc(NUMBERS_MAX * 8);
    return card.expected == NULL;
}

static int close_card(void **state)
{
    (void)state;
    free(card.expected);
    hst_cuda_converter_fini(&card.converter);
    hst_cuda_converter_fini(&card.converter);
    assert_int_equal(card.driver->cuMemFreeHost(card.source), HST_CU_SUCCESS);
    assert_int_equal(card.driver->cuMemFreeHost(card.target), HST_CU_SUCCESS);
    return card.driver->cuStreamDestroy(card.stream) != HST_CU_SUCCESS || card.driver->cuCtxDestroy(card.context) != HST_CU_SUCCESS;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_card_knows_what_the_host_does),
        cmocka_unit_test(every_f16_agrees),
        cmocka_unit_test(every_bf16_agrees),
        cmocka_unit_test(every_f8_agrees),
        cmocka_unit_test(f32_of_every_exponent_and_tie_agree),
        cmocka_unit_test(f64_of_every_exponent_and_tie_agree),
        cmocka_unit_test(f64_with_exponents_of_f32_agree),
        cmocka_unit_test(any_count_is_converted_and_nothing_else_written),
        cmocka_unit_test(more_numbers_than_there_are_threads_are_converted),
        cmocka_unit_test(other_types_and_addresses_are_refused),
        cmocka_unit_test(what_the_driver_refuses_is_said),
    };
    return cmocka_run_group_tests(tests, open_card, close_card);
}
