#ifndef HST_HASHING_HASH_LANES_H
#define HST_HASHING_HASH_LANES_H
/** @file
 * Both halves of a digest (hash.h) over the same pieces of a file: by one thread, or by two where a second has time. The one that reads
 * never waits for a helper that has not come: it takes the helper's work itself.
 *
 *     reads --> piece, piece, piece --> half of the file (the reader) .... goes on reading
 *                                  '--> half of the data (whoever has time, one piece after the other)
 */
#include "hashing/hash.h"
#include "hashing/pass.h"
#include <pthread.h>

/** Pieces in memory while there is a helper. */
#define HST_HASH_LANES_PIECES 4u

/** The lanes. Zero-initialise, init, fini. Drained, they may be opened again. */
struct hst_hash_lanes {
    pthread_mutex_t lock;   /**< guards all below but what is in the pieces */
    pthread_cond_t changed; /**< one of them did */
    struct hst_hash *hash;  /**< borrowed; set before the first piece is read */
    uint8_t *pieces[HST_HASH_LANES_PIECES]; /**< owned; made when they are needed */
    size_t lengths[HST_HASH_LANES_PIECES];  /**< bytes in each */
    size_t count;           /**< pieces in use: 1 without a helper */
    uint64_t read;          /**< pieces that were read */
    uint64_t hashed;        /**< of them, those whose half of the data is hashed */
    bool busy;              /**< somebody hashes the next of them */
    bool closed;            /**< no more will be read */
};

/** Make them. */
void hst_hash_lanes_init(struct hst_hash_lanes *lanes);
/** Begin; `helped`: somebody may call hst_hash_lanes_help. Nobody works on them yet. */
void hst_hash_lanes_open(struct hst_hash_lanes *lanes, bool helped);
/** Read a piece and add it to the digest, the half of the data perhaps later; *ret_length = 0 at the end of the file. */
int hst_hash_lanes_next(struct hst_hash_lanes *lanes, struct hst_pass *pass, size_t *ret_length, struct hst_error *err);
/** Every piece is in the digest when this returns. */
void hst_hash_lanes_close(struct hst_hash_lanes *lanes);
/** Help until they are closed, from another thread. At once when they are closed already. */
void hst_hash_lanes_help(struct hst_hash_lanes *lanes);
/** Free what they hold. */
void hst_hash_lanes_fini(struct hst_hash_lanes *lanes);
#endif
