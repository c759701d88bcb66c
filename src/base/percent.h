#ifndef HST_BASE_PERCENT_H
#define HST_BASE_PERCENT_H
/** @file
 * Percent-encoding of URLs (RFC 3986). */
#include <stdbool.h>

/** Decode %XX in place. @return false when an escape is broken or stands for NUL; the text is unusable then */
bool hst_percent_decode(char *text);
#endif
