/* Errors as the caller gets them. */
#include "client/internal.h"

#include "base/cleanup.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void hoist_error_clear(struct hoist_error *error)
{
    if (error == NULL) return;
    free(error->json);
    *error = (struct hoist_error){0};
}

int hoist_error_status(const char *code)
{
    return hst_status_from_code(code);
}

int hoist_error_exit_code(const struct hoist_error *error)
{
    return hst_status_info(error->status)->exit_code;
}

const char *hoist_version(void)
{
    return HOIST_VERSION;
}

int hst_report(struct hoist_error *error, const struct hst_error *ours)
{
    const struct hst_status_info *info = hst_status_info(ours->status);
    if (error == NULL) return ours->status;
    hoist_error_clear(error);
    error->status = ours->status;
    snprintf(error->code, sizeof error->code, "%s", info->code);
    snprintf(error->category, sizeof error->category, "%s", info->category);
    snprintf(error->message, sizeof error->message, "%s", ours->text[0] != '\0' ? ours->text : info->text);
    return ours->status;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

int hst_report_json(struct hoist_error *error, const char *json)
{
    json_t *object = json_loads(json, 0, NULL);
    struct hst_error ours = {0};
    hst_error_set(&ours, hst_status_from_code(text_of(object, "code")), "%s", text_of(object, "message"));
    hst_report(error, &ours);
    if (error != NULL) {
        error->json = strdup(json);
        if (text_of(object, "code")[0] != '\0') snprintf(error->code, sizeof error->code, "%s", text_of(object, "code"));
        if (text_of(object, "category")[0] != '\0') snprintf(error->category, sizeof error->category, "%s", text_of(object, "category"));
    }
    json_decref(object);
    return ours.status;
}
