#ifndef HST_KEEPER_LINK_H
#define HST_KEEPER_LINK_H
/** @file
 * hoistd's connection to hoist-keeper, the process that owns the memory while no hoistd runs.
 *
 *     hst_keeper_open:  connects to the keeper of this state folder, or starts one
 *     hst_keeper_adopt: what the one before left, once, before anything is put
 *     hst_keeper_put/lock/unlock/drop ...
 *     hst_keeper_free:  says goodbye: the keeper frees all and ends;  after hst_keeper_leave: it goes on keeping
 *
 * What the keeper holds is a copy of descriptors, so hoistd works on without it: a request that fails means that the memory is not kept, and
 * nothing else. When the keeper dies, another is started, and `fresh` is called so that everything is put again. Every function takes
 * NULL for a link that could not be opened: requests then return HST_E_UNREACHABLE. Locks are those of the keeper's own mapping: hoistd
 * may unlock its own as soon as they are there. Its RLIMIT_MEMLOCK is what hoistd had when it was started, and counts for it alone. */
#include "keeper/limits.h"
#include "keeper/ranges.h"
#include <uv.h>

/** The connection. */
struct hst_keeper;

/** What is kept. Its meaning is the caller's: the keeper knows `fds[0]` alone, which it maps to lock it. */
struct hst_keeper_item {
    uint64_t id;                           /**< of hst_keeper_new_id */
    uint32_t kind;                         /**< the caller's */
    int fds[HST_KEEPER_FDS_MAX];           /**< files, pipes: borrowed by put, lent to an adopter, who takes one by leaving -1 (hst_steal_fd) */
    size_t fd_count;                       /**< of fds */
    const void *blob;                      /**< the caller's description of it, borrowed; may be NULL */
    size_t blob_bytes;                     /**< of blob, at most HST_KEEPER_BLOB_MAX */
    const struct hst_keeper_range *ranges; /**< adopting: what is locked, in order; ignored by put */
    size_t range_count;                    /**< of ranges */
};

/** How to reach it. */
struct hst_keeper_config {
    uv_loop_t *loop;       /**< of the thread that opens, adopts and frees */
    const char *socket;    /**< path of its socket, which nobody else uses (the state folder's lock is held) */
    const char *program;   /**< hoist-keeper */
    unsigned wait_seconds; /**< how long it keeps everything after an end without goodbye; 0 = HST_KEEPER_WAIT_SECONDS */
};

/** News, on the loop thread. */
struct hst_keeper_listener {
    void (*lost)(void *context, const struct hst_error *why); /**< the keeper ended: nothing is kept just now; may be NULL */
    void (*fresh)(void *context);                             /**< another one runs and holds nothing: put everything again; may be NULL */
    void *context;                                            /**< handed to them */
};

/** What is known of the keeper. */
struct hst_keeper_status {
    bool connected;        /**< is there one? */
    int32_t pid;           /**< its process; 0 = none */
    uint64_t found_items;  /**< items that it held when this hoistd came */
    unsigned starts;       /**< keepers started by this hoistd */
    unsigned wait_seconds; /**< how long it keeps everything after an end without goodbye */
};

/** Connect, or start one; one of another major version is told to free everything and replaced. HST_E_UNREACHABLE, HST_E_WORKER_UNAVAILABLE,
 * HST_E_CONFIG: nothing is kept then, and hoistd may go on without. Loop thread, at start (it may take HST_KEEPER_START_MS). */
int hst_keeper_open(const struct hst_keeper_config *config, struct hst_keeper **ret_keeper, struct hst_error *err);
/** Who hears the news from now on (copied). Loop thread. */
void hst_keeper_listen(struct hst_keeper *keeper, const struct hst_keeper_listener *listener);

/** Takes an item over: what it leaves in item->fds is closed, the rest of *item lives until it returns.
 * It asks nothing of the keeper meanwhile, but to drop. @return false when it has no use for it: the keeper then lets go of it, too */
typedef bool (*hst_keeper_adopter)(void *context, struct hst_keeper_item *item);
/** Show every item, in the order they were put in first. Call it before the first put. Loop thread, at start. An error (HST_E_UNREACHABLE, HST_E_PROTOCOL)
 * means that the rest could not be read. *ret_count (may be NULL) = items taken over. */
int hst_keeper_adopt(struct hst_keeper *keeper, hst_keeper_adopter adopter, void *context, size_t *ret_count, struct hst_error *err);

/** A number that no item has or had, those of earlier hoistds included. Any thread. */
uint64_t hst_keeper_new_id(struct hst_keeper *keeper);
/** Keep this. An id that is there already: without fds its kind and blob alone are replaced, files and locks stay; with fds, all of it is
 * replaced and nothing of it is locked. Any thread; microseconds, at most HST_KEEPER_ANSWER_MS. HST_E_UNREACHABLE, HST_E_LIMIT_EXCEEDED, HST_E_IO (it has no
 * more fds), HST_E_NOMEM: not kept, and what was under this id before is still there. */
int hst_keeper_put(struct hst_keeper *keeper, const struct hst_keeper_item *item, struct hst_error *err);
/** Lock a range (page-aligned) of the item's first file, whose pages were brought in before; it does not grow beyond the file's end.
 * *ret_locked = false when that is not permitted (RLIMIT_MEMLOCK) or the file became shorter: then nothing of the range is locked. Any thread but the loop's: about 0.16 ms
 * for a MiB of small pages, next to nothing for large ones; longer when pages have gone. */
int hst_keeper_lock(struct hst_keeper *keeper, uint64_t id, const struct hst_keeper_range *range, bool *ret_locked, struct hst_error *err);
/** Unlock a range of it, locked or not, so that the kernel may drop its pages. Any thread but the loop's. */
int hst_keeper_unlock(struct hst_keeper *keeper, uint64_t id, const struct hst_keeper_range *range, struct hst_error *err);
/** Let go of an item, if it is there: done by a thread, in the order of the calls. `dropped(context)` (may be NULL) is called when the keeper has let go, or
 * is gone. Loop thread. @return 0, or HST_E_NOMEM and then neither happens */
int hst_keeper_drop(struct hst_keeper *keeper, uint64_t id, void (*dropped)(void *context), void *context);
/** Let go of an item at once. Any thread; microseconds for what is not locked, at most HST_KEEPER_ANSWER_MS. HST_E_UNREACHABLE: it may still be there, unless the
 * keeper is gone. */
int hst_keeper_drop_now(struct hst_keeper *keeper, uint64_t id, struct hst_error *err);
/** What is known of it. Any thread. */
struct hst_keeper_status hst_keeper_status(struct hst_keeper *keeper);

/** From now on nothing is asked of it and it keeps what it has, for the hoistd that comes within `wait_seconds`. Loop thread. */
void hst_keeper_leave(struct hst_keeper *keeper);
/** Say goodbye (unless left), wait until it is gone, and free the connection. Loop thread. NULL is fine. */
void hst_keeper_free(struct hst_keeper *keeper);

/** Tell the keeper that answers at this socket to free everything and end, without a connection of one's own. @return 1 when there was one and it is gone, 0 when there
 * is none, HST_E_UNREACHABLE when it does not end */
int hst_keeper_dismiss(const char *socket, struct hst_error *err);
#endif
