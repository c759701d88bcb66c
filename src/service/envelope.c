#include "service/envelope.h"

#include "os/clock.h"
#include "service/jsonx.h"
#include "service/service.h"

static json_t *make_actions(const struct hst_status_info *info)
{
    json_t *actions = json_array();
    for (size_t i = 0; i < info->action_count; i++)
        json_array_append_new(actions, json_pack("{s:s, s:s}", "action", info->actions[i].action, "text", info->actions[i].text));
    return actions;
}

static json_t *make_details(const struct hst_error *error, json_t *details)
{
    if (details == NULL) details = json_object();
    if (error->has_offset) json_object_set_new(details, "offset", hst_jsonx_size(error->offset));
    if (error->required_bytes == 0) return details;
    json_object_set_new(details, "required_bytes", hst_jsonx_size(error->required_bytes));
    json_object_set_new(details, "available_bytes", hst_jsonx_size(error->available_bytes));
    json_object_set_new(details, "evictable_bytes", hst_jsonx_size(error->evictable_bytes));
    uint64_t room = error->available_bytes + error->evictable_bytes;
    json_object_set_new(details, "missing_bytes", hst_jsonx_size(error->required_bytes > room ? error->required_bytes - room : 0));
    return details;
}

json_t *hst_error_json(const struct hst_error *error, json_t *details)
{
    const struct hst_status_info *info = hst_status_info(error->status);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:{s:[], s:b}, s:o, s:o}", "code", info->code, "category", info->category, "severity",
                     info->severity, "message", error->text[0] != '\0' ? error->text : info->text, "recoverable", info->recoverable, "recovery",
                     "attempted", "succeeded", 0, "recommended_actions", make_actions(info), "details", make_details(error, details));
}

static char *wrap(bool success, json_t *data, json_t *error, const char *request_id)
{
    json_t *envelope = json_pack("{s:b, s:o, s:o, s:s, s:o}", "success", success, "data", data, "error", error, "request_id", request_id,
                                 "timestamp", hst_jsonx_time(hst_clock_wall_ns()));
    char *text = envelope != NULL ? json_dumps(envelope, JSON_COMPACT) : NULL;
    json_decref(envelope);
    return text;
}

char *hst_envelope_ok(json_t *data, const char *request_id)
{
    return data != NULL ? wrap(true, data, json_null(), request_id) : NULL;
}

char *hst_envelope_fail(const struct hst_error *error, json_t *details, const char *request_id)
{
    return wrap(false, json_null(), hst_error_json(error, details), request_id);
}
