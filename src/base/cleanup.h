#ifndef HST_BASE_CLEANUP_H
#define HST_BASE_CLEANUP_H
/** @file
 * Ownership in the type of a variable: HST_AUTO(free_fn) frees it when it goes out of scope, hst_steal hands it over. */
#include <stdlib.h>
#include <unistd.h>

/** Run `function(&variable)` when the variable goes out of scope. */
#define HST_AUTO(function) __attribute__((cleanup(function)))

/** The pointer, leaving NULL behind: the caller now owns it. */
#define hst_steal(pointer_to_pointer)                                                                                  \
    ({                                                                                                                 \
        __typeof__(pointer_to_pointer) hst_steal_p_ = (pointer_to_pointer);                                            \
        __typeof__(*hst_steal_p_) hst_steal_v_ = *hst_steal_p_;                                                        \
        *hst_steal_p_ = NULL;                                                                                          \
        hst_steal_v_;                                                                                                  \
    })

/** The fd, leaving -1 behind: the caller now owns it. */
static inline int hst_steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

/** Cleanup for memory of malloc: `HST_AUTO(hst_freep) char *text = NULL;` */
static inline void hst_freep(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

/** Cleanup for file descriptors: `HST_AUTO(hst_closep) int fd = -1;` */
static inline void hst_closep(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}
#endif
