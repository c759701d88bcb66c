#include "os/view.h"

#include "base/checked.h"
#include "os/file.h"
#include "os/place.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096 };

int hst_view_size(int fd, uint64_t *ret_size_bytes, struct hst_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return hst_file_errno(err, errno, "read the size of", "a segment");
    *ret_size_bytes = (uint64_t)st.st_size;
    return HST_OK;
}

int hst_view_map(int fd, uint64_t offset, uint64_t size_bytes, bool writable, struct hst_view *ret_view, struct hst_error *err)
{
    uint64_t file_bytes, end;
    HST_TRY(hst_view_size(fd, &file_bytes, err));
    if (!hst_checked_add(offset, size_bytes, &end) || end > hst_round_up(file_bytes, PAGE))
        return hst_error_set(err, HST_E_PROTOCOL, "a segment is longer than its file");
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *address = hst_place_map(fd, offset, size_bytes, protection, MAP_PRIVATE | MAP_NORESERVE);
    if (address == NULL) return hst_file_errno(err, errno, "map", "a segment");
    *ret_view = (struct hst_view){address, size_bytes};
    return HST_OK;
}

void hst_view_unmap(struct hst_view *view)
{
    if (view->address != NULL) munmap(view->address, view->size_bytes);
    *view = (struct hst_view){0};
}
