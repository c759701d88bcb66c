#ifndef HST_SERVICE_COMPARISONS_H
#define HST_SERVICE_COMPARISONS_H
/** @file
 * Comparing two models off the loop thread: their tables are read again if nobody holds them, held, compared, and let go. */
#include "service/service.h"

/** Compare; the call is answered at the end. On failure it is not, and nothing runs. */
int hst_comparisons_start(const struct hst_call *call, struct hst_model *model, struct hst_model *other, struct hst_error *err);
/** Wait for those that run, and free. */
void hst_comparisons_free(struct hst_service *service);
#endif
