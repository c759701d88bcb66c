#ifndef HST_CACHE_LIMITS_H
#define HST_CACHE_LIMITS_H
/** @file
 * Limits of the RAM tier, each with its reason. */

/** Bytes brought in by one job of the fill: large enough for the disk to stream, small enough to cancel and to show progress. */
#define HST_FILL_PIECE_BYTES UINT64_C(16777216)
/** Threads that fill from one disk: a queue deep enough for NVMe; more gains nothing on the disks measured. */
#define HST_FILL_THREADS 8u
/** Disks that have threads of their own: those of a large machine. Files on more share them. */
#define HST_LANES_MAX 4u
/** Memory left to everybody else when admission is checked: below this the kernel starts to kill. */
#define HST_HEADROOM_BYTES UINT64_C(134217728)
/** Places of one content that are known: as many equal tensors (zeros, ones) of a component find a twin each, and a walk over them stays short. */
#define HST_TWIN_PLACES_MAX 64u
/** Part of a component's bytes that another load must be bringing in for it to be worth waiting for them. */
#define HST_TWINS_COMING_SHARE 8u
/** Bytes before the first tensor of a file that are held with its tensors: a GGUF keeps its vocabulary there, a few megabytes. */
#define HST_HEAD_BYTES_MAX UINT64_C(67108864)
/** Regions of others in which a component's tensors may lie: a client gets a descriptor of each, and an answer takes some sixty in all. */
#define HST_FOREIGN_REGIONS_MAX 8u
/** A region of which less is named than this is worth copying: what is gained is more than a seventh of what is moved. */
#define HST_THIN_SHARE 0.875
/** Bytes of equal tensors that are compared at once: two of them fit in the second-level cache. */
#define HST_COMPARE_BYTES UINT64_C(262144)
/** Bytes that are read and converted at once: the second-level cache has room for what is read and what becomes of it. */
#define HST_RECAST_BYTES UINT64_C(524288)
/** The same of what comes from a disk: it streams only when it is asked for much at a time, and reading takes longer than a miss of the cache. */
#define HST_RECAST_COLD_BYTES UINT64_C(4194304)
/** Where a converted tensor begins: a cache line, and what vector instructions want. */
#define HST_RECAST_ALIGNMENT UINT64_C(64)
/** Until a hoist-keeper that did not answer is asked again to let go of something: it may be stopped, or wait for a disk. */
#define HST_KEEP_RETRY_MS 1000u
/** Between two looks at page cache that may not be locked: what the kernel takes in a second is soon read again. */
#define HST_REFETCH_MS 1000u
#endif
