#ifndef HST_HASHING_BLAKE3_H
#define HST_HASHING_BLAKE3_H
/** @file
 * BLAKE3, where its library is on the machine: not every distribution has it, so it is looked for when it is first needed. Any thread. */
#include <stddef.h>
#include <stdint.h>

/** Bytes of a digest. */
#define HST_BLAKE3_BYTES 32u

/** A digest under way. */
struct hst_blake3;

/** Begin; owned by the caller (free). NULL where there is no library, or no memory. */
struct hst_blake3 *hst_blake3_new(void);
/** Add bytes. */
void hst_blake3_update(struct hst_blake3 *blake3, const void *bytes, size_t length);
/** The digest of what was added. */
void hst_blake3_finish(const struct hst_blake3 *blake3, uint8_t ret_digest[HST_BLAKE3_BYTES]);
#endif
