#include "model/interface.h"

#include "model/model.h"
#include "model/modules.h"

#include <stddef.h>
#include <string.h>

/* Kinds of components that have tables of their own. */
enum kind { OF_NOTHING, OF_MAIN, OF_VAE, OF_ENCODER };

/* A row of api/modules.yaml: interfaces. */
struct rule {
    size_t fact;      /* offset of the member */
    enum kind of;
    const char *key;
    size_t length;    /* of key */
    const char *when; /* only if this tensor is there, or NULL */
    unsigned dim, rank, divide; /* rank 0 = any */
    bool ending;      /* key is the end of the name */
};

static const struct rule rules[] = {
#include "interfaces.inc"
};
enum { RULES = sizeof rules / sizeof rules[0] };

static enum kind kind_of(const char *role)
{
    static const char *const nothing[] = {"lora", "embedding", "upscaler", "image_encoder", "clip_vision", "safety_checker", "ema"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        if (strcmp(role, nothing[i]) == 0) return OF_NOTHING;
    if (strcmp(role, "vae") == 0) return OF_VAE;
    return strncmp(role, "text_encoder", strlen("text_encoder")) == 0 ? OF_ENCODER : OF_MAIN;
}

bool hst_interface_is_main(const char *role)
{
    return kind_of(role) == OF_MAIN;
}

static bool is_key(const struct rule *rule, const char *bare, size_t length)
{
    if (length < rule->length || (!rule->ending && length != rule->length)) return false;
    return memcmp(bare + length - rule->length, rule->key, rule->length) == 0;
}

static uint64_t *fact_of(struct hst_interface *interface, const struct rule *rule)
{
    return (uint64_t *)(void *)((char *)interface + rule->fact);
}

/* What has been found, and the row that found it: an earlier row counts more. */
struct reading {
    struct hst_interface values;
    size_t by[sizeof(struct hst_interface) / sizeof(uint64_t)];
};

static bool is_there(const struct hst_component *component, const char *key)
{
    for (size_t i = 0; i < component->tensor_count; i++)
        if (strcmp(hst_modules_bare(component->tensors[i].tensor->name), key) == 0) return true;
    return false;
}

/* Packed weights (one column of bytes) keep their sizes elsewhere. */
static bool tells(const struct hst_component *component, const struct rule *rule, const struct hst_tensor *tensor)
{
    if (tensor->rank <= rule->dim || (rule->rank != 0 && tensor->rank != rule->rank)) return false;
    if (tensor->dtype == HST_DTYPE_U8) return false;
    return rule->when == NULL || is_there(component, rule->when);
}

static void read_tensor(const struct hst_component *component, enum kind kind, const struct hst_tensor *tensor, struct reading *reading)
{
    const char *bare = hst_modules_bare(tensor->name);
    size_t length = strlen(bare);
    for (size_t i = 0; i < RULES; i++) {
        const struct rule *rule = &rules[i];
        size_t *by = &reading->by[rule->fact / sizeof(uint64_t)];
        if (rule->of != kind || (*by != 0 && *by <= i + 1) || !is_key(rule, bare, length) || !tells(component, rule, tensor)) continue;
        *fact_of(&reading->values, rule) = tensor->shape[rule->dim] / rule->divide;
        *by = i + 1;
    }
}

struct hst_interface hst_interface_of(const struct hst_component *component)
{
    struct reading reading = {0};
    enum kind kind = kind_of(component->role);
    for (size_t i = 0; kind != OF_NOTHING && i < component->tensor_count; i++)
        read_tensor(component, kind, component->tensors[i].tensor, &reading);
    return reading.values;
}
