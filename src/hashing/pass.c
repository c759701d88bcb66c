#include "hashing/pass.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "hashing/limits.h"
#include "os/file.h"
#include "os/hold.h"

void hst_pass_init(struct hst_pass *pass, int fd, uint64_t size_bytes)
{
    *pass = (struct hst_pass){.fd = fd, .direct_fd = hst_file_reopen_direct(fd), .size_bytes = size_bytes};
    pass->keep = size_bytes == 0 || hst_hold_resident(fd, 0, size_bytes) > 0;
}

uint8_t *hst_pass_piece_new(void)
{
    uint64_t page = hst_hold_page_size();
    return aligned_alloc(page, HST_HASH_PIECE_BYTES + page); /* a direct read may write a page more */
}

/* Where the file system cannot read past the page cache: through it, and what that brought in goes again. */
static int read_through(struct hst_pass *pass, uint8_t *piece, size_t length, struct hst_error *err)
{
    HST_TRY(hst_file_read_at(pass->fd, pass->offset, piece, length, err));
    if (!pass->keep && pass->direct_fd < 0) hst_hold_drop(pass->fd, pass->offset, length);
    return HST_OK;
}

static int read_piece(struct hst_pass *pass, uint8_t *piece, size_t length, struct hst_error *err)
{
    if (pass->direct_fd < 0 || hst_hold_resident(pass->fd, pass->offset, length) >= length) return read_through(pass, piece, length, err);
    if (hst_file_read_past(pass->direct_fd, pass->offset, piece, length) == HST_OK) return HST_OK;
    hst_closep(&pass->direct_fd);
    return read_through(pass, piece, length, err);
}

int hst_pass_next(struct hst_pass *pass, uint8_t *piece, size_t *ret_length, struct hst_error *err)
{
    size_t length = hst_min_u64(HST_HASH_PIECE_BYTES, pass->size_bytes - pass->offset);
    if (length > 0) HST_TRY(read_piece(pass, piece, length, err));
    pass->offset += length;
    *ret_length = length;
    return HST_OK;
}

void hst_pass_fini(struct hst_pass *pass)
{
    hst_closep(&pass->direct_fd);
}
