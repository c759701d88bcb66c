#ifndef HST_CLI_MANUAL_H
#define HST_CLI_MANUAL_H
/** @file
 * Help, man pages and shell completion, made of the table of commands. Each returns an exit code. */
#include "cli/command.h"

/** hoist --help */
int hst_manual_overview(void);
/** hoist COMMAND --help */
int hst_manual_help(const struct hst_command *command);
/** hoist --man COMMAND: its page as roff; NULL = the overview's. */
int hst_manual_page(const struct hst_command *command);
/** hoist --completion bash|zsh|fish */
int hst_manual_completion(const char *shell);
#endif
