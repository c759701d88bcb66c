#include "gpu/source.h"

#include "gpu/limits.h"
#include "os/file.h"

#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096, NOT_ASKED = -2 };

int hst_gpu_sources_new(const int *fds, size_t count, struct hst_gpu_source **ret_sources, struct hst_error *err)
{
    struct hst_gpu_source *sources = calloc(count + 1, sizeof *sources);
    if (sources == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        sources[i].fd = fds[i];
        sources[i].direct_fd = NOT_ASKED;
    }
    *ret_sources = sources;
    return HST_OK;
}

void hst_gpu_sources_free(struct hst_gpu_source *sources, size_t count)
{
    for (size_t i = 0; sources != NULL && i < count; i++)
        if (sources[i].direct_fd >= 0) close(sources[i].direct_fd);
    free(sources);
}

/* Of two threads that open it at once, one's is used. */
static int direct_of(struct hst_gpu_source *source)
{
    int known = source->direct_fd;
    if (known != NOT_ASKED) return known;
    int fd = hst_file_reopen_direct(source->fd);
    if (atomic_compare_exchange_strong(&source->direct_fd, &known, fd)) return fd;
    if (fd >= 0) close(fd);
    return known;
}

/* What is left of a read whose beginning was in the page cache: from the page on that it ends in, past the page cache. */
static int read_past(struct hst_gpu_source *source, uint64_t offset, uint8_t *buffer, size_t length)
{
    size_t before = offset % PAGE;
    int direct = length >= HST_GPU_DIRECT_BYTES ? direct_of(source) : -1;
    return direct >= 0 ? hst_file_read_past(direct, offset - before, buffer - before, length + before) : HST_E_IO;
}

int hst_gpu_source_read(struct hst_gpu_source *source, uint64_t offset, uint8_t *buffer, size_t length, struct hst_error *err)
{
    size_t there = hst_file_read_cached(source->fd, offset, buffer, length);
    if (there == length || read_past(source, offset + there, buffer + there, length - there) == HST_OK) return HST_OK;
    return hst_file_read_at(source->fd, offset + there, buffer + there, length - there, err);
}
