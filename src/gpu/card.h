#ifndef HST_GPU_CARD_H
#define HST_GPU_CARD_H
/** @file
 * A card in words: a line of what `hoist-device list` prints, `card` and NAME=VALUE of each field, with tabs between them; or `none` and why there is no card.
 * Processes are PID:BYTES with commas between them, or PID: where the bytes are not known. */
#include "base/error.h"
#include "base/strbuf.h"
#include "gpu/message.h"

/** A card, or a MIG slice of one. */
struct hst_gpu_card {
    uint64_t ordinal;         /**< of the driver, for who started hoist-device */
    char uuid[64];            /**< "GPU-...", "MIG-..." */
    char name[128];           /**< for people */
    char pci_bus_id[32];      /**< "0000:01:00.0" */
    uint64_t granularity;     /**< of allocations */
    uint64_t major;           /**< compute capability */
    uint64_t minor;           /**< compute capability */
    uint64_t driver_version;  /**< of the API: 1000 * major + 10 * minor */
    uint64_t usable;          /**< 1 = its memory can be shared between processes */
    struct hst_gpu_info info; /**< when it was listed */
};

/** Longest line, with its NUL. */
#define HST_GPU_LINE_BYTES 2048u

/** Write the line of a card, with its newline. */
void hst_gpu_card_put(const struct hst_gpu_card *card, struct hst_strbuf *out);
/** Write the line that says why there is none. */
void hst_gpu_card_put_none(const char *why, struct hst_strbuf *out);
/** Read a line. @return is it one of a card? Fields that it lacks, or that nobody knows, are as unknown */
bool hst_gpu_card_read(const char *line, struct hst_gpu_card *ret_card);
/** Read a line. @return why there is no card, in `line`; NULL when it does not say so */
const char *hst_gpu_card_read_none(const char *line);
#endif
