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
    size_t tables; /* of hst_convert_tables so many are faster */
    bool (*has)(void);
} paths[] = {
    {hst_convert_portable, HST_TABLE_COUNT, has_always},
#ifdef __x86_64__
    {hst_convert_avx2, HST_TABLES_OF_BYTES, has_avx2},
    {hst_convert_avx512, 0, has_avx512},
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

static const struct hst_converter *find_in(const struct hst_converter *converters, size_t count, enum hst_dtype from, enum hst_dtype to)
{
    for (size_t i = 0; i < count; i++)
        if (converters[i].from == from && converters[i].to == to) return &converters[i];
    return NULL;
}

static const struct hst_converter *find_on(int path, enum hst_dtype from, enum hst_dtype to)
{
    const struct hst_converter *found = find_in(hst_convert_tables, paths[path].tables, from, to);
    return found != NULL ? found : find_in(paths[path].converters, HST_KERNEL_COUNT, from, to);
}

const struct hst_converter *hst_convert_find_on(enum hst_convert_path path, enum hst_dtype from, enum hst_dtype to)
{
    return has(path) ? find_on((int)path, from, to) : NULL;
}

const struct hst_converter *hst_convert_find(enum hst_dtype from, enum hst_dtype to)
{
    if (chosen < 0) chosen = (int)hst_convert_path();
    return find_on(chosen, from, to); /* without asking the processor, which takes long in a virtual machine */
}

bool hst_convert_knows(enum hst_dtype dtype)
{
    return dtype == HST_DTYPE_F32 || find_in(hst_convert_portable, HST_KERNEL_COUNT, HST_DTYPE_F32, dtype) != NULL;
}
