#ifndef HST_CATALOG_LIMITS_H
#define HST_CATALOG_LIMITS_H
/** @file
 * Limits of the catalog, each with its reason. */

/** Folders that one root may have: a root that was meant to be / ends here. */
#define HST_WALK_FOLDERS_MAX 200000u
/** Candidates of one root: 10,000 models in three shards each are far below. */
#define HST_WALK_CANDIDATES_MAX 1000000u
/** Longest path, with its NUL (PATH_MAX of Linux). */
#define HST_WALK_PATH_MAX 4096u
/** Most threads that scan: they wait for the disk, not for the processor. */
#define HST_SCAN_THREADS_MAX 16u
/** Between two reports of progress, so that a scan of 10,000 files sends a hundred events, not ten thousand. */
#define HST_SCAN_PROGRESS_NS UINT64_C(100000000)
/** Pairs of metadata that are kept of a model: GGUF files have some forty, those of trainers a hundred. */
#define HST_METADATA_PAIRS_MAX 512u
/** Bytes of metadata that are kept of a model: all of it for most; of a trainer's statistics, what comes first. */
#define HST_METADATA_BYTES_MAX 65536u
/** Names that are told of a list that may be long: as many as a person reads. */
#define HST_NAMES_KEPT 20u
/** Bytes of a file that are read and looked at as one: few calls, and it is cancelled within milliseconds. A multiple of every element's size. */
#define HST_FULLREAD_PIECE UINT64_C(4194304)
/** Alignment of the memory they are read into: that of a page. */
#define HST_FULLREAD_ALIGNMENT 4096u
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
