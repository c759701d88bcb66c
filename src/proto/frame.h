#ifndef HST_PROTO_FRAME_H
#define HST_PROTO_FRAME_H
/** @file
 * Messages of the Unix socket (SOCK_SEQPACKET). Pure: encode to and decode from bytes; no I/O. docs/protocol.md is drawn from this.
 *
 *   byte 0        2        4                8                12         16
 *        | type   | flags  | request         | body_bytes      | fd_count  | body ...
 *
 * All little-endian. One message is one packet of at most HST_FRAME_MAX bytes and HST_FRAME_FDS_MAX fds. The first message of
 * a client is HELLO, the first of the daemon WELCOME; majors must match. `request` is chosen by the client and repeated in
 * every answer to it. Unknown types get ERROR; a malformed frame closes the connection.
 *
 *   client -> daemon                                     daemon -> client
 *   HELLO   struct hst_hello                             WELCOME struct hst_hello
 *   CALL    "METHOD SP PATH LF" + JSON body or nothing   REPLY   JSON envelope as over HTTP, in pieces (flag MORE)
 *   OPEN    JSON {model_id?|fd, device?, components?,    OPENED  JSON {lease_id, model_id, generation, components[], fds[]};
 *           precision?, domain?, hold?, share?}; with            fds: [index, lease pipe, segment fds...]; hold: [lease pipe];
 *           `fd` one fd of the file travels along                on a card: device_id, device_uuid, shared, too
 *   EVENTS  JSON {last_event_id?}                        EVENT   JSON {id, event, data}, without end
 *                                                        ERROR   JSON error object of the contract
 *
 * REPLY and OPENED may come in several packets of the same `request`, all but the last with flag MORE: their bodies are one body,
 * their fds one list. A peer that gets an fd it does not expect closes it. */
#include "base/cursor.h"

/** Largest packet, header included. */
#define HST_FRAME_MAX 65536u
/** Bytes of the header. */
#define HST_FRAME_HEADER 16u
/** Most fds one packet may carry. */
#define HST_FRAME_FDS_MAX 64u
/** First word of HELLO and WELCOME: "HOISTPR1". */
#define HST_PROTO_MAGIC UINT64_C(0x3152505453494f48)
/** Incompatible changes. */
#define HST_PROTO_MAJOR 1u
/** Compatible additions. */
#define HST_PROTO_MINOR 0u

/** Types of messages. */
enum hst_frame_type {
    HST_FRAME_HELLO = 1,   /**< client: version */
    HST_FRAME_WELCOME = 2, /**< daemon: version */
    HST_FRAME_CALL = 3,    /**< client: a verb of the HTTP API */
    HST_FRAME_REPLY = 4,   /**< daemon: (part of) its answer */
    HST_FRAME_OPEN = 5,    /**< client: map a model, or hold a file */
    HST_FRAME_OPENED = 6,  /**< daemon: index and fds */
    HST_FRAME_EVENTS = 7,  /**< client: send me events */
    HST_FRAME_EVENT = 8,   /**< daemon: one event */
    HST_FRAME_ERROR = 9,   /**< daemon: the request failed */
};

/** Flags of a message. */
enum hst_frame_flag {
    HST_FRAME_MORE = 1, /**< REPLY: another piece of the same answer follows; OPENED: more fds follow */
};

/** The header. */
struct hst_frame {
    uint16_t type;       /**< enum hst_frame_type */
    uint16_t flags;      /**< enum hst_frame_flag */
    uint32_t request;    /**< chosen by the client */
    uint32_t body_bytes; /**< bytes after the header */
    uint32_t fd_count;   /**< fds in this packet */
};

/** Body of HELLO and WELCOME. Longer bodies are fine: what follows is skipped. */
struct hst_hello {
    uint64_t magic;    /**< HST_PROTO_MAGIC */
    uint32_t major;    /**< HST_PROTO_MAJOR */
    uint32_t minor;    /**< HST_PROTO_MINOR */
    uint64_t features; /**< bits, none so far */
};

/** Write the header into out[0..HST_FRAME_HEADER). */
void hst_frame_encode(const struct hst_frame *frame, uint8_t *out);
/** Read and check a whole packet: body_bytes must be exactly what follows, limits hold. HST_E_PROTOCOL. */
int hst_frame_decode(const uint8_t *packet, size_t length, struct hst_frame *ret_frame, struct hst_error *err);
/** Bytes of an encoded hello. */
#define HST_HELLO_BYTES 24u
/** Write a hello into out[0..HST_HELLO_BYTES). */
void hst_hello_encode(const struct hst_hello *hello, uint8_t *out);
/** Read a hello and check magic and major. HST_E_PROTOCOL. */
int hst_hello_decode(const uint8_t *body, size_t length, struct hst_hello *ret_hello, struct hst_error *err);
#endif
