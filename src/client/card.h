#ifndef HST_CLIENT_CARD_H
#define HST_CLIENT_CARD_H
/** @file
 * Memory of a card in a client: the card as this process's own driver names it, its primary context (the one that PyTorch uses), and
 * the one range of addresses over what hoistd handed out. A process that was forked from one that used CUDA cannot use it: there,
 * nothing here calls the driver. */
#include "base/list.h"
#include "cuda/mapping.h"

/** A card, and what is mapped of it. Zero-initialise; do not move while something is mapped; end with hst_card_close. */
struct hst_card {
    const struct hst_cuda_driver *driver; /**< NULL = no card: the weights are in RAM */
    int device;                           /**< the driver's number of it */
    int ordinal;                          /**< N of cuda:N in this process */
    char uuid[64];                        /**< what everybody knows it by */
    uint32_t pid;                         /**< process that found it */
    void *context;                        /**< primary context, retained; NULL = not */
    struct hst_cuda_mapping mapping;      /**< of the handed out memory */
    bool shared;                          /**< is that the one copy, which may only be read? */
    struct hst_list node;                 /**< private: among the shared ones of the process */
};

/** Does this name a card: "cuda", "cuda:N", "GPU-...", "MIG-..."? NULL does not. */
bool hst_card_is_named(const char *device);
/** The card that this process knows by that name; "cuda" is cuda:0. HST_E_DEVICE_UNAVAILABLE: no driver, a forked process, memory of the card cannot be
 * shared between processes; HST_E_DEVICE_NOT_FOUND: none that this process sees. Holds nothing yet. */
int hst_card_find(const char *name, struct hst_card *ret_card, struct hst_error *err);
/** Is this text the same UUID, whatever is before its first '-'? A driver says GPU of what is a MIG slice to NVML. */
bool hst_card_has_uuid(const struct hst_card *card, const char *uuid);
/** Retain its primary context. */
int hst_card_open(struct hst_card *card, struct hst_error *err);
/** Map these segments one behind the other, to be read when `shared`, else to be written, too. HST_E_PROTOCOL when their sizes cannot be those of
 * a card's memory. */
int hst_card_map(struct hst_card *card, const struct hst_cuda_part *parts, size_t count, bool shared, struct hst_error *err);
/** Wait for the context's work, unmap, let go of the context. @return false when work cannot be waited for now, as while a CUDA graph is captured: then
 * everything stays as it is, to be closed later */
bool hst_card_close(struct hst_card *card);
/** Is this an address in shared memory that is mapped here? Any thread. */
bool hst_card_is_shared(const void *address);
#endif
