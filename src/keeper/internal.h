#ifndef HST_KEEPER_INTERNAL_H
#define HST_KEEPER_INTERNAL_H
/** @file
 * What the files of the connection share. Requests are made by whatever thread has the turn; only the loop thread opens and closes the
 * descriptor, with the turn in its hands or when nobody can take it. */
#include "keeper/dial.h"
#include "keeper/link.h"
#include "os/exec.h"

/** The connection. */
struct hst_keeper {
    uv_loop_t *loop;                     /**< of hoistd */
    char *socket;                        /**< owned path */
    char *program;                       /**< owned path */
    unsigned wait_seconds;               /**< told to every keeper */
    struct hst_keeper_listener listener; /**< hears the news */
    struct hst_exec *exec;               /**< one thread: drops, and redials */

    uv_mutex_t lock;      /**< guards the rest of this block */
    uv_cond_t turn_free;  /**< taken became false */
    bool taken;           /**< somebody has the turn, or it is handed to who waits */
    bool handed;          /**< one of those who wait has the turn, and does not know it yet */
    unsigned waiting;     /**< who wait for it */
    bool connected;       /**< dialled.fd is open */
    bool left;            /**< nothing is asked any more */
    unsigned starts;      /**< keepers started here */
    uint64_t found_items; /**< of the first */

    struct hst_dialled dialled; /**< the connection: whose turn it is may use it */
    uint64_t sequence;          /**< of the latest request: the same */
    unsigned unanswered;        /**< requests: the same */
    _Atomic(uint64_t) last_id;  /**< handed out */

    uv_poll_t watch;              /**< of the descriptor's end; active while connected */
    uv_timer_t timer;             /**< until the next redial */
    unsigned retry_ms;            /**< the one after that */
    uint64_t connected_ns;        /**< since when */
    unsigned open_handles;        /**< of the loop, not closed yet */
    bool freeing;                 /**< no redial any more */
    int redial_status;            /**< how it went */
    struct hst_dialled redialled; /**< what it found */
};

/** Take the turn, waiting at most so long. HST_E_UNREACHABLE */
int hst_keeper_begin_turn(struct hst_keeper *keeper, unsigned timeout_ms, struct hst_error *err);
/** Let others ask. */
void hst_keeper_end_turn(struct hst_keeper *keeper);
/** With the turn: send a request; its frame gets a number. HST_E_UNREACHABLE */
int hst_keeper_request(struct hst_keeper *keeper, struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, struct hst_error *err);
/** With the turn: the next packet that belongs to it. The files in it are the caller's. HST_E_UNREACHABLE */
int hst_keeper_reply(struct hst_keeper *keeper, struct hst_keeper_packet *packet, unsigned timeout_ms, struct hst_error *err);
#endif
