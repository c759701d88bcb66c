#include "base/strbuf.h"
#include "metric/metric.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/metrics.h"
#include "service/verbs.h"

#include <string.h>

static const char openapi[] =
#include "service/openapi.inc"
    ;
static const char docs[] =
#include "service/docs.inc"
    ;

static void show_live(struct hst_call *call)
{
    static const char alive[] = "{\"status\":\"live\",\"version\":\"" HOIST_VERSION "\"}";
    hst_call_raw(call->service, call->ticket, "application/json", alive, sizeof alive - 1);
}

/* Ready as soon as it answers: what is known of the models is served while they are scanned again. */
static void show_ready(struct hst_call *call)
{
    struct hst_scan_status scan = hst_catalog_scan_status(call->service->config.catalog);
    json_t *view = json_pack("{s:s, s:s, s:o, s:o}", "status", "ready", "scan", scan.state, "models",
                             hst_jsonx_size(hst_catalog_count(call->service->config.catalog)), "version", json_string(HOIST_VERSION));
    char *text = json_dumps(view, JSON_COMPACT);
    hst_call_raw(call->service, call->ticket, "application/json", text, text != NULL ? strlen(text) : 0);
    json_decref(view);
    free(text);
}

static void show_metrics(struct hst_call *call)
{
    struct hst_strbuf out = {0};
    hst_metrics_write(call->service, &out);
    hst_call_raw(call->service, call->ticket, HST_METRIC_CONTENT_TYPE, hst_strbuf_ok(&out) ? out.text : NULL, out.length);
    hst_strbuf_fini(&out);
}

static void show_openapi(struct hst_call *call)
{
    hst_call_raw(call->service, call->ticket, "application/json", openapi, sizeof openapi - 1);
}

static void show_docs(struct hst_call *call)
{
    hst_call_raw(call->service, call->ticket, "text/html; charset=utf-8", docs, sizeof docs - 1);
}

const struct hst_route hst_verbs_system[] = {
    {"GET", "/health/live", show_live, NULL},
    {"GET", "/health/ready", show_ready, NULL},
    {"GET", "/metrics", show_metrics, NULL},
    {"GET", "/openapi.json", show_openapi, NULL},
    {"GET", "/docs", show_docs, NULL},
    {NULL, NULL, NULL, NULL},
};
