#ifndef HST_SERVICE_INDEX_H
#define HST_SERVICE_INDEX_H
/** @file
 * The index that a client gets with a set of components: encoded once, in a sealed memfd, and kept while they are where they are, so that
 * attaching costs the same however many tensors a model has. */
#include "service/service.h"

/** Most fds of one open: index, pipe, and those of the data. */
#define HST_INDEX_FDS_MAX 1024u

/** An encoded index. Owned by the service. */
struct hst_index_entry {
    char *key;        /**< which residencies; owned */
    uint64_t bytes;   /**< of the memfd */
    int *fds;         /**< owned array: index memfd (owned), a place for the pipe, data fds (borrowed from the residencies) */
    size_t fd_count;  /**< of fds */
};
/** The index of these residencies, all CACHED. *ret_entry is borrowed: valid until one of them leaves RAM. */
int hst_index_get(struct hst_service *service, struct hst_residency *const *residencies, size_t count, struct hst_index_entry **ret_entry,
                  struct hst_error *err);
/** The index of these, loaded on a device with memory of its own. *ret_entry is borrowed: valid until one of them leaves it. */
int hst_index_get_loaded(struct hst_service *service, struct hst_loaded *const *loaded, size_t count, struct hst_index_entry **ret_entry, struct hst_error *err);
/** A component changed its state in RAM or on a device: indexes that name it are not valid any more. */
void hst_index_forget(struct hst_service *service, const struct hst_component *component);
/** Free all. */
void hst_index_forget_all(struct hst_service *service);
#endif
