/* How fast values are counted: "TYPE GIB_PER_S" lines for 256 MiB of each type, medians of five, and "memory" for adding the same bytes up. */
#include "formats/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3") /* as in values.c, so that the limit is one */
#endif

enum { BYTES = 256 << 20, REPEATS = 5 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The limit: every byte is read, and nothing else is done with it. */
static uint64_t add_up(const uint64_t *words, size_t count)
{
    uint64_t sums[8] = {0};
    for (size_t i = 0; i < count; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sums[lane] += words[i + lane];
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
}

static void measure(const char *name, enum hst_dtype dtype, const void *bytes)
{
    double times[REPEATS];
    uint64_t found = 0;
    for (int i = 0; i < REPEATS; i++) {
        struct hst_values values = {0};
        double began = now();
        if (dtype == 0)
            found += add_up(bytes, BYTES / 8);
        else
            hst_values_add(&values, dtype, bytes, BYTES);
        times[i] = now() - began;
        found += values.nan;
    }
    qsort(times, REPEATS, sizeof times[0], by_size);
    printf("%s %.2f%s\n", name, BYTES / times[REPEATS / 2] / (1 << 30), found == UINT64_MAX ? " " : "");
}

int main(void)
{
    static const enum hst_dtype dtypes[] = {HST_DTYPE_F64, HST_DTYPE_F32, HST_DTYPE_BF16, HST_DTYPE_F16, HST_DTYPE_F8_E4M3, HST_DTYPE_F8_E5M2, HST_DTYPE_F8_E4M3FNUZ, HST_DTYPE_Q4_K};
    uint64_t *words = aligned_alloc(4096, BYTES), state = 1;
    if (words == NULL) return 1;
    for (size_t i = 0; i < BYTES / 8; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        words[i] = state & UINT64_C(0x3f3f3f3f3f3f3f3f); /* finite in every type */
    }
    measure("memory", (enum hst_dtype)0, words);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        measure(hst_dtype_info(dtypes[i])->name, dtypes[i], words);
    free(words);
    return 0;
}
