#ifndef HST_FORMATS_CARD_H
#define HST_FORMATS_CARD_H
/** @file
 * The head of a Hugging Face model card: `key: value` lines and simple lists between two "---". What is more than that (nested
 * values, blocks of text) is passed over. Pure; no I/O. */
#include "formats/sidecar.h"

/** Read the head; a card without one says nothing. Keys that mean something to hoist are given to `fn`, lists joined by ", ". */
int hst_card_parse(const char *text, size_t length, hst_sidecar_fn fn, void *context, struct hst_error *err);
#endif
