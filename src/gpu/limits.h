#ifndef HST_GPU_LIMITS_H
#define HST_GPU_LIMITS_H
/** @file
 * Limits of hoist-device and of who speaks to it, each with its reason. */

/** Most segments of a memory: 256 of 4 GiB are more than a card has. */
#define HST_GPU_SEGMENTS_MAX 256u
/** Most files that one call reads: shards of the largest models are some 200. With the segments, within a process's descriptors. */
#define HST_GPU_SOURCES_MAX 1024u
/** Most runs of bytes of one call: a table of tensors has no more, and 160 MB of them fit in memory for a moment. */
#define HST_GPU_EXTENTS_MAX 4194304u
/** Without a sign of life for so long, a process is killed: the slowest driver call known (a context on a machine with eight cards that slept) takes some
 * seconds, and a disk that delivers nothing for half a minute will not deliver. */
#define HST_GPU_LIMIT_MS 30000u
/** How soon a wish to cancel is passed on, and how often progress is told: often enough for people, rare enough to cost nothing. */
#define HST_GPU_LOOK_MS 50
/** Without work for so long, a process ends, and its context with it (some 500 MB of the card). */
#define HST_GPU_IDLE_SECONDS 30u
/** Channels that a process has at most: as many calls at once. hoistd has a fraction of that in threads that load. */
#define HST_GPU_CHANNELS_MAX 256u
/** Processes that may end one after the other without a result before the next waits. */
#define HST_GPU_FREE_FAILURES 4u
/** How long it waits then, doubled with each that fails as well, ... */
#define HST_GPU_RETRY_MS 100u
/** ... up to this. */
#define HST_GPU_RETRY_MS_MAX 10000u
/** A slot of the ring between files and the card: 4 MiB keep a link of 64 GB/s busy for 65 us, ten times what starting a copy costs. */
#define HST_GPU_SLOT_BYTES UINT64_C(4194304)
/** Slots of a lane: one is read into while the other is copied. */
#define HST_GPU_SLOTS 2u
/** Lanes of one transfer, each a thread and a stream: a link of PCIe 5 takes several times what one thread copies out of RAM. Not yet tried on a card. */
#define HST_GPU_LANES 8u
/** Bytes for which one more lane is worth being made: pinning its 8 MiB takes as long as a fast link takes for many times that (0.34 s/GiB are reported). */
#define HST_GPU_LANE_BYTES UINT64_C(33554432)
/** Lanes of a process, whoever uses them: 32 x 8 MiB = 256 MiB of pinned memory at most. */
#define HST_GPU_LANES_MAX 32u
/** What a lane has on the card for numbers that are converted there, once it has such: what the smallest allocation takes. 32 of them are 64 MiB. */
#define HST_GPU_STAGING_BYTES UINT64_C(2097152)
/** Runs of bytes in one slot: small tensors share a slot, and its bookkeeping stays small. */
#define HST_GPU_PARTS_MAX 256u
/** A rest that is not in the page cache is read past it from this size on: below, the page cache is as quick. */
#define HST_GPU_DIRECT_BYTES UINT64_C(262144)
#endif
