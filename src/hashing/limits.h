#ifndef HST_HASHING_LIMITS_H
#define HST_HASHING_LIMITS_H
/** @file
 * Limits of hashing, each with its reason. */

/** Bytes that hashing reads at once: long enough for the disk's full speed, short enough to stop within milliseconds for a load. */
#define HST_HASH_PIECE_BYTES UINT64_C(1048576)
/** Bytes of a file that one job hashes before others have their turn. */
#define HST_HASH_SLICE_BYTES UINT64_C(67108864)
/** Most threads that hash: two a core, so that one waits for the disk while the other computes. */
#define HST_HASH_THREADS_MAX 16u
/** Bytes at the start of each tensor that go into a file's sketch: a page, the least that is read anyway. */
#define HST_HASH_SKETCH_BYTES UINT64_C(4096)
/** Between two reports of how far hashing is. */
#define HST_HASH_PROGRESS_NS UINT64_C(1000000000)
#endif
