#ifndef HST_CLI_METADATA_H
#define HST_CLI_METADATA_H
/** @file
 * What is said about a model, for people. Other people's texts are shown in one line, without what could steer a terminal. */
#include <jansson.h>

/** Lines of hoist show: title, trigger words, licence ... of a model, as far as they are known. */
void hst_metadata_print(const json_t *model);
/** All of it, by question and by source: what GET /api/models/{id}/metadata answers. */
void hst_metadata_print_all(const json_t *said);
#endif
