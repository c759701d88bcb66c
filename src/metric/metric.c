#include "metric/metric.h"

struct row {
    const char *name;
    const char *kind;
    const char *help;
};

static const struct row rows[HST_METRIC_COUNT] = {
#include "metric/metrics.inc"
};

void hst_metric_begin(struct hst_strbuf *out, enum hst_metric_id metric)
{
    const struct row *row = &rows[metric];
    hst_strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->kind);
}

static void write_label(struct hst_strbuf *out, const char *label, const char *value)
{
    hst_strbuf_printf(out, "{%s=\"", label);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"') hst_strbuf_puts(out, "\\");
        hst_strbuf_append(out, *value == '\n' ? " " : value, 1);
    }
    hst_strbuf_puts(out, "\"}");
}

void hst_metric_sample(struct hst_strbuf *out, enum hst_metric_id metric, const char *label, const char *value_of_label, double value)
{
    hst_strbuf_puts(out, rows[metric].name);
    if (label != NULL) write_label(out, label, value_of_label);
    hst_strbuf_printf(out, " %.17g\n", value);
}

void hst_metric_single(struct hst_strbuf *out, enum hst_metric_id metric, double value)
{
    hst_metric_begin(out, metric);
    hst_metric_sample(out, metric, NULL, NULL, value);
}
