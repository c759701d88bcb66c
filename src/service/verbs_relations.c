#include "service/comparisons.h"
#include "service/fields.h"
#include "service/internal.h"
#include "service/select.h"
#include "service/verbs.h"
#include "service/view_relations.h"

static int show_dependencies(const struct hst_call *call, json_t **ret_data, struct hst_error *err)
{
    struct hst_model *model;
    HST_TRY(hst_select_model(call->service, call->params[0], &model, err));
    return hst_view_dependencies(call->service, model, ret_data, err);
}

/* A model whose tensors can be compared. */
static int select_usable(const struct hst_service *service, const char *id, struct hst_model **ret_model, struct hst_error *err)
{
    HST_TRY(hst_select_model(service, id, ret_model, err));
    const struct hst_model *model = *ret_model;
    if (model->state == HST_MODEL_OK) return HST_OK;
    hst_error_set(err, model->problem.status, "%s is %s: %s", model->id, hst_model_state_name(model->state), model->problem.text);
    return model->problem.status;
}

static int start_comparison(const struct hst_call *call, struct hst_error *err)
{
    struct hst_model *model, *other;
    const char *with = NULL;
    HST_TRY(hst_fields_text(call, "with", &with, err));
    if (with == NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "name the other model: ?with=ID");
    HST_TRY(select_usable(call->service, call->params[0], &model, err));
    HST_TRY(select_usable(call->service, with, &other, err));
    return hst_comparisons_start(call, model, other, err);
}

static void show_compatibility(struct hst_call *call)
{
    struct hst_error error = {0};
    if (start_comparison(call, &error) < 0) hst_call_fail(call->service, call->ticket, &error, NULL);
}

const struct hst_route hst_verbs_relations[] = {
    {"GET", "/api/models/{model_id}/dependencies", NULL, show_dependencies},
    {"GET", "/api/models/{model_id}/compatibility", show_compatibility, NULL},
    {NULL, NULL, NULL, NULL},
};
