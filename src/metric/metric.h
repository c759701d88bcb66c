#ifndef HST_METRIC_METRIC_H
#define HST_METRIC_METRIC_H
/** @file
 * Writing metrics as Prometheus text (exposition format 0.0.4). Values are read where they live when somebody asks; nothing is
 * counted twice. */
#include "base/strbuf.h"
#include "metric/metric_ids.h"

/** Content type of the text. */
#define HST_METRIC_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/** Begin a metric: its HELP and TYPE lines. */
void hst_metric_begin(struct hst_strbuf *out, enum hst_metric_id metric);
/** A sample. `label` and `value_of_label` are both NULL, or a name and what it is set to (escaped here). */
void hst_metric_sample(struct hst_strbuf *out, enum hst_metric_id metric, const char *label, const char *value_of_label, double value);
/** A metric with one sample and no label. */
void hst_metric_single(struct hst_strbuf *out, enum hst_metric_id metric, double value);
#endif
