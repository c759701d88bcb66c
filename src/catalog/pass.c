#include "catalog/pass.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "catalog/limits.h"
#include "os/file.h"
#include "os/hold.h"

int hst_pass_init(struct hst_pass *pass, int fd, uint64_t size_bytes, struct hst_error *err)
{
    uint64_t page = hst_hold_page_size();
    *pass = (struct hst_pass){.fd = fd, .direct_fd = -1, .size_bytes = size_bytes};
    pass->piece = aligned_alloc(page, HST_HASH_PIECE_BYTES + page); /* a direct read may write a page more */
    if (pass->piece == NULL) return hst_error_nomem(err);
    pass->keep = size_bytes == 0 || hst_hold_resident(fd, 0, size_bytes) > 0;
    pass->direct_fd = hst_file_reopen_direct(fd);
    return HST_OK;
}

/* Where the file system cannot read past the page cache: through it, and what that brought in goes again. */
static int read_through(struct hst_pass *pass, size_t length, struct hst_error *err)
{
    HST_TRY(hst_file_read_at(pass->fd, pass->offset, pass->piece, length, err));
    if (!pass->keep && pass->direct_fd < 0) hst_hold_drop(pass->fd, pass->offset, length);
    return HST_OK;
}

static int read_piece(struct hst_pass *pass, size_t length, struct hst_error *err)
{
    if (pass->direct_fd < 0 || hst_hold_resident(pass->fd, pass->offset, length) >= length) return read_through(pass, length, err);
    if (hst_file_read_past(pass->direct_fd, pass->offset, pass->piece, length) == HST_OK) return HST_OK;
    hst_closep(&pass->direct_fd);
    return read_through(pass, length, err);
}

int hst_pass_next(struct hst_pass *pass, size_t *ret_length, struct hst_error *err)
{
    size_t length = hst_min_u64(HST_HASH_PIECE_BYTES, pass->size_bytes - pass->offset);
    if (length > 0) HST_TRY(read_piece(pass, length, err));
    pass->offset += length;
    *ret_length = length;
    return HST_OK;
}

void hst_pass_fini(struct hst_pass *pass)
{
    hst_closep(&pass->direct_fd);
    free(pass->piece);
    pass->piece = NULL;
}
