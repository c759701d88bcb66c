#ifndef HST_CLI_PROGRAM_H
#define HST_CLI_PROGRAM_H
/** @file
 * Running other programs: hoistd, which lies beside this one or on the PATH, and those of the user. */
#include <jansson.h>

/** Become hoistd with these arguments (NULL-ended). Returns only when that failed: the exit code. */
int hst_program_become_hoistd(const char *const *arguments);
/** Become a program (NULL-ended arguments, the first is its name). Returns only when that failed: the exit code. */
int hst_program_become(char *const *arguments);
/** Run hoistd with these arguments (NULL-ended) and read the JSON that it prints. *ret_json is owned by the caller, NULL when there
 * was none, and then the failure was reported as `what`. @return its exit code */
int hst_program_ask(const char *what, const char *const *arguments, json_t **ret_json);
/** Path of the folder of this program, without a trailing slash; "" when it is not known. */
void hst_program_folder(char out[4096]);
#endif
