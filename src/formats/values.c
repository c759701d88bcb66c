/* Blocks that fit into the innermost cache are looked at twice at most: first whether there is anything to count, in operations that compilers
 * turn into vectors; then, which most models never need, how much. */
#include "formats/values.h"

#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3") /* GCC makes no vectors of loops of unknown length at -O2 */
#endif

enum { BLOCK = 4096 };

/* How numbers of a type are told apart. */
struct kind {
    enum hst_dtype dtype;
    void (*add)(struct hst_values *values, const struct kind *kind, const void *bytes, size_t size_bytes);
    uint64_t finite;   /* largest finite number by its bits; what is above is infinite or NaN */
    bool has_infinity; /* infinity is the next; without it, all above is NaN */
};

/* A type whose bits without the sign grow with the number. Adding what the largest finite one lacks to the largest of all sets the sign bit
 * for exactly those beyond it. */
#define ADD(bits)                                                                                                                      \
    static void add_##bits(struct hst_values *values, const struct kind *kind, const void *bytes, size_t size_bytes)                   \
    {                                                                                                                                  \
        const uint##bits##_t *x = bytes, most = (uint##bits##_t)-1 >> 1, finite = (uint##bits##_t)kind->finite;                        \
        const uint##bits##_t lacks = (uint##bits##_t)(most - finite), infinity = (uint##bits##_t)(finite + 1);                               \
        size_t count = size_bytes / sizeof *x;                                                                                         \
        uint##bits##_t any = 0, beyond = 0;                                                                                            \
        for (size_t i = 0; i < count; i++) {                                                                                           \
            any |= (uint##bits##_t)(x[i] & most);                                                                                      \
            beyond |= (uint##bits##_t)((x[i] & most) + lacks);                                                                         \
        }                                                                                                                              \
        values->nonzero = values->nonzero || any != 0;                                                                                 \
        size_t above = 0, infinite = 0;                                                                                                \
        for (size_t i = 0; beyond > most && i < count; i++) {                                                                          \
            above += (x[i] & most) > finite;                                                                                           \
            infinite += (x[i] & most) == infinity;                                                                                     \
        }                                                                                                                              \
        if (!kind->has_infinity) infinite = 0;                                                                                         \
        values->infinite += infinite;                                                                                                  \
        values->nan += above - infinite;                                                                                               \
    }
ADD(8)
ADD(16)
ADD(32)
ADD(64)

/* A type whose only NaN is one byte (`finite` is that byte). */
static void add_marked(struct hst_values *values, const struct kind *kind, const void *bytes, size_t size_bytes)
{
    const uint8_t *x = bytes, nan = (uint8_t)kind->finite;
    uint8_t any = 0;
    size_t found = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        any |= x[i];
        found += x[i] == nan;
    }
    values->nan += found;
    values->nonzero = values->nonzero || any != 0 || kind->dtype == HST_DTYPE_F8_E8M0; /* 0 is 2 to the power of -127 there */
}

/* A type that is not decoded, or of which every bit pattern is a number. */
static void add_bytes(struct hst_values *values, const struct kind *kind, const void *bytes, size_t size_bytes)
{
    const uint8_t *x = bytes;
    uint8_t any = 0;
    (void)kind;
    for (size_t i = 0; i < size_bytes; i++)
        any |= x[i];
    values->nonzero = values->nonzero || any != 0;
}

static const struct kind kinds[] = {
    {HST_DTYPE_F16, add_16, 0x7bff, true},
    {HST_DTYPE_BF16, add_16, 0x7f7f, true},
    {HST_DTYPE_F32, add_32, 0x7f7fffff, true},
    {HST_DTYPE_F64, add_64, 0x7fefffffffffffff, true},
    {HST_DTYPE_C64, add_32, 0x7f7fffff, true},
    {HST_DTYPE_F8_E4M3, add_8, 0x7e, false},
    {HST_DTYPE_F8_E5M2, add_8, 0x7b, true},
    {HST_DTYPE_F8_E4M3FNUZ, add_marked, 0x80, false},
    {HST_DTYPE_F8_E5M2FNUZ, add_marked, 0x80, false},
    {HST_DTYPE_F8_E8M0, add_marked, 0xff, false},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };
static const struct kind other = {.add = add_bytes};

static const struct kind *kind_of(enum hst_dtype dtype)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].dtype == dtype) return &kinds[i];
    return &other;
}

void hst_values_add(struct hst_values *values, enum hst_dtype dtype, const void *bytes, size_t size_bytes)
{
    const struct kind *kind = kind_of(dtype);
    for (size_t at = 0; at < size_bytes; at += BLOCK)
        kind->add(values, kind, (const uint8_t *)bytes + at, size_bytes - at < BLOCK ? size_bytes - at : BLOCK);
}

bool hst_values_decodes(enum hst_dtype dtype)
{
    const struct hst_dtype_info *info = hst_dtype_info(dtype);
    return info != NULL && info->block == 1;
}
