#ifndef HST_OS_MEMINFO_H
#define HST_OS_MEMINFO_H
/** @file
 * How much memory the machine and our cgroup have. */
#include <stdint.h>

/** The smaller of MemTotal and the cgroup's limit (v1 or v2), in bytes. */
uint64_t hst_meminfo_total_bytes(void);
/** What may be allocated now without being killed for it: the smaller of MemAvailable and what the cgroup's limit leaves. */
uint64_t hst_meminfo_headroom_bytes(void);
#endif
