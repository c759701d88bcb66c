/* Conversions by looking up: where there are no vectors for them, a table of every short number beats computing. Tables are filled when they are first needed. */
#include "convert/kernels.h"

#include <pthread.h>

enum { CHUNK = 256 };

static const struct hst_converter *computed(int from, int to)
{
    for (size_t i = 0; i < HST_KERNEL_COUNT; i++)
        if ((int)hst_convert_portable[i].from == from && (int)hst_convert_portable[i].to == to) return &hst_convert_portable[i];
    return NULL; /* not for two types that differ */
}

/* Compute what every number of the source type becomes. The low bytes of the numbers are those of their patterns: little-endian. */
static void fill(int from, int to, uint8_t *table)
{
    const struct hst_converter *converter = computed(from, to);
    size_t patterns = (size_t)1 << (8 * converter->from_bytes);
    for (size_t first = 0; first < patterns; first += CHUNK) {
        uint8_t numbers[CHUNK * sizeof(uint16_t)];
        for (size_t i = 0; i < CHUNK; i++) {
            uint16_t pattern = (uint16_t)(first + i);
            memcpy(numbers + i * converter->from_bytes, &pattern, converter->from_bytes);
        }
        converter->run(numbers, table + first * converter->to_bytes, CHUNK);
    }
}

#define LOOKUP(from, to, from_type, to_type)                                                                                       \
    static to_type from##_to_##to##_table[1 << (8 * sizeof(from_type))];                                                           \
    static pthread_once_t from##_to_##to##_once = PTHREAD_ONCE_INIT;                                                               \
    static void fill_##from##_to_##to(void)                                                                                        \
    {                                                                                                                              \
        fill(HST_TYPE_##from, HST_TYPE_##to, (uint8_t *)from##_to_##to##_table);                                                   \
    }                                                                                                                              \
    static void from##_to_##to(const void *source, void *target, size_t count)                                                     \
    {                                                                                                                              \
        pthread_once(&from##_to_##to##_once, fill_##from##_to_##to);                                                               \
        for (size_t i = 0; i < count; i++) {                                                                                       \
            from_type number;                                                                                                      \
            memcpy(&number, (const uint8_t *)source + i * sizeof number, sizeof number);                                           \
            memcpy((uint8_t *)target + i * sizeof(to_type), &from##_to_##to##_table[number], sizeof(to_type));                     \
        }                                                                                                                          \
    }
LOOKUP(e4m3, e5m2, uint8_t, uint8_t)
LOOKUP(e5m2, e4m3, uint8_t, uint8_t)
LOOKUP(e4m3, f16, uint8_t, uint16_t)
LOOKUP(e4m3, bf16, uint8_t, uint16_t)
LOOKUP(e5m2, f16, uint8_t, uint16_t)
LOOKUP(e5m2, bf16, uint8_t, uint16_t)
LOOKUP(f16, e4m3, uint16_t, uint8_t)
LOOKUP(f16, e5m2, uint16_t, uint8_t)
LOOKUP(bf16, e4m3, uint16_t, uint8_t)
LOOKUP(bf16, e5m2, uint16_t, uint8_t)

const struct hst_converter hst_convert_tables[HST_TABLE_COUNT] = {
    HST_KERNEL_ROW(e4m3, e5m2) HST_KERNEL_ROW(e5m2, e4m3) HST_KERNEL_ROW(e4m3, f16) HST_KERNEL_ROW(e4m3, bf16) HST_KERNEL_ROW(e5m2, f16)
    HST_KERNEL_ROW(e5m2, bf16) HST_KERNEL_ROW(f16, e4m3) HST_KERNEL_ROW(f16, e5m2) HST_KERNEL_ROW(bf16, e4m3) HST_KERNEL_ROW(bf16, e5m2)};
