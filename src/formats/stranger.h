#ifndef HST_FORMATS_STRANGER_H
#define HST_FORMATS_STRANGER_H
/** @file
 * What a file is that is no model: a web page, an archive, a pointer to the real file... Told by its first bytes, so that whoever has it knows what to
 * do next. The texts begin with a word for programs and a colon. */
#include "base/error.h"

/** How many of its first bytes are looked at. */
#define HST_STRANGER_HEAD_BYTES 4096u

/** Say what the file looks like. `head` are its first `length` bytes, all there are up to HST_STRANGER_HEAD_BYTES. @return HST_E_UNKNOWN_FORMAT */
int hst_stranger_name(const uint8_t *head, size_t length, struct hst_error *err);
#endif
