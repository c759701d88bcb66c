#ifndef HST_OS_MEMINFO_H
#define HST_OS_MEMINFO_H
/** @file
 * How much memory the machine and our cgroup have. */
#include <stdint.h>

/** What the kernel says. UINT64_MAX = no limit, or not known. */
struct hst_meminfo {
    uint64_t total_bytes;     /**< the smaller of MemTotal and the cgroup's limit */
    uint64_t available_bytes; /**< MemAvailable */
    uint64_t limit_bytes;     /**< of our cgroup and those above it, the least: memory.max or memory.high, v1 too */
    uint64_t left_bytes;      /**< of these limits, the least that is left: page cache that the kernel can take back is not counted as used */
    uint64_t headroom_bytes;  /**< the smaller of available_bytes and left_bytes: what may be allocated without being killed for it */
};

/** Read it. Some small files: microseconds. */
struct hst_meminfo hst_meminfo_read(void);
/** total_bytes of it. */
uint64_t hst_meminfo_total_bytes(void);
/** headroom_bytes of it. */
uint64_t hst_meminfo_headroom_bytes(void);
/** Folders of our memory cgroup (v1 or v2) and those above it, the innermost first: calls `fn` with each, "" at the root. `version` is 2 or 1. */
void hst_meminfo_each_cgroup(void (*fn)(void *context, const char *folder, int version), void *context);
#endif
