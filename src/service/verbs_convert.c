#include "base/cleanup.h"
#include "service/conversions.h"
#include "service/fields.h"
#include "service/verbs.h"

static int read_precision(const struct hst_call *call, struct hst_conversion_wish *wish, struct hst_error *err)
{
    const char *precision = NULL, *level = NULL;
    HST_TRY(hst_fields_text(call, "precision", &precision, err));
    HST_TRY(hst_fields_text(call, "optimization_level", &level, err));
    if (precision == NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "say to which precision: fp32, fp16, bf16, fp8 ...");
    HST_TRY(hst_convert_precision(precision, &wish->dtype, err));
    return level != NULL ? hst_convert_level_parse(level, &wish->level, err) : HST_OK;
}

static int read_wish(const struct hst_call *call, struct hst_conversion_wish *wish, struct hst_error *err)
{
    static const char *const known[] = {"precision", "output", "components", "overwrite", "optimization_level", "wait", NULL};
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(read_precision(call, wish, err));
    HST_TRY(hst_fields_text(call, "output", &wish->output, err));
    HST_TRY(hst_fields_flag(call, "overwrite", &wish->overwrite, err));
    return hst_fields_flag(call, "wait", &wish->wait, err);
}

static int start(const struct hst_call *call, struct hst_error *err)
{
    HST_AUTO(hst_selection_fini) struct hst_selection selection = {0};
    struct hst_conversion_wish wish = {.wait = true, .anywhere = call->request->peer.owns};
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    HST_TRY(read_wish(call, &wish, err));
    HST_TRY(hst_selection_read_of(call, model, &selection, err));
    wish.selected = selection.count > 0 ? &selection.items[0] : NULL;
    HST_TRY(hst_conversions_start(call, model, &wish, err));
    if (!wish.wait) hst_call_ok(call->service, call->ticket, hst_conversions_view(call->service, model));
    return HST_OK;
}

static void convert(struct hst_call *call)
{
    struct hst_error why = {0};
    if (start(call, &why) < 0) hst_call_fail(call->service, call->ticket, &why, NULL);
}

static int show_conversion(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *converted;
    HST_TRY(hst_select_model(call->service, call->params[0], &converted, err));
    *ret_data = hst_conversions_view(call->service, converted);
    return HST_OK;
}

static int stop_conversion(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *converted;
    HST_TRY(hst_select_model(call->service, call->params[0], &converted, err));
    HST_TRY(hst_conversions_cancel(call->service, converted, err));
    return show_conversion(call, ret_data, err);
}

const struct hst_route hst_verbs_convert[] = {
    {"POST", "/api/models/{model_id}/convert", convert, NULL},
    {"GET", "/api/models/{model_id}/convert", NULL, show_conversion},
    {"DELETE", "/api/models/{model_id}/convert", NULL, stop_conversion},
    {NULL, NULL, NULL, NULL},
};
