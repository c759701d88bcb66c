#ifndef HST_DAEMON_PARSING_H
#define HST_DAEMON_PARSING_H
/** @file
 * Where model files are parsed: in hoist-scan, unless the settings say otherwise. There is no falling back: without hoist-scan nothing is
 * read (docs/decisions/0013). */
#include "daemon/settings.h"
#include "scanner/scanner.h"

/** Start hoist-scan and let it parse for this process. *ret_scanner = NULL when the settings want the parsers here. HST_E_CONFIG,
 * HST_E_WORKER_UNAVAILABLE. */
int hst_parsing_begin(const struct hst_settings *settings, struct hst_scanner **ret_scanner, struct hst_error *err);
/** End it, after everyone who parses. NULL is fine. */
void hst_parsing_end(struct hst_scanner *scanner);
#endif
