#ifndef HST_CATALOG_LIMITS_H
#define HST_CATALOG_LIMITS_H
/** @file
 * Limits of the catalog, each with its reason. */

/** Folders that one root may have: a root that was meant to be / ends here. */
#define HST_WALK_FOLDERS_MAX 200000u
/** Candidates of one root: 10,000 models in three shards each are far below. */
#define HST_WALK_CANDIDATES_MAX 1000000u
/** Folders that could not be read and are remembered by name, to say so of the models in them. */
#define HST_WALK_UNREAD_MAX 64u
/** Longest path, with its NUL (PATH_MAX of Linux). */
#define HST_WALK_PATH_MAX 4096u
/** Most threads that scan: they wait for the disk, not for the processor. */
#define HST_SCAN_THREADS_MAX 16u
/** Between two reports of progress, so that a scan of 10,000 files sends a hundred events, not ten thousand. */
#define HST_SCAN_PROGRESS_NS UINT64_C(100000000)
/** Names that are told of a list that may be long: as many as a person reads. */
#define HST_NAMES_KEPT 20u
/** Bytes of a file that are read and looked at as one: few calls, and it is cancelled within milliseconds. A multiple of every element's size. */
#define HST_FULLREAD_PIECE UINT64_C(4194304)
/** Alignment of the memory they are read into: that of a page. */
#define HST_FULLREAD_ALIGNMENT 4096u
/** Files parsed as one job: the way to a thread and back costs as much as a small header. */
#define HST_SCAN_BATCH 16u
/** Batches out at a time, for each thread: what a pause or a cancellation has to wait for, and the memory of what is parsed and not yet taken in. */
#define HST_SCAN_BATCHES_PER_THREAD 2u
/** Models written to the database as one job, and entries looked at for it on the loop thread. */
#define HST_MEMORY_ROWS 4096u
/** New ids that wait to be put in order. Putting one in order at a time moves all that come after it. */
#define HST_ENTRY_TAIL 1024u
/** A file that cannot be read and was written so short a time ago is being written: a scan that nobody asked for leaves it for the next. */
#define HST_SCAN_SETTLE_NS INT64_C(3000000000)
/** After a change, the time without another one until a scan begins; and the longest that a series of changes holds it up. */
#define HST_WATCH_QUIET_MS 400u
#define HST_WATCH_LONGEST_MS 2000u /**< see there */
/** When a file could not be read, the next scan comes after HST_WATCH_LONGEST_MS, and twice that each time, up to this many times: 17 minutes. */
#define HST_WATCH_DOUBLINGS 9u
/** Between scans that changes cause lies this many times the time of the last one: they take a tenth of a processor at most. */
#define HST_WATCH_REST 9u
/** Bytes of a value, and of all, that are read again for one answer. */
#define HST_METADATA_READ_MAX (16u << 20)
/** Bytes of a value that also is a hint about the family: an architecture's name, not a description. */
#define HST_METADATA_HINT_MAX 256u
/** Bytes of a model card in which its head is looked for. */
#define HST_CARD_MAX (256u << 10)
/** Bytes of a preview: screenshots of 4K have about 15 MB. */
#define HST_PREVIEW_MAX (32u << 20)
#endif
