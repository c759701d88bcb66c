#include "service/fields.h"
#include "service/select.h"
#include "service/validations.h"
#include "service/verbs.h"

static int start(const struct hst_call *call, struct hst_error *err)
{
    static const char *const known[] = {"deep", "wait", NULL};
    struct hst_model *model;
    bool deep = true, wait = true;
    HST_TRY(hst_fields_check(call, known, err));
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    HST_TRY(hst_fields_flag(call, "deep", &deep, err));
    HST_TRY(hst_fields_flag(call, "wait", &wait, err));
    HST_TRY(hst_validations_start(call, model, deep, wait, err));
    if (!wait) hst_call_ok(call->service, call->ticket, hst_validations_view(call->service, model));
    return HST_OK;
}

static void validate(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

static int show(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    *ret_data = hst_validations_view(call->service, model);
    return HST_OK;
}

static int cancel(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    HST_TRY(hst_validations_cancel(call->service, model, err));
    return show(call, ret_data, err);
}

const struct hst_route hst_verbs_validate[] = {
    {"POST", "/api/models/{model_id}/validate", validate, NULL},
    {"GET", "/api/models/{model_id}/validate", NULL, show},
    {"DELETE", "/api/models/{model_id}/validate", NULL, cancel},
    {NULL, NULL, NULL, NULL},
};
