#include "formats/dtype.h"

#include "base/checked.h"

#include <string.h>

static const struct hst_dtype_info table[] = {
    {HST_DTYPE_BOOL, "BOOL", "bool", 1, 1},
    {HST_DTYPE_F4, "F4", "fp4", 2, 1},
    {HST_DTYPE_F6_E2M3, "F6_E2M3", "fp6", 4, 3},
    {HST_DTYPE_F6_E3M2, "F6_E3M2", "fp6", 4, 3},
    {HST_DTYPE_U8, "U8", "uint8", 1, 1},
    {HST_DTYPE_I8, "I8", "int8", 1, 1},
    {HST_DTYPE_F8_E5M2, "F8_E5M2", "fp8", 1, 1},
    {HST_DTYPE_F8_E4M3, "F8_E4M3", "fp8", 1, 1},
    {HST_DTYPE_F8_E8M0, "F8_E8M0", "fp8", 1, 1},
    {HST_DTYPE_F8_E4M3FNUZ, "F8_E4M3FNUZ", "fp8", 1, 1},
    {HST_DTYPE_F8_E5M2FNUZ, "F8_E5M2FNUZ", "fp8", 1, 1},
    {HST_DTYPE_I16, "I16", "int16", 1, 2},
    {HST_DTYPE_U16, "U16", "uint16", 1, 2},
    {HST_DTYPE_F16, "F16", "fp16", 1, 2},
    {HST_DTYPE_BF16, "BF16", "bf16", 1, 2},
    {HST_DTYPE_I32, "I32", "int32", 1, 4},
    {HST_DTYPE_U32, "U32", "uint32", 1, 4},
    {HST_DTYPE_F32, "F32", "fp32", 1, 4},
    {HST_DTYPE_C64, "C64", "complex64", 1, 8},
    {HST_DTYPE_F64, "F64", "fp64", 1, 8},
    {HST_DTYPE_I64, "I64", "int64", 1, 8},
    {HST_DTYPE_U64, "U64", "uint64", 1, 8},
    {HST_DTYPE_Q4_0, "Q4_0", "q4_0", 32, 18},
    {HST_DTYPE_Q4_1, "Q4_1", "q4_1", 32, 20},
    {HST_DTYPE_Q5_0, "Q5_0", "q5_0", 32, 22},
    {HST_DTYPE_Q5_1, "Q5_1", "q5_1", 32, 24},
    {HST_DTYPE_Q8_0, "Q8_0", "q8_0", 32, 34},
    {HST_DTYPE_Q8_1, "Q8_1", "q8_1", 32, 36},
    {HST_DTYPE_Q2_K, "Q2_K", "q2_k", 256, 84},
    {HST_DTYPE_Q3_K, "Q3_K", "q3_k", 256, 110},
    {HST_DTYPE_Q4_K, "Q4_K", "q4_k", 256, 144},
    {HST_DTYPE_Q5_K, "Q5_K", "q5_k", 256, 176},
    {HST_DTYPE_Q6_K, "Q6_K", "q6_k", 256, 210},
    {HST_DTYPE_Q8_K, "Q8_K", "q8_k", 256, 292},
    {HST_DTYPE_IQ2_XXS, "IQ2_XXS", "iq2_xxs", 256, 66},
    {HST_DTYPE_IQ2_XS, "IQ2_XS", "iq2_xs", 256, 74},
    {HST_DTYPE_IQ3_XXS, "IQ3_XXS", "iq3_xxs", 256, 98},
    {HST_DTYPE_IQ1_S, "IQ1_S", "iq1_s", 256, 50},
    {HST_DTYPE_IQ4_NL, "IQ4_NL", "iq4_nl", 32, 18},
    {HST_DTYPE_IQ3_S, "IQ3_S", "iq3_s", 256, 110},
    {HST_DTYPE_IQ2_S, "IQ2_S", "iq2_s", 256, 82},
    {HST_DTYPE_IQ4_XS, "IQ4_XS", "iq4_xs", 256, 136},
    {HST_DTYPE_IQ1_M, "IQ1_M", "iq1_m", 256, 56},
    {HST_DTYPE_TQ1_0, "TQ1_0", "tq1_0", 256, 54},
    {HST_DTYPE_TQ2_0, "TQ2_0", "tq2_0", 256, 66},
    {HST_DTYPE_MXFP4, "MXFP4", "mxfp4", 32, 17},
    {HST_DTYPE_NVFP4, "NVFP4", "nvfp4", 64, 36},
    {HST_DTYPE_Q1_0, "Q1_0", "q1_0", 128, 18},
    {HST_DTYPE_I4, "I4", "int4", 2, 1, true},
    {HST_DTYPE_U4, "U4", "uint4", 2, 1, true},
    {HST_DTYPE_I2, "I2", "int2", 4, 1, true},
    {HST_DTYPE_U2, "U2", "uint2", 4, 1, true},
};
/* Two runs of numbers: safetensors' from 1, those of GGML and ONNX from 64, so that a client can tell by its number that a type is packed. */
enum { ROWS = sizeof table / sizeof table[0], PLAIN_ROWS = 22, PACKED_FIRST = 64 };
_Static_assert(ROWS == HST_DTYPE_ROWS, "HST_DTYPE_ROWS is the number of rows");

const struct hst_dtype_info *hst_dtype_at(size_t row)
{
    return row < ROWS ? &table[row] : NULL;
}

size_t hst_dtype_row(enum hst_dtype dtype)
{
    return (int)dtype < PACKED_FIRST ? (size_t)dtype - 1 : (size_t)dtype - PACKED_FIRST + PLAIN_ROWS;
}

const struct hst_dtype_info *hst_dtype_info(enum hst_dtype dtype)
{
    const struct hst_dtype_info *info = hst_dtype_at(hst_dtype_row(dtype));
    return info != NULL && info->dtype == dtype ? info : NULL;
}

unsigned hst_dtype_bits(const struct hst_dtype_info *info)
{
    unsigned bits = 8 * info->block_bytes;
    return bits % info->block == 0 ? bits / info->block : 0;
}

enum hst_dtype hst_dtype_parse(const char *name, size_t length)
{
    for (size_t i = 0; i < PLAIN_ROWS; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0) return table[i].dtype;
    return (enum hst_dtype)0;
}

bool hst_dtype_bytes(enum hst_dtype dtype, uint64_t elements, uint64_t *ret_bytes)
{
    const struct hst_dtype_info *info = hst_dtype_info(dtype);
    bool begun = elements % info->block != 0;
    bool fits = (!begun || info->padded) && hst_checked_mul(elements / info->block + begun, info->block_bytes, ret_bytes);
    return fits && *ret_bytes <= INT64_MAX; /* no file is longer */
}
