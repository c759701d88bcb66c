#ifndef HST_DAEMON_CHOICE_H
#define HST_DAEMON_CHOICE_H
/** @file
 * Which devices hoistd has, and how much of each: the setting `device` held against the cards of the machine. */
#include "backend/cuda/cuda.h"
#include "daemon/settings.h"

/** Most devices: every card, and host:0. */
#define HST_CHOICE_MAX (HST_CUDA_CARDS_MAX + 1u)

/** A device that hoistd is to have. */
struct hst_choice {
    const struct hst_cuda_card *card; /**< borrowed from the cards; NULL = host:0 */
    uint64_t budget_bytes;            /**< of it */
};

/** What there is to choose from. */
struct hst_choice_places {
    uint64_t ram_bytes;               /**< the setting `ram`: host:0 lies within it */
    const struct hst_cuda_card *cards; /**< borrowed: that were found */
    size_t card_count;                /**< of cards */
    const char *why;                  /**< when there is none: why */
};

/** Do these values of `device` want the cards to be looked at: none given, or one that is not host? */
bool hst_choice_wants_cards(const struct hst_setting *given);
/** Choose. Cards first, in the order given, so that the device of whoever names none is a card where there is one; then host:0, which is there whether it is
 * named or not, since it costs nothing beyond `ram`. Nothing given: every usable card. HST_E_CONFIG names what there is. */
int hst_choice_make(const struct hst_setting *given, const struct hst_choice_places *places, struct hst_choice choices[HST_CHOICE_MAX], size_t *ret_count,
                    struct hst_error *err);
/** Budget of a card when nobody says one: its memory less 5%, and less 512 MiB at least (a quarter of a card that is smaller than 2 GiB). */
uint64_t hst_choice_card_budget(uint64_t total_bytes);
#endif
