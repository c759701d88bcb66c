#ifndef HST_DAEMON_DEVICES_H
#define HST_DAEMON_DEVICES_H
/** @file
 * The devices at start: cards are looked for, chosen by the settings, and opened. */
#include "daemon/choice.h"
#include "daemon/paths.h"

/** The devices of hoistd. Zero-initialise; end with hst_devices_fini. */
struct hst_devices {
    struct hst_device *list[HST_CHOICE_MAX]; /**< owned: cards, then host:0 */
    size_t count;                            /**< of list */
    struct hst_cuda_card cards[HST_CUDA_CARDS_MAX]; /**< that were found */
    size_t card_count;                       /**< of cards */
    char program[HST_PATH_MAX];              /**< hoist-device; "" when it is missing */
    char why[256];                           /**< why no card is used; "" when one is */
};

/** Find, choose, open. A driver that fails is an error only when a card is asked for by name; else it is logged, and said in `why`. Opens as much as it can
 * before it fails: end it with hst_devices_fini in any case. */
int hst_devices_begin(const struct hst_settings *settings, uint64_t ram_bytes, uv_loop_t *loop, struct hst_devices *devices, struct hst_error *err);
/** Close them. */
void hst_devices_fini(struct hst_devices *devices);
#endif
