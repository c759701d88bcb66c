#ifndef HST_SCANNER_SCANNER_H
#define HST_SCANNER_SCANNER_H
/** @file
 * The parsers in processes of their own: each hoist-scan gets an open file and gives a table, may do nothing else (os/sandbox.h), and is
 * replaced when it dies, hangs or talks nonsense. A file that makes a second, new one fail as well is at fault: HST_E_PARSER_FAILED.
 *
 *   a thread that reads a file takes one:   idle --> busy --> idle      (or a new one: starting --> busy)
 *   it failed, or has read its share:                busy --> gone
 *   the scan is over (rest):                idle --> gone */
#include "model/parser.h"
#include "os/sandbox.h"

/** The processes. */
struct hst_scanner;

/** What it needs. */
struct hst_scanner_config {
    const char *program; /**< hoist-scan; copied */
    unsigned timeout_ms; /**< most time for a file, disk included */
    unsigned cpu_ms;     /**< most processor time for a file; 0 = HST_SCANNER_FILE_CPU_MS */
};

/** Start the first process. HST_E_WORKER_UNAVAILABLE when it does not come up. *ret_scanner owned: hst_scanner_free. */
int hst_scanner_new(const struct hst_scanner_config *config, struct hst_scanner **ret_scanner, struct hst_error *err);
/** What protects us from the parsers here. */
struct hst_sandbox hst_scanner_sandbox(const struct hst_scanner *scanner);
/** For hst_parser_use; borrowed, lives as long as the scanner. A file that could not be handed over at all is HST_E_WORKER_UNAVAILABLE. */
const struct hst_parser *hst_scanner_parser(const struct hst_scanner *scanner);
/** Leave the files being read: their threads get HST_E_SHUTTING_DOWN soon. Any thread. */
void hst_scanner_stop(struct hst_scanner *scanner);
/** End the processes and free. No thread may use it any more. NULL is fine. */
void hst_scanner_free(struct hst_scanner *scanner);
#endif
