#ifndef HST_WIRE_PEER_H
#define HST_WIRE_PEER_H
/** @file
 * One connection: sends without ever blocking, receives packet by packet. Loop thread only.
 *
 *   new --> greeted --> closed (hst_peer_close, by either side) --> freed by the loop
 */
#include "base/list.h"
#include "os/cred.h"
#include "os/seqpacket.h"
#include "proto/frame.h"
#include <uv.h>

struct hst_peer_link;

/** A packet that came: body is NUL-ended and writable; fds are closed afterwards unless they are taken out. */
typedef void (*hst_peer_packet_fn)(struct hst_peer_link *peer, const struct hst_frame *frame, char *body, struct hst_seqpacket_fds *fds);
/** The connection is about to end. */
typedef void (*hst_peer_closed_fn)(struct hst_peer_link *peer);

/** A connection. */
struct hst_peer_link {
    struct hst_list node;       /**< for the owner's list */
    int fd;                     /**< owned */
    uv_poll_t poll;             /**< of fd */
    struct hst_cred cred;       /**< who */
    bool greeted;               /**< HELLO came */
    bool closed;                /**< closing: nothing is sent or received any more */
    struct hst_list queue;      /**< packets that wait */
    size_t queued_bytes;        /**< of queue */
    unsigned stalls;            /**< times in a row that a writable socket took nothing */
    hst_peer_packet_fn packet;  /**< told of packets */
    hst_peer_closed_fn ended;   /**< told of the end */
    void *owner;                /**< for both */
    struct hst_list requests;   /**< unanswered ones (wire.c) */
    size_t request_count;       /**< of requests */
    uint64_t subscription;      /**< of events; 0 = none (wire.c) */
    uint32_t events_request;    /**< request id of EVENTS (wire.c) */
    size_t *live;               /**< counted down when it is freed */
};

/** What an answer is. */
struct hst_peer_message {
    uint16_t type;       /**< enum hst_frame_type */
    uint32_t request;    /**< which request */
    const char *body;    /**< bytes */
    size_t body_length;  /**< of body; cut into packets when long */
    const int *fds;      /**< to send along; borrowed */
    size_t fd_count;     /**< of fds; spread over packets when many */
};

/** Serve a connection (its fd is taken over, also on failure). *ret_peer frees itself after hst_peer_close. */
int hst_peer_new(uv_loop_t *loop, int fd, const struct hst_cred *cred, struct hst_peer_link **ret_peer, struct hst_error *err);
/** Send; what does not fit into the socket waits. A peer that lets too much wait is closed. */
void hst_peer_send(struct hst_peer_link *peer, const struct hst_peer_message *message);
/** Close; harmless when it is closed already. */
void hst_peer_close(struct hst_peer_link *peer);
#endif
