#ifndef HST_OS_CLOCK_H
#define HST_OS_CLOCK_H
/** @file
 * Time: monotonic for durations, wall clock only to show to people. */
#include <stddef.h>
#include <stdint.h>

/** Monotonic time in nanoseconds (CLOCK_BOOTTIME). */
uint64_t hst_clock_ns(void);
/** Milliseconds since an earlier hst_clock_ns. */
double hst_clock_ms_since(uint64_t start_ns);
/** Wall clock in nanoseconds since 1970. */
int64_t hst_clock_wall_ns(void);
/** RFC 3339 UTC with milliseconds ("2026-01-31T12:00:00.000Z") into `out` of at least 32 bytes. */
void hst_clock_format(int64_t wall_ns, char *out, size_t out_size);
#endif
