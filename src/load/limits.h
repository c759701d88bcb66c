#ifndef HST_LOAD_LIMITS_H
#define HST_LOAD_LIMITS_H
/** @file
 * Limits of loading, each with its reason. */

/** Finished jobs that are kept for GET /api/model/jobs: an hour of one load every ten seconds. */
#define HST_JOBS_KEPT 360u
/** Jobs that may wait or run: beyond that somebody asks without listening. */
#define HST_JOBS_ACTIVE_MAX 1024u
/** Groups of components that share memory with each other, as far as a plan counts what they free together: beyond it each counts for itself. */
#define HST_GROUPS_MAX 32u
/** Models, devices and precisions, and kinds of work, of which it is known how long they take: some 700 bytes each. */
#define HST_EXPERIENCES_MAX 4096u
/** Threads that check files and talk to devices: one a component of a usual pipeline. */
#define HST_LOAD_THREADS 4u
/** Until what is known to lie in memory twice is shared: one load often follows another, and comparing bytes takes memory bandwidth. */
#define HST_SHARE_MS 1000u
/** Records of evictions that are kept: an afternoon of a machine that is too small, a third of a megabyte. */
#define HST_DECISIONS_KEPT 256u
/** What is evicted and brought back within this time was evicted by mistake, or RAM is too small. */
#define HST_THRASH_SECONDS 300
/** Models that are named when their memory is shared: enough to say whose it is. */
#define HST_SHARERS_MAX 8u
/** How often a load that finds less room than it planned with plans again. */
#define HST_REPLANS_MAX 3u
/** Between two looks at whether memory of ours has holes worth closing, when nothing is loaded: it costs nothing to look. */
#define HST_REARRANGE_MS 30000u
/** Between two looks at whose time to live is over: it is said in seconds. */
#define HST_TTL_LOOK_MS 500u
/** Between two looks at the machine's memory while there is enough, and while there is not: each reads some small files. */
#define HST_PRESSURE_LOOK_MS 1000u
/** See HST_PRESSURE_LOOK_MS. */
#define HST_PRESSURE_SHORT_MS 100u
/** Percent of the last ten seconds that some task waited for memory from which on twice the reserve is wanted: below it the kernel copes. */
#define HST_PRESSURE_SOME 10.0
/** The kernel is to tell when tasks waited for so long of the window, the same share; a window of two seconds needs no privilege. */
#define HST_PRESSURE_STALL_MS 200u
/** See HST_PRESSURE_STALL_MS. */
#define HST_PRESSURE_WINDOW_MS 2000u
/** Components that are given back in one step: the loop goes on to others in between. */
#define HST_GIVEBACK_MOST 4u
/** Smaller tensors are not shared on a device: a block that cannot go costs more than they do, and a client maps all of a segment. */
#define HST_DEVICE_SHARE_BYTES UINT64_C(65536)
/** Between two looks at how far the copies to devices are, while there are any: ten times a second is smooth. */
#define HST_COPY_LOOK_MS 100u
/** Until what a device has lost is loaded again: drivers take about a second to reset one. */
#define HST_LOST_RETRY_MS 1000u
/** It is tried again after twice as long each time, but at least so often. */
#define HST_LOST_RETRY_MS_MAX 60000u
#endif
