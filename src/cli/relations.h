#ifndef HST_CLI_RELATIONS_H
#define HST_CLI_RELATIONS_H
/** @file
 * How models belong together, for people. */
#include "cli/command.h"

/** What a model needs, who serves, and where it fits (data of GET dependencies). */
void hst_relations_print(const json_t *dependencies);
/** Ask for what the model of the command line needs. *ret_dependencies is owned by the caller. @return exit code */
int hst_relations_ask(const struct hst_arguments *arguments, json_t **ret_dependencies);
/** hoist show MODEL --with OTHER. @return exit code */
int hst_relations_compare(const struct hst_arguments *arguments);
#endif
