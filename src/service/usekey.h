#ifndef HST_SERVICE_USEKEY_H
#define HST_SERVICE_USEKEY_H
/** @file
 * What was asked for, as one text, under which its use is remembered: "MODEL", "MODEL:ROLE,ROLE", "MODEL@PRECISION" or "MODEL:ROLE@PRECISION". Ids,
 * roles and precisions have none of these signs in them. */
#include "predict/patterns.h"
#include "service/service.h"

/** Most roles of a key: beyond that, and beyond HST_PATTERN_KEY_MAX, the whole model stands for them. */
#define HST_USEKEY_ROLES_MAX 32u

/** A key in its parts, which are borrowed from `text`. */
struct hst_usekey {
    char text[HST_PATTERN_KEY_MAX]; /**< cut */
    const char *model_id;           /**< which model */
    const char *roles[HST_USEKEY_ROLES_MAX]; /**< which components */
    size_t role_count;              /**< 0 = all */
    const char *precision;          /**< NULL = as stored */
};

/** Write the key of these components of a model; precision NULL or "" = as stored. */
void hst_usekey_write(char out[HST_PATTERN_KEY_MAX], const struct hst_model *model, struct hst_component *const *components, size_t count, const char *precision);
/** Cut a key. @return false when it is none */
bool hst_usekey_read(const char *key, struct hst_usekey *ret_key);
/** As JSON: model_id, components (null = all), precision (null = as stored). New reference. */
json_t *hst_usekey_view(const char *key);
#endif
