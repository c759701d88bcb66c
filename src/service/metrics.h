#ifndef HST_SERVICE_METRICS_H
#define HST_SERVICE_METRICS_H
/** @file
 * The state of the daemon as metrics. */
#include "base/strbuf.h"
#include "service/service.h"

/** Write every metric. */
void hst_metrics_write(const struct hst_service *service, struct hst_strbuf *out);
#endif
