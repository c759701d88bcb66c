#ifndef HST_KEEPER_MESSAGE_H
#define HST_KEEPER_MESSAGE_H
/** @file
 * What hoistd and hoist-keeper say to each other: packets of a frame, a body and files. Both run on one machine, but may be of different
 * versions. What every version of the protocol has: the frame, HELLO and GOODBYE. */
#include "base/error.h"
#include "keeper/limits.h"
#include "os/seqpacket.h"

/** Version of what is below: another major is not understood, another minor is. */
#define HST_KEEPER_MAJOR 1u
/** See HST_KEEPER_MAJOR. */
#define HST_KEEPER_MINOR 0u
/** In `kind` of HELLO. */
#define HST_KEEPER_MAGIC 0x70656b68u /* "hkep" */
/** In `flags` of PUT and ITEM: the last file holds the blob, of `size_bytes` bytes. */
#define HST_KEEPER_BLOB_IN_FILE 1u
/** In `flags` of the answer to LOCK: the range is locked. */
#define HST_KEEPER_LOCKED 1u

/** What a packet says. An answer has the verb of its request. */
enum hst_keeper_verb {
    HST_KEEPER_HELLO = 1,   /**< kind = magic, offset = major << 32 | minor, size_bytes = seconds to wait after an end without goodbye; answer: version, id =
                                 highest so far, size_bytes = items, flags = process id */
    HST_KEEPER_GOODBYE = 2, /**< free everything and end; the answer is the end of the connection */
    HST_KEEPER_PUT = 3,     /**< id, kind, flags, size_bytes of the blob; body = blob; files */
    HST_KEEPER_LOCK = 4,    /**< id, offset, size_bytes; answer: flags */
    HST_KEEPER_UNLOCK = 5,  /**< id, offset, size_bytes */
    HST_KEEPER_DROP = 6,    /**< id */
    HST_KEEPER_LIST = 7,    /**< before the answer come ITEMs, each with RANGES behind it as far as there are any */
    HST_KEEPER_ITEM = 8,    /**< as PUT */
    HST_KEEPER_RANGES = 9,  /**< id; body = struct hst_keeper_range[] */
};

/** What a packet begins with. */
struct hst_keeper_frame {
    uint32_t verb;       /**< enum hst_keeper_verb */
    int32_t status;      /**< of answers: 0 or a negative enum hst_status */
    uint64_t sequence;   /**< chosen by who asks, and in everything that answers it */
    uint64_t id;         /**< of an item */
    uint64_t offset;     /**< see the verb */
    uint64_t size_bytes; /**< see the verb */
    uint32_t kind;       /**< see the verb */
    uint32_t flags;      /**< see the verb */
};

/** A packet that arrived. */
struct hst_keeper_packet {
    struct hst_keeper_frame frame;           /**< its beginning */
    uint8_t body[HST_KEEPER_BLOB_INLINE];    /**< what follows */
    size_t body_bytes;                       /**< of body */
    struct hst_seqpacket_fds files;          /**< that came with it: owned */
};

/** Send one, waiting at most `timeout_ms` (negative = without end). HST_E_UNREACHABLE, HST_E_CANCELLED when that was not enough */
int hst_keeper_send(int fd, const struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, int timeout_ms, struct hst_error *err);
/** Receive one, waiting as long. Files of the one before were taken or closed. HST_E_UNREACHABLE: the other is gone; HST_E_CANCELLED: it said nothing in
 * time; HST_E_PROTOCOL: too short, too long, or with too many files; the connection can go on. */
int hst_keeper_receive(int fd, struct hst_keeper_packet *packet, int timeout_ms, struct hst_error *err);
/** The version in a HELLO: does it understand ours? */
bool hst_keeper_understands(const struct hst_keeper_frame *hello);
/** A HELLO of ours. */
struct hst_keeper_frame hst_keeper_hello(uint64_t size_bytes);
#endif
