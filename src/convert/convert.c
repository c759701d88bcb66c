#include "convert/kernels.h"

#include <stdatomic.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

static bool has_always(void)
{
    return true;
}

#ifdef __x86_64__
/* Not every compiler's __builtin_cpu_supports knows F16C. */
static bool has_avx2(void)
{
    unsigned a, b, c = 0, d;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

/* By enum hst_convert_path. */
static const struct {
    const struct hst_converter *converters;
    bool (*has)(void);
} paths[] = {
    {hst_convert_portable, has_always},
#ifdef __x86_64__
    {hst_convert_avx2, has_avx2},
    {hst_convert_avx512, has_avx512},
#endif
};
enum { PATHS = sizeof paths / sizeof paths[0] };

static _Atomic(int) chosen = -1;

static bool has(enum hst_convert_path path)
{
    return (size_t)path < PATHS && paths[path].has();
}

enum hst_convert_path hst_convert_path(void)
{
    int path = PATHS - 1;
    while (!paths[path].has())
        path--;
    return (enum hst_convert_path)path;
}

bool hst_convert_use(enum hst_convert_path path)
{
    if (!has(path)) return false;
    chosen = (int)path;
    return true;
}

const struct hst_converter *hst_convert_find_on(enum hst_convert_path path, enum hst_dtype from, enum hst_dtype to)
{
    for (size_t i = 0; has(path) && i < HST_KERNEL_COUNT; i++)
        if (paths[path].converters[i].from == from && paths[path].converters[i].to == to) return &paths[path].converters[i];
    return NULL;
}

const struct hst_converter *hst_convert_find(enum hst_dtype from, enum hst_dtype to)
{
    if (chosen < 0) chosen = (int)hst_convert_path();
    return hst_convert_find_on((enum hst_convert_path)chosen, from, to);
}

bool hst_convert_knows(enum hst_dtype dtype)
{
    return dtype == HST_DTYPE_F32 || hst_convert_find_on(HST_CONVERT_PORTABLE, HST_DTYPE_F32, dtype) != NULL;
}
