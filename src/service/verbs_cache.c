#include "base/cleanup.h"
#include "service/errand.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view.h"


static int show(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_component *component;
    if (call->params[0] != NULL) {
        HST_TRY(hst_select_component(call->service, call->params[0], &component, err));
        *ret_data = hst_view_component(call->service, component);
        return HST_OK;
    }
    json_t *components = json_array();
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(call->service->config.cache, &cursor));)
        if (held->state != HST_RESIDENCY_SUSPENDED) json_array_append_new(components, hst_view_component(call->service, held->component));
    *ret_data = json_pack("{s:o}", "components", components);
    hst_view_cache_totals(call->service, *ret_data);
    return HST_OK;
}

/* What an eviction did. */
struct eviction {
    const struct hst_service *service;
    json_t *gone;
    json_t *kept;
    uint64_t freed_bytes;
};

static int evict_one(struct eviction *eviction, struct hst_residency *held, bool named, struct hst_decision *record, struct hst_error *err)
{
    const struct hst_service_config *config = &eviction->service->config;
    if (hst_loader_busy(config->loader, held->component)) return hst_error_set(err, HST_E_BUSY, "a job works on %s", held->component->id);
    if (held->pinned && !named) return hst_error_set(err, HST_E_BUSY, "%s is pinned; name it to evict it", held->component->id);
    return hst_loader_evict(config->loader, held, record, err);
}

/* @return is it gone? */
static bool try_one(struct eviction *eviction, struct hst_residency *held, bool named)
{
    struct hst_error error = {0};
    json_t *row = json_pack("{s:s}", "component_id", held->component->id), *holders = hst_view_holders(eviction->service, held->component);
    struct hst_decision record = {.cause = HST_CAUSE_ASKED, .reason = "a client asked for it"};
    bool gone = evict_one(eviction, held, named, &record, &error) == HST_OK;
    json_object_set_new(row, gone ? "freed_bytes" : "reason", gone ? hst_jsonx_size(record.bytes) : json_string(error.text));
    if (!gone) json_object_set(row, "holders", holders);
    json_array_append_new(gone ? eviction->gone : eviction->kept, row);
    json_decref(holders);
    eviction->freed_bytes += record.bytes;
    return gone;
}

static void evict_matching(struct eviction *eviction, const struct hst_selection *selection)
{
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(eviction->service->config.cache, &cursor));) {
        if (selection->count > 0 && !hst_selection_has(selection, held->component)) continue;
        if (try_one(eviction, held, selection->count > 0)) cursor--;
    }
}

/* One component, named in the path, that is in use: that is a conflict, and not a list of what was left. */
static int refuse(struct eviction *eviction, struct hst_error *err)
{
    const char *reason = json_string_value(json_object_get(json_array_get(eviction->kept, 0), "reason"));
    hst_error_set(err, HST_E_BUSY, "%s", reason);
    json_decref(eviction->gone);
    json_decref(eviction->kept);
    return HST_E_BUSY;
}

static int evict(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    static const char *const known[] = {"model_id", "components", "component_ids", NULL};
    HST_AUTO(hst_selection_fini) struct hst_selection selection = {0};
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_selection_read(call, call->params[0], &selection, err));
    struct eviction eviction = {.service = call->service, .gone = json_array(), .kept = json_array()};
    evict_matching(&eviction, &selection);
    if (call->params[0] != NULL && json_array_size(eviction.kept) > 0) return refuse(&eviction, err);
    *ret_data = json_pack("{s:o, s:o, s:o}", "freed_components", eviction.gone, "busy_components", eviction.kept, "freed_bytes",
                          hst_jsonx_size(eviction.freed_bytes));
    return HST_OK;
}

/* An answer that waits until the kernel has the memory. */
struct answer {
    struct hst_errand *errand;
    json_t *data;
};

static void on_settled(void *context)
{
    HST_AUTO(hst_freep) struct answer *answer = context;
    struct hst_errand *errand = answer->errand;
    if (errand->service != NULL)
        hst_call_ok(errand->service, errand->ticket, answer->data);
    else
        json_decref(answer->data);
    hst_errand_end(errand);
}

/* @return will it be answered? */
static bool answer_later(const struct hst_call *call, json_t *data)
{
    struct answer *answer = calloc(1, sizeof *answer);
    struct hst_errand *errand = answer != NULL ? hst_errand_begin(call, NULL) : NULL;
    if (errand != NULL) *answer = (struct answer){errand, data};
    if (errand != NULL && hst_cache_settle(call->service->config.cache, on_settled, answer, NULL) == HST_OK) return true;
    if (errand != NULL) hst_errand_end(errand);
    free(answer);
    return false;
}

static void evict_and_wait(struct hst_call *call)
{
    struct hst_error error = {0};
    json_t *data = NULL;
    if (evict(call, &data, &error) < 0)
        hst_call_fail(call->service, call->ticket, &error, NULL);
    else if (!answer_later(call, data))
        hst_call_ok(call->service, call->ticket, data);
}

const struct hst_route hst_verbs_cache[] = {
    {"GET", "/api/model/cache", NULL, show},
    {"GET", "/api/model/cache/{component_id}", NULL, show},
    {"DELETE", "/api/model/cache", evict_and_wait, NULL},
    {"DELETE", "/api/model/cache/{component_id}", evict_and_wait, NULL},
    {NULL, NULL, NULL, NULL},
};
