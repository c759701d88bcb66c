#ifndef HST_GPU_SOURCE_H
#define HST_GPU_SOURCE_H
/** @file
 * Files that are read into slots: from the page cache as far as it has them, and past it where it has not. Never mapped: a file may be truncated at any
 * moment. */
#include "base/error.h"
#include <stdatomic.h>

/** A file. */
struct hst_gpu_source {
    int fd;                 /**< borrowed */
    _Atomic(int) direct_fd; /**< owned: reads past the page cache; -1 = it cannot; -2 = not asked for yet */
};

/** Make them of descriptors: *ret_sources owned, hst_gpu_sources_free. */
int hst_gpu_sources_new(const int *fds, size_t count, struct hst_gpu_source **ret_sources, struct hst_error *err);
/** Close what was opened, and free. NULL is fine. */
void hst_gpu_sources_free(struct hst_gpu_source *sources, size_t count);
/** Read exactly `length` bytes at `offset`. Buffer and offset have the same place in a page, and up to the end of its last page may be written. Any thread.
 * HST_E_TRUNCATED, HST_E_IO */
int hst_gpu_source_read(struct hst_gpu_source *source, uint64_t offset, uint8_t *buffer, size_t length, struct hst_error *err);
#endif
