/* What users wish for models, shown and written; and models brought into RAM ahead of time. */
#include "base/cleanup.h"
#include "catalog/config.h"
#include "service/batch.h"
#include "service/errand.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/jsonx.h"
#include "service/verbs.h"
#include "service/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *view_config(const struct hst_service *service, const char *model_id)
{
    const struct hst_model_config *config = hst_config_of(service->config.catalog, model_id);
    return json_pack("{s:s, s:o, s:o, s:o, s:s?}", "model_id", model_id, "pin", config->pin == HST_PIN_UNSAID ? json_null() : json_boolean(config->pin == HST_PIN_YES),
                     "ttl_seconds", config->has_ttl ? json_integer(config->ttl_seconds) : json_null(), "priority",
                     config->has_priority ? json_integer(config->priority) : json_null(), "precision", config->precision[0] != '\0' ? config->precision : NULL);
}

static int show(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *shown;
    HST_TRY(hst_select_model(call->service, call->params[0], &shown, err));
    *ret_data = view_config(call->service, shown->id);
    return HST_OK;
}

/* ---- what is asked for: a field that is null is not said any more, one that is absent stays as it is ---- */

static bool is_given(const struct hst_call *call, const char *name)
{
    const json_t *value = json_object_get(call->fields, name);
    return value != NULL && !json_is_null(value);
}

static int take_pin(const struct hst_call *call, struct hst_model_config *config, struct hst_error *err)
{
    bool pin = false;
    HST_TRY(hst_fields_flag(call, "pin", &pin, err));
    config->pin = pin ? HST_PIN_YES : HST_PIN_NO;
    if (!is_given(call, "pin")) config->pin = HST_PIN_UNSAID;
    return HST_OK;
}

static int take_ttl(const struct hst_call *call, struct hst_model_config *config, struct hst_error *err)
{
    int64_t seconds = 0;
    HST_TRY(hst_fields_integer(call, "ttl_seconds", 0, HST_TTL_SECONDS_MAX, &seconds, err));
    config->has_ttl = is_given(call, "ttl_seconds");
    config->ttl_seconds = (uint32_t)seconds;
    return HST_OK;
}

static int take_priority(const struct hst_call *call, struct hst_model_config *config, struct hst_error *err)
{
    int64_t priority = 0;
    HST_TRY(hst_fields_integer(call, "priority", -HST_PRIORITY_MOST, HST_PRIORITY_MOST, &priority, err));
    config->has_priority = is_given(call, "priority");
    config->priority = (int)priority;
    return HST_OK;
}

static int take_precision(const struct hst_call *call, struct hst_model_config *config, struct hst_error *err)
{
    const char *precision = NULL;
    HST_TRY(hst_fields_text(call, "precision", &precision, err));
    if (precision != NULL && strlen(precision) >= sizeof config->precision) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no precision '%.64s'", precision);
    snprintf(config->precision, sizeof config->precision, "%s", precision != NULL ? precision : "");
    return HST_OK;
}

static const struct {
    const char *name;
    int (*take)(const struct hst_call *call, struct hst_model_config *config, struct hst_error *err);
} fields[] = {{"pin", take_pin}, {"ttl_seconds", take_ttl}, {"priority", take_priority}, {"precision", take_precision}};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static int read_config(const struct hst_call *call, struct hst_model_config *config, struct hst_error *err)
{
    static const char *const known[] = {"pin", "ttl_seconds", "priority", "precision", NULL};
    HST_TRY(hst_fields_check(call, known, err));
    if (json_object_size(call->fields) == 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is nothing to write: give pin, ttl_seconds, priority or precision");
    for (size_t i = 0; i < FIELDS; i++)
        if (json_object_get(call->fields, fields[i].name) != NULL) HST_TRY(fields[i].take(call, config, err));
    return HST_OK;
}

/* ---- may it be so? ---- */

static int refuse_pin(const struct hst_model *model, uint64_t needed, uint64_t budget, struct hst_error *err)
{
    hst_error_set(err, HST_E_OUT_OF_RAM, "with %s, of %llu bytes, %llu bytes would be pinned, and the RAM budget is %llu: %llu are missing", model->id,
                  (unsigned long long)model->size_bytes, (unsigned long long)needed, (unsigned long long)budget, (unsigned long long)(needed - budget));
    if (err != NULL) {
        err->required_bytes = needed;
        err->available_bytes = budget;
    }
    return HST_E_OUT_OF_RAM;
}

static int check(const struct hst_service *service, struct hst_model *model, const struct hst_model_config *config, struct hst_error *err)
{
    uint64_t budget = hst_cache_stats(service->config.cache).budget_bytes;
    const struct hst_load_request request = {.model = model, .precision = config->precision[0] != '\0' ? config->precision : NULL, .as_stored = true};
    if (request.precision != NULL) HST_TRY(hst_loader_check(service->config.loader, &request, err));
    uint64_t needed = config->pin == HST_PIN_YES ? hst_loader_pinned_bytes(service->config.loader, model) : 0;
    return needed > budget ? refuse_pin(model, needed, budget, err) : HST_OK;
}

/* ---- writing ---- */

/* A wish that is being written. */
struct writing {
    struct hst_errand *errand;
    enum hst_config_pin before;
};

/* What is in RAM follows, unless nothing was said of it and nothing is. */
static void apply(const struct hst_service *service, const char *model_id, enum hst_config_pin before)
{
    const struct hst_model *model = hst_catalog_find(service->config.catalog, model_id);
    enum hst_config_pin now = hst_config_of(service->config.catalog, model_id)->pin;
    if (model != NULL && now != before) hst_loader_pin_model(service->config.loader, model, now == HST_PIN_YES);
}

static void on_written(void *context, const struct hst_error *err)
{
    HST_AUTO(hst_freep) struct writing *writing = context;
    struct hst_errand *errand = writing->errand;
    if (errand->service != NULL && err != NULL) hst_call_fail(errand->service, errand->ticket, err, NULL);
    if (errand->service != NULL && err == NULL) {
        apply(errand->service, errand->model_id, writing->before);
        hst_call_ok(errand->service, errand->ticket, view_config(errand->service, errand->model_id));
    }
    hst_errand_end(errand);
}

static int write_config(struct hst_call *call, const struct hst_model *model, const struct hst_model_config *config, struct hst_error *err)
{
    struct writing *writing = calloc(1, sizeof *writing);
    struct hst_errand *errand = writing != NULL ? hst_errand_begin(call, model) : NULL;
    int status = errand == NULL ? hst_error_nomem(err) : HST_OK;
    if (errand != NULL) *writing = (struct writing){errand, hst_config_of(call->service->config.catalog, model->id)->pin};
    if (status == HST_OK) status = hst_config_set(call->service->config.catalog, model->id, config, on_written, writing, err);
    if (status == HST_OK) return HST_OK;
    if (errand != NULL) hst_errand_end(errand);
    free(writing);
    return status;
}

static int begin(struct hst_call *call, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    struct hst_model_config config = *hst_config_of(call->service->config.catalog, model->id);
    HST_TRY(read_config(call, &config, err));
    HST_TRY(check(call->service, model, &config, err));
    return write_config(call, model, &config, err);
}

static void put(struct hst_call *call)
{
    struct hst_error error = {0};
    if (begin(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, hst_view_failure_details(call->service, NULL, &error));
}

/* ---- ahead of time ---- */

static int begin_preload(struct hst_call *call, struct hst_error *err)
{
    static const char *const known[] = {"components", "precision", NULL};
    HST_AUTO(hst_selection_fini) struct hst_selection named = {0};
    struct hst_batch_wish wish = {.patient = true};
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_fields_text(call, "precision", &wish.precision, err));
    HST_TRY(hst_selection_read_of(call, model, &named, err));
    struct hst_selected all = {.model = model};
    const struct hst_selection whole = {&all, 1};
    return hst_batch_start(call, named.count > 0 ? &named : &whole, &wish, err);
}

static void preload(struct hst_call *call)
{
    struct hst_error error = {0};
    if (begin_preload(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

const struct hst_route hst_verbs_config[] = {
    {"GET", "/api/models/{model_id}/config", NULL, show},
    {"PUT", "/api/models/{model_id}/config", put, NULL},
    {"POST", "/api/models/{model_id}/preload", preload, NULL},
    {NULL, NULL, NULL, NULL},
};
