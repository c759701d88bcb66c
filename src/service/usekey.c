#include "service/usekey.h"

#include "service/jsonx.h"

#include <stdio.h>
#include <string.h>

static bool is_among(const struct hst_component *component, struct hst_component *const *components, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(components[i]->id, component->id) == 0) return true;
    return false;
}

/* @return did it fit? */
static bool add(char *out, const char *sign, const char *text)
{
    size_t used = strlen(out);
    return snprintf(out + used, HST_PATTERN_KEY_MAX - used, "%s%s", sign, text) < (int)(HST_PATTERN_KEY_MAX - used);
}

/* In the order of the model, in whatever order they were asked for. */
static bool add_roles(char *out, const struct hst_model *model, struct hst_component *const *components, size_t count)
{
    bool good = count <= HST_USEKEY_ROLES_MAX;
    const char *sign = ":";
    for (size_t i = 0; good && i < model->component_count; i++) {
        if (!is_among(&model->components[i], components, count)) continue;
        good = add(out, sign, model->components[i].role);
        sign = ",";
    }
    return good;
}

void hst_usekey_write(char out[HST_PATTERN_KEY_MAX], const struct hst_model *model, struct hst_component *const *components, size_t count, const char *precision)
{
    out[0] = '\0';
    bool good = add(out, "", model->id);
    if (good && count < model->component_count) good = add_roles(out, model, components, count);
    if (good && precision != NULL && precision[0] != '\0') good = add(out, "@", precision);
    if (!good) snprintf(out, HST_PATTERN_KEY_MAX, "%s", model->id);
}

bool hst_usekey_read(const char *key, struct hst_usekey *ret_key)
{
    *ret_key = (struct hst_usekey){.model_id = ret_key->text};
    if (strlen(key) >= sizeof ret_key->text) return false;
    memcpy(ret_key->text, key, strlen(key) + 1);
    char *rest = ret_key->text, *precision = strchr(rest, '@');
    if (precision != NULL) *precision++ = '\0';
    ret_key->precision = precision;
    rest = strchr(rest, ':');
    if (rest != NULL) *rest++ = '\0';
    for (char *role; rest != NULL && (role = strsep(&rest, ",")) != NULL;) {
        if (ret_key->role_count == HST_USEKEY_ROLES_MAX || role[0] == '\0') return false;
        ret_key->roles[ret_key->role_count++] = role;
    }
    return ret_key->model_id[0] != '\0' && (precision == NULL || precision[0] != '\0');
}

json_t *hst_usekey_view(const char *key)
{
    struct hst_usekey read;
    hst_usekey_read(key, &read);
    return json_pack("{s:s, s:o, s:s?}", "model_id", read.model_id, "components",
                     read.role_count > 0 ? hst_jsonx_texts(read.roles, read.role_count) : json_null(), "precision", read.precision);
}
