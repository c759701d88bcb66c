#ifndef HST_CLI_PATTERNS_H
#define HST_CLI_PATTERNS_H
/** @file
 * The part of hoist cache that is about all models and not about one: what is known of use, and memory put in order by it. */
#include "cli/command.h"

/** Is one of --patterns, --reorganize and --drop-idle given? */
bool hst_patterns_asked(const struct hst_arguments *arguments);
/** Do it. @return exit code */
int hst_patterns_run(const struct hst_arguments *arguments);
#endif
