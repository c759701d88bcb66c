#ifndef HST_CLIENT_INTERNAL_H
#define HST_CLIENT_INTERNAL_H
/** @file
 * The private half of libhoist, shared by its files alone. */
#include "base/error.h"
#include "client/card.h"
#include "hoist/hoist.h"
#include "os/seqpacket.h"
#include "os/view.h"
#include "proto/frame.h"
#include "proto/index.h"

/** Time to answer when the caller names none. */
#define HST_CLIENT_TIMEOUT_MS 5000u
/** Most fds of one answer: those of a model of a thousand files. */
#define HST_CLIENT_FDS_MAX 1024u

/** A connection. */
struct hoist_client {
    int fd;                /**< owned; -1 once it was lost */
    unsigned timeout_ms;   /**< for answers that do not wait for a load */
    uint32_t next_request; /**< 1, 2, ... */
    char packet[HST_FRAME_MAX + 1]; /**< the packet received last */
};

/** An answer, put together of its packets. Zero-initialise; free with hst_answer_fini. */
struct hst_answer {
    uint16_t type;      /**< enum hst_frame_type */
    char *body;         /**< owned, NUL-ended */
    size_t body_length; /**< of body */
    int *fds;           /**< owned, open */
    size_t fd_count;    /**< of fds */
};
/** Free what it holds; fds that were not taken (-1) are closed. */
void hst_answer_fini(struct hst_answer *answer);

/** Connect and greet. */
int hst_connection_open(const char *socket_path, unsigned timeout_ms, struct hoist_client **ret_client, struct hst_error *err);
/** Send one packet. *ret_request = its number. */
int hst_connection_send(struct hoist_client *client, uint16_t type, const char *body, size_t length, int fd_or_minus_1, uint32_t *ret_request,
                        struct hst_error *err);
/** Wait for the answer to a request; those to others are thrown away. `timeout_ms` negative = without end. When the time passes the
 * connection is given up, so that an answer that comes later cannot keep memory leased. */
int hst_connection_receive(struct hoist_client *client, uint32_t request, int timeout_ms, struct hst_answer *ret_answer, struct hst_error *err);
/** As hst_connection_receive, but when the time passes nothing is lost: *ret_answer has type 0. */
int hst_connection_poll(struct hoist_client *client, uint32_t request, int timeout_ms, struct hst_answer *ret_answer, struct hst_error *err);
/** Send and wait. An ERROR that comes back is turned into `error` with its JSON. */
int hst_connection_ask(struct hoist_client *client, uint16_t type, const char *body, int fd_or_minus_1, int timeout_ms, struct hst_answer *ret_answer,
                       struct hoist_error *error);

/** Give an error of our own to the caller (`error` may be NULL). @return its status */
int hst_report(struct hoist_error *error, const struct hst_error *ours);
/** Give an error object of the daemon to the caller. @return its status */
int hst_report_json(struct hoist_error *error, const char *json);
/** Make a model of an OPENED; takes its fds, and `card` (with a driver when a card's memory was asked for), which it closes also when it fails.
 * HST_E_PROTOCOL when the answer is not what was asked for. */
int hst_model_new(struct hst_answer *answer, struct hst_card *card, bool shared, struct hoist_model **ret_model, struct hst_error *err);
#endif
