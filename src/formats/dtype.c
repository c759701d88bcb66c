#include "formats/dtype.h"

#include "base/checked.h"

#include <string.h>

static const struct hst_dtype_info table[] = {
    {HST_DTYPE_BOOL, "BOOL", "bool", 8},
    {HST_DTYPE_F4, "F4", "fp4", 4},
    {HST_DTYPE_F6_E2M3, "F6_E2M3", "fp6", 6},
    {HST_DTYPE_F6_E3M2, "F6_E3M2", "fp6", 6},
    {HST_DTYPE_U8, "U8", "uint8", 8},
    {HST_DTYPE_I8, "I8", "int8", 8},
    {HST_DTYPE_F8_E5M2, "F8_E5M2", "fp8", 8},
    {HST_DTYPE_F8_E4M3, "F8_E4M3", "fp8", 8},
    {HST_DTYPE_F8_E8M0, "F8_E8M0", "fp8", 8},
    {HST_DTYPE_F8_E4M3FNUZ, "F8_E4M3FNUZ", "fp8", 8},
    {HST_DTYPE_F8_E5M2FNUZ, "F8_E5M2FNUZ", "fp8", 8},
    {HST_DTYPE_I16, "I16", "int16", 16},
    {HST_DTYPE_U16, "U16", "uint16", 16},
    {HST_DTYPE_F16, "F16", "fp16", 16},
    {HST_DTYPE_BF16, "BF16", "bf16", 16},
    {HST_DTYPE_I32, "I32", "int32", 32},
    {HST_DTYPE_U32, "U32", "uint32", 32},
    {HST_DTYPE_F32, "F32", "fp32", 32},
    {HST_DTYPE_C64, "C64", "complex64", 64},
    {HST_DTYPE_F64, "F64", "fp64", 64},
    {HST_DTYPE_I64, "I64", "int64", 64},
    {HST_DTYPE_U64, "U64", "uint64", 64},
};
enum { ROWS = sizeof table / sizeof table[0] };

const struct hst_dtype_info *hst_dtype_info(enum hst_dtype dtype)
{
    unsigned row = (unsigned)dtype - 1;
    return row < ROWS ? &table[row] : NULL;
}

enum hst_dtype hst_dtype_parse(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0) return table[i].dtype;
    return (enum hst_dtype)0;
}

bool hst_dtype_bytes(enum hst_dtype dtype, uint64_t elements, uint64_t *ret_bytes)
{
    uint64_t bits;
    if (!hst_checked_mul(elements, hst_dtype_info(dtype)->bits, &bits) || bits % 8 != 0) return false;
    *ret_bytes = bits / 8;
    return true;
}
