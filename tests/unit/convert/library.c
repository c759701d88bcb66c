/* The conversions for tests/python/test_convert.py and bench/convert.py, by ctypes. */
#include "convert/convert.h"

/* Convert on a path. Returns whether the machine has it, and such a conversion exists. */
__attribute__((visibility("default"))) int convert_on(int path, int from, int to, const void *source, void *target, size_t count);

int convert_on(int path, int from, int to, const void *source, void *target, size_t count)
{
    const struct hst_converter *converter = hst_convert_find_on((enum hst_convert_path)path, (enum hst_dtype)from, (enum hst_dtype)to);
    if (converter != NULL) converter->run(source, target, count);
    return converter != NULL;
}
