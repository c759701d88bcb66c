#ifndef HST_HASHING_PASS_H
#define HST_HASHING_PASS_H
/** @file
 * One reading of a whole file that leaves the page cache as it was: what is in memory is read from there, the rest past it. Any thread,
 * one at a time; it may be left and gone on with at any piece. */
#include "base/error.h"

/** A pass under way. Zero-initialise with direct_fd -1; free with hst_pass_fini. */
struct hst_pass {
    int fd;              /**< of the file; borrowed */
    int direct_fd;       /**< reads past the page cache; -1 where that is not possible; owned */
    bool keep;           /**< some of it was in memory at the start: drop nothing */
    uint64_t size_bytes; /**< of the file */
    uint64_t offset;     /**< of the next piece */
};

/** Begin at the first byte of an open file. */
void hst_pass_init(struct hst_pass *pass, int fd, uint64_t size_bytes);
/** Memory for a piece; owned by the caller (free). NULL when there is none. */
uint8_t *hst_pass_piece_new(void);
/** Read the next piece into memory of hst_pass_piece_new; *ret_length = 0 at the end. HST_E_TRUNCATED when the file became shorter, HST_E_IO. */
int hst_pass_next(struct hst_pass *pass, uint8_t *piece, size_t *ret_length, struct hst_error *err);
/** Free what it holds; the file stays open. */
void hst_pass_fini(struct hst_pass *pass);
#endif
