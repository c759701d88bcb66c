#include "catalog/keys.h"

#include <string.h>

/* Prefixes under which a checkpoint keeps its main model (detection rules, section 0). */
static const char *const prefixes[] = {"model.diffusion_model.", "diffusion_model.", "model.model.", "net."};
enum { PREFIXES = sizeof prefixes / sizeof prefixes[0], ENOUGH = 5 };

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const char *choose_prefix(const struct hst_tensor_table *table)
{
    size_t votes[PREFIXES] = {0}, best = 0;
    for (size_t i = 0; i < table->count; i++)
        for (size_t p = 0; p < PREFIXES; p++)
            votes[p] += starts(table->tensors[i].name, prefixes[p]);
    for (size_t p = 1; p < PREFIXES; p++)
        if (votes[p] > votes[best]) best = p;
    return votes[best] > ENOUGH ? prefixes[best] : "";
}

int hst_keys_add(struct hst_keys *keys, const struct hst_tensor_table *table, struct hst_error *err)
{
    if (keys->prefix == NULL) keys->prefix = choose_prefix(table);
    for (size_t i = 0; i < table->count; i++) {
        const struct hst_tensor *tensor = &table->tensors[i];
        const char *name = starts(tensor->name, keys->prefix) ? tensor->name + strlen(keys->prefix) : tensor->name;
        if (hst_map_put_str(&keys->by_name, name, &table->tensors[i]) < 0) return hst_error_nomem(err);
        keys->count++;
    }
    return HST_OK;
}

const struct hst_tensor *hst_keys_find(const struct hst_keys *keys, const char *name)
{
    return hst_map_get_str(&keys->by_name, name);
}

static bool ends(const char *text, const char *end)
{
    size_t length = strlen(text), cut = strlen(end);
    return length >= cut && strcmp(text + length - cut, end) == 0;
}

const struct hst_tensor *hst_keys_like(const struct hst_keys *keys, const char *part, const char *suffix)
{
    const struct hst_tensor *best = NULL;
    size_t cursor = 0;
    for (const struct hst_tensor *tensor; (tensor = hst_map_next(&keys->by_name, &cursor));)
        if (strstr(tensor->name, part) != NULL && ends(tensor->name, suffix) && (best == NULL || strcmp(tensor->name, best->name) < 0)) best = tensor;
    return best;
}

uint64_t hst_keys_dim(const struct hst_tensor *tensor, uint32_t dim)
{
    return tensor != NULL && dim < tensor->rank ? tensor->shape[dim] : 0;
}

void hst_keys_fini(struct hst_keys *keys)
{
    hst_map_fini(&keys->by_name);
    *keys = (struct hst_keys){0};
}
