#ifndef HST_KEEPER_DIAL_H
#define HST_KEEPER_DIAL_H
/** @file
 * Reaching a keeper: the one that runs, or a new one. Waits; any thread. */
#include "keeper/message.h"

/** A greeted connection. */
struct hst_dialled {
    int fd;                /**< owned */
    int32_t pid;           /**< of the keeper */
    int child;             /**< the same when it was started here, else 0 */
    uint64_t items;        /**< that it holds */
    uint64_t highest_item; /**< id */
};

/** Connect to the keeper at this socket; when there is none that understands us, start `program` there. HST_E_UNREACHABLE, HST_E_WORKER_UNAVAILABLE, HST_E_CONFIG */
int hst_dial(const char *socket, const char *program, unsigned wait_seconds, struct hst_dialled *ret_dialled, struct hst_error *err);
/** Say goodbye on a connection and wait until all is free. HST_E_UNREACHABLE when that does not happen. */
int hst_dial_goodbye(int fd, struct hst_error *err);
/** Tell the keeper that answers at this socket to free everything and end. @return 1 when there was one and it is gone, 0 when there is none, HST_E_UNREACHABLE
 * when it does not end */
int hst_dial_dismiss(const char *socket, struct hst_error *err);
#endif
