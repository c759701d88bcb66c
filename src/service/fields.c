#include "service/fields.h"

#include "base/cleanup.h"
#include "base/percent.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "service/limits.h"

#include <string.h>

static void plus_to_space(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '+') *text = ' ';
}

static bool decode(char *text)
{
    plus_to_space(text);
    return hst_percent_decode(text) && hst_utf8_valid(text, strlen(text));
}

/* Add a query parameter: a second one of the same name makes a list of it. */
static int add_parameter(json_t *parameters, const char *name, const char *value, struct hst_error *err)
{
    json_t *text = json_string(value), *present = json_object_get(parameters, name);
    if (text == NULL) return hst_error_nomem(err);
    if (present == NULL) return json_object_set_new(parameters, name, text) == 0 ? HST_OK : hst_error_nomem(err);
    if (json_is_array(present)) return json_array_append_new(present, text) == 0 ? HST_OK : hst_error_nomem(err);
    json_t *list = json_pack("[O, o]", present, text);
    return list != NULL && json_object_set_new(parameters, name, list) == 0 ? HST_OK : hst_error_nomem(err);
}

static int parse_query(const char *query, json_t *parameters, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *copy = strdup(query);
    if (copy == NULL) return hst_error_nomem(err);
    for (char *rest = copy, *pair; (pair = strsep(&rest, "&")) != NULL;) {
        char *value = pair, *name = strsep(&value, "=");
        if (name[0] == '\0') continue;
        if (!decode(name) || (value != NULL && !decode(value))) return hst_error_set(err, HST_E_BAD_REQUEST, "the query is not percent-encoded UTF-8");
        HST_TRY(add_parameter(parameters, name, value != NULL ? value : "", err));
    }
    return HST_OK;
}

static int add_body(json_t *fields, const json_t *body, struct hst_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value) {
        if (json_object_get(fields, name) != NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s is given in the body and in the query", name);
        if (json_object_set(fields, name, value) < 0) return hst_error_nomem(err);
    }
    return HST_OK;
}

int hst_fields_merge(const json_t *body, const char *query, json_t **ret_fields, struct hst_error *err)
{
    json_t *fields = json_object();
    if (fields == NULL) return hst_error_nomem(err);
    int status = query != NULL ? parse_query(query, fields, err) : HST_OK;
    if (status == HST_OK && body != NULL) status = add_body(fields, body, err);
    if (status < 0)
        json_decref(fields);
    else
        *ret_fields = fields;
    return status;
}

static bool is_known(const char *const *known, const char *name)
{
    for (; *known != NULL; known++)
        if (strcmp(*known, name) == 0) return true;
    return false;
}

static int refuse_field(const char *const *known, const char *name, struct hst_error *err)
{
    struct hst_strbuf list = {0};
    for (; *known != NULL; known++)
        hst_strbuf_printf(&list, "%s%s", list.length > 0 ? ", " : "", *known);
    hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no field '%s' here; there are: %s", name, list.text != NULL ? list.text : "none");
    hst_strbuf_fini(&list);
    return HST_E_INVALID_ARGUMENT;
}

int hst_fields_check(const struct hst_call *call, const char *const *known, struct hst_error *err)
{
    const char *name;
    json_t *value;
    bool nulls = strcmp(call->request->method, "DELETE") != 0;
    json_object_foreach((json_t *)call->fields, name, value) {
        if (!is_known(known, name)) return refuse_field(known, name, err);
        if (json_is_null(value) && !nulls) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must not be null; leave it out to mean all", name);
    }
    return HST_OK;
}

static const json_t *get(const struct hst_call *call, const char *name)
{
    const json_t *value = json_object_get(call->fields, name);
    return json_is_null(value) ? NULL : value;
}

int hst_fields_text(const struct hst_call *call, const char *name, const char **ret_text, struct hst_error *err)
{
    const json_t *value = get(call, name);
    if (value != NULL && (!json_is_string(value) || json_string_value(value)[0] == '\0'))
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be a text that is not empty", name);
    *ret_text = json_string_value(value);
    return HST_OK;
}

int hst_fields_flag(const struct hst_call *call, const char *name, bool *ret_flag, struct hst_error *err)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"1", true}, {"false", false}, {"0", false}};
    const json_t *value = get(call, name);
    const char *text = json_string_value(value);
    if (value == NULL) return HST_OK;
    if (json_is_boolean(value)) *ret_flag = json_is_true(value);
    if (json_is_boolean(value)) return HST_OK;
    for (size_t i = 0; text != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].text, text) != 0) continue;
        *ret_flag = words[i].value;
        return HST_OK;
    }
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be true or false", name);
}

static bool read_number(const json_t *value, uint64_t *ret_number)
{
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        *ret_number = (uint64_t)json_integer_value(value);
        return json_integer_value(value) >= 0;
    }
    if (text == NULL || text[0] == '\0' || strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0') return false;
    *ret_number = strtoull(text, NULL, 10);
    return true;
}

int hst_fields_number(const struct hst_call *call, const char *name, uint64_t most, uint64_t *ret_number, struct hst_error *err)
{
    const json_t *value = get(call, name);
    uint64_t number;
    if (value == NULL) return HST_OK;
    if (!read_number(value, &number) || number > most)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be an integer from 0 to %llu", name, (unsigned long long)most);
    *ret_number = number;
    return HST_OK;
}

int hst_fields_integer(const struct hst_call *call, const char *name, int64_t least, int64_t most, int64_t *ret_number, struct hst_error *err)
{
    const json_t *value = get(call, name);
    const char *text = json_string_value(value);
    char *end = NULL;
    if (value == NULL) return HST_OK;
    int64_t number = text != NULL ? strtoll(text, &end, 10) : json_integer_value(value);
    bool is_number = text != NULL ? end != text && *end == '\0' : json_is_integer(value);
    if (!is_number || number < least || number > most)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be an integer from %lld to %lld", name, (long long)least, (long long)most);
    *ret_number = number;
    return HST_OK;
}

static json_t *split_commas(const char *text)
{
    HST_AUTO(hst_freep) char *copy = strdup(text);
    json_t *list = json_array();
    for (char *rest = copy, *item; copy != NULL && (item = strsep(&rest, ",")) != NULL;)
        json_array_append_new(list, json_string(item));
    return list;
}

static bool all_texts(const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)list, index, item)
        if (!json_is_string(item) || json_string_length(item) == 0) return false;
    return json_array_size(list) > 0 && json_array_size(list) <= HST_FIELD_ITEMS_MAX;
}

int hst_fields_list(const struct hst_call *call, const char *name, json_t **ret_list, struct hst_error *err)
{
    const json_t *value = get(call, name);
    *ret_list = NULL;
    if (value == NULL) return HST_OK;
    json_t *list = json_is_string(value) ? split_commas(json_string_value(value)) : json_incref((json_t *)value);
    if (json_is_array(list) && all_texts(list)) {
        *ret_list = list;
        return HST_OK;
    }
    json_decref(list);
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be a list of 1 to %u texts", name, HST_FIELD_ITEMS_MAX);
}
