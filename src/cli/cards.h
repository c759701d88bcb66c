#ifndef HST_CLI_CARDS_H
#define HST_CLI_CARDS_H
/** @file
 * What hoist status, ps and doctor say about devices. */
#include <jansson.h>

/** Print RAM and every device as a table (`memory`: GET /api/memory/status). */
void hst_cards_print(const json_t *memory);
/** Print a line for each device that has memory of its own (`memory`: GET /api/memory/status). */
void hst_cards_print_short(const json_t *memory);
/** How each card is, or why there is none (`list`: GET /api/device/list). */
void hst_cards_examine(json_t *checks, const json_t *list);
#endif
