/* What instructions of PTX compute. A register holds 64 bits; above the width of its type they are zero. */
#include "ptx_ops.h"

#include <string.h>

static float f32(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static double f64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A NaN that is computed is this one, whichever went in. */
static uint64_t of_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? 0x7fffffff : bits;
}

/* The ISA does not say which NaN of 64 bits comes out: one that no test of ours expects. */
static uint64_t of_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? UINT64_C(0xfff8dead00000001) : bits;
}

#define A(type) ((type)s[0])
#define B(type) ((type)s[1])
#define C(type) ((type)s[2])
#define COMPUTE(name, expression)                                                                                                  \
    static uint64_t name(const uint64_t *s)                                                                                        \
    {                                                                                                                              \
        return (uint64_t)(expression);                                                                                             \
    }

/* Sums and products are the same for signed numbers; what is too wide is cut off. */
COMPUTE(add, s[0] + s[1])
COMPUTE(sub, s[0] - s[1])
COMPUTE(mul, s[0] * s[1])
COMPUTE(mad, s[0] * s[1] + s[2])
COMPUTE(and, s[0] & s[1])
COMPUTE(or, s[0] | s[1])
COMPUTE(xor, s[0] ^ s[1])
COMPUTE(not, ~s[0])
COMPUTE(not_pred, !s[0])
COMPUTE(mov, s[0])
COMPUTE(selp, s[2] ? s[0] : s[1])
COMPUTE(widen_s32, (int64_t)A(int32_t))
COMPUTE(mul_wide_s32, (int64_t)A(int32_t) * B(int32_t))
COMPUTE(mad_wide_s32, (uint64_t)((int64_t)A(int32_t) * B(int32_t)) + s[2])

/* Shifts by more than there are bits shift all of them out; the amount has 32 bits. */
COMPUTE(shl_32, s[1] > 31 ? 0 : s[0] << s[1])
COMPUTE(shl_64, s[1] > 63 ? 0 : s[0] << s[1])
COMPUTE(shr_u32, s[1] > 31 ? 0 : s[0] >> s[1])
COMPUTE(shr_u64, s[1] > 63 ? 0 : s[0] >> s[1])
COMPUTE(shr_s32, A(int32_t) >> (s[1] > 31 ? 31 : s[1]))
COMPUTE(shr_s64, A(int64_t) >> (s[1] > 63 ? 63 : s[1]))

#define FOR_INTEGERS(each) each(u32, uint32_t, U32) each(s32, int32_t, S32) each(u64, uint64_t, U64) each(s64, int64_t, S64)
#define COMPARE(name, type)                                                                                                        \
    COMPUTE(eq_##name, A(type) == B(type))                                                                                         \
    COMPUTE(ne_##name, A(type) != B(type))                                                                                         \
    COMPUTE(lt_##name, A(type) < B(type))                                                                                          \
    COMPUTE(le_##name, A(type) <= B(type))                                                                                         \
    COMPUTE(gt_##name, A(type) > B(type))                                                                                          \
    COMPUTE(ge_##name, A(type) >= B(type))
#define INTEGERS(name, type, TYPE)                                                                                                 \
    COMPARE(name, type)                                                                                                            \
    COMPUTE(min_##name, A(type) < B(type) ? A(type) : B(type))                                                                     \
    COMPUTE(max_##name, A(type) > B(type) ? A(type) : B(type))
FOR_INTEGERS(INTEGERS)

/* Rounded to the nearest, ties to even, as the host does it; subnormals are kept. */
#define FOR_FLOATS(each) each(f32, F32) each(f64, F64)
#define FLOATS(name, TYPE)                                                                                                         \
    COMPUTE(add_##name, of_##name(name(s[0]) + name(s[1])))                                                                        \
    COMPUTE(sub_##name, of_##name(name(s[0]) - name(s[1])))                                                                        \
    COMPUTE(mul_##name, of_##name(name(s[0]) * name(s[1])))                                                                        \
    COMPUTE(eq_##name, name(s[0]) == name(s[1]))                                                                                   \
    COMPUTE(ne_##name, name(s[0]) < name(s[1]) || name(s[0]) > name(s[1]))                                                         \
    COMPUTE(lt_##name, name(s[0]) < name(s[1]))                                                                                    \
    COMPUTE(le_##name, name(s[0]) <= name(s[1]))                                                                                   \
    COMPUTE(gt_##name, name(s[0]) > name(s[1]))                                                                                    \
    COMPUTE(ge_##name, name(s[0]) >= name(s[1]))                                                                                   \
    COMPUTE(num_##name, name(s[0]) == name(s[0]) && name(s[1]) == name(s[1]))                                                      \
    COMPUTE(nan_##name, name(s[0]) != name(s[0]) || name(s[1]) != name(s[1]))
FOR_FLOATS(FLOATS)
COMPUTE(f32_of_f64, of_f32((float)f64(s[0])))
COMPUTE(f64_of_f32, of_f64((double)f32(s[0])))

#define ONE(name, TYPE, function) {name, PTX_COMPUTE, {PTX_##TYPE, PTX_##TYPE}, function},
#define TWO(name, TYPE, function) {name, PTX_COMPUTE, {PTX_##TYPE, PTX_##TYPE, PTX_##TYPE}, function},
#define THREE(name, TYPE, function) {name, PTX_COMPUTE, {PTX_##TYPE, PTX_##TYPE, PTX_##TYPE, PTX_##TYPE}, function},
#define SETP(name, TYPE, function) {"setp." name, PTX_COMPUTE, {PTX_PRED, PTX_##TYPE, PTX_##TYPE}, function},
#define SHIFT(name, TYPE, function) {name, PTX_COMPUTE, {PTX_##TYPE, PTX_##TYPE, PTX_U32}, function},
#define ROW_COMPARE(name, TYPE)                                                                                                    \
    SETP("eq." #name, TYPE, eq_##name) SETP("ne." #name, TYPE, ne_##name) SETP("lt." #name, TYPE, lt_##name)                       \
    SETP("le." #name, TYPE, le_##name) SETP("gt." #name, TYPE, gt_##name) SETP("ge." #name, TYPE, ge_##name)
#define ROW_INTEGERS(name, type, TYPE)                                                                                             \
    ROW_COMPARE(name, TYPE) TWO("add." #name, TYPE, add) TWO("sub." #name, TYPE, sub) TWO("mul.lo." #name, TYPE, mul)              \
    THREE("mad.lo." #name, TYPE, mad) TWO("min." #name, TYPE, min_##name) TWO("max." #name, TYPE, max_##name)
#define ROW_FLOATS(name, TYPE)                                                                                                     \
    ROW_COMPARE(name, TYPE) SETP("num." #name, TYPE, num_##name) SETP("nan." #name, TYPE, nan_##name)                              \
    TWO("add.rn." #name, TYPE, add_##name) TWO("sub.rn." #name, TYPE, sub_##name) TWO("mul.rn." #name, TYPE, mul_##name)
#define ROW_BITS(name, TYPE)                                                                                                       \
    TWO("and." name, TYPE, and) TWO("or." name, TYPE, or) TWO("xor." name, TYPE, xor)
#define ROW_MOVES(name, TYPE)                                                                                                      \
    ONE("mov." name, TYPE, mov) {"selp." name, PTX_COMPUTE, {PTX_##TYPE, PTX_##TYPE, PTX_##TYPE, PTX_PRED}, selp},
#define ROW_MEMORY(name, TYPE) {"ld.global." name, PTX_LOAD, {PTX_##TYPE, PTX_U64}, NULL}, {"st.global." name, PTX_STORE, {PTX_U64, PTX_##TYPE}, NULL},
#define ROW_PARAMETER(name, TYPE) {"ld.param." name, PTX_PARAMETER, {PTX_##TYPE, PTX_##TYPE}, NULL},

static const struct ptx_op ops[] = {
    FOR_INTEGERS(ROW_INTEGERS) FOR_FLOATS(ROW_FLOATS)
    ROW_BITS("b32", B32) ROW_BITS("b64", B64) ROW_BITS("pred", PRED) ONE("not.b32", B32, not) ONE("not.b64", B64, not) ONE("not.pred", PRED, not_pred)
    SETP("eq.b32", B32, eq_u32) SETP("ne.b32", B32, ne_u32) SETP("eq.b64", B64, eq_u64) SETP("ne.b64", B64, ne_u64)
    ROW_MOVES("b32", B32) ROW_MOVES("u32", U32) ROW_MOVES("s32", S32) ROW_MOVES("f32", F32)
    ROW_MOVES("b64", B64) ROW_MOVES("u64", U64) ROW_MOVES("s64", S64) ROW_MOVES("f64", F64) ONE("mov.pred", PRED, mov)
    SHIFT("shl.b32", B32, shl_32) SHIFT("shl.b64", B64, shl_64) SHIFT("shr.b32", B32, shr_u32) SHIFT("shr.b64", B64, shr_u64)
    SHIFT("shr.u32", U32, shr_u32) SHIFT("shr.u64", U64, shr_u64) SHIFT("shr.s32", S32, shr_s32) SHIFT("shr.s64", S64, shr_s64)
    {"mul.wide.u32", PTX_COMPUTE, {PTX_U64, PTX_U32, PTX_U32}, mul}, {"mul.wide.s32", PTX_COMPUTE, {PTX_S64, PTX_S32, PTX_S32}, mul_wide_s32},
    {"mad.wide.u32", PTX_COMPUTE, {PTX_U64, PTX_U32, PTX_U32, PTX_U64}, mad}, {"mad.wide.s32", PTX_COMPUTE, {PTX_S64, PTX_S32, PTX_S32, PTX_S64}, mad_wide_s32},
    {"cvt.u64.u32", PTX_COMPUTE, {PTX_U64, PTX_U32}, mov}, {"cvt.u32.u64", PTX_COMPUTE, {PTX_U32, PTX_U64}, mov},
    {"cvt.s64.s32", PTX_COMPUTE, {PTX_S64, PTX_S32}, widen_s32}, {"cvt.rn.f32.f64", PTX_COMPUTE, {PTX_F32, PTX_F64}, f32_of_f64},
    {"cvt.f64.f32", PTX_COMPUTE, {PTX_F64, PTX_F32}, f64_of_f32}, ONE("cvta.to.global.u64", U64, mov)
    ROW_MEMORY("b8", B8) ROW_MEMORY("b16", B16) ROW_MEMORY("b32", B32) ROW_MEMORY("b64", B64)
    ROW_MEMORY("u8", U8) ROW_MEMORY("u16", U16) ROW_MEMORY("u32", U32) ROW_MEMORY("u64", U64)
    ROW_MEMORY("s8", S8) ROW_MEMORY("s16", S16) ROW_MEMORY("s32", S32) ROW_MEMORY("s64", S64) ROW_MEMORY("f32", F32) ROW_MEMORY("f64", F64)
    ROW_PARAMETER("b32", B32) ROW_PARAMETER("b64", B64) ROW_PARAMETER("u32", U32) ROW_PARAMETER("u64", U64) ROW_PARAMETER("s32", S32)
    ROW_PARAMETER("s64", S64) ROW_PARAMETER("f32", F32) ROW_PARAMETER("f64", F64)
    {"bra", PTX_BRANCH, {PTX_NONE}, NULL}, {"bra.uni", PTX_BRANCH, {PTX_NONE}, NULL}, {"ret", PTX_END, {PTX_NONE}, NULL},
};

static const struct {
    const char *name;
    unsigned bytes;
} types[] = {
    [PTX_PRED] = {".pred", 1}, [PTX_B8] = {".b8", 1}, [PTX_B16] = {".b16", 2}, [PTX_B32] = {".b32", 4}, [PTX_B64] = {".b64", 8},
    [PTX_U8] = {".u8", 1}, [PTX_U16] = {".u16", 2}, [PTX_U32] = {".u32", 4}, [PTX_U64] = {".u64", 8},
    [PTX_S8] = {".s8", 1}, [PTX_S16] = {".s16", 2}, [PTX_S32] = {".s32", 4}, [PTX_S64] = {".s64", 8}, [PTX_F32] = {".f32", 4}, [PTX_F64] = {".f64", 8},
};

const struct ptx_op *ptx_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strcmp(ops[i].name, name) == 0) return &ops[i];
    return NULL;
}

enum ptx_type ptx_type_find(const char *name)
{
    for (size_t i = PTX_PRED; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) return (enum ptx_type)i;
    return PTX_NONE;
}

unsigned ptx_type_bytes(enum ptx_type type)
{
    return types[type].bytes;
}

bool ptx_type_is_float(enum ptx_type type)
{
    return type == PTX_F32 || type == PTX_F64;
}

static bool is_bits(enum ptx_type type)
{
    return type >= PTX_B8 && type <= PTX_B64;
}

/* The table "Operand type checking rules" of the ISA, and those below it for registers that are wider. */
bool ptx_type_fits(enum ptx_type has, enum ptx_type wants, bool is_moved)
{
    if (has == PTX_PRED || wants == PTX_PRED) return has == wants;
    if (ptx_type_is_float(has) != ptx_type_is_float(wants) && !is_bits(has) && !is_bits(wants)) return false;
    if (ptx_type_bytes(has) == ptx_type_bytes(wants)) return true;
    return is_moved && ptx_type_bytes(has) > ptx_type_bytes(wants) && !ptx_type_is_float(has) && !ptx_type_is_float(wants);
}

uint64_t ptx_type_widen(enum ptx_type type, uint64_t bits)
{
    unsigned above = 64 - 8 * ptx_type_bytes(type);
    if (type == PTX_PRED) return bits & 1;
    if (type >= PTX_S8 && type <= PTX_S64) return (uint64_t)((int64_t)(bits << above) >> above);
    return bits << above >> above;
}
