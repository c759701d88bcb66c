#ifndef HST_BASE_UTF8_H
#define HST_BASE_UTF8_H
/** @file
 * UTF-8: is it valid, and how to show bytes of a stranger safely. */
#include <stdbool.h>
#include <stddef.h>

/** Length of the valid UTF-8 sequence that starts at `text` (1 to 4), or 0 if none does within `len` bytes.
 * Overlong forms, surrogates and values over U+10FFFF are not valid (RFC 3629). */
size_t hst_utf8_sequence(const char *text, size_t len);

/** Is all of `text[0..len)` valid UTF-8? */
bool hst_utf8_valid(const char *text, size_t len);

/** Copy `text` into `out` (always NUL-ended, cut at a character when it does not fit): control characters, DEL and broken
 * bytes become \\xNN, so that a name can forge no log line, header or terminal sequence. @return bytes written without the NUL */
size_t hst_utf8_escape(const char *text, size_t len, char *out, size_t out_size);
#endif
