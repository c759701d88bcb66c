#include "catalog/halves.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "formats/limits.h"

#include <stdio.h>
#include <string.h>

/* Ends of names. Down is [rank, in ...], up is [out, rank ...]. */
static const struct {
    const char *down, *up;
    bool has_rank; /* by these dimensions */
} ends[] = {
    {".lora_down.weight", ".lora_up.weight", true},
    {".lora.down.weight", ".lora.up.weight", true},
    {"_lora.down.weight", "_lora.up.weight", true},
    {".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", true},
    {".lora_A.weight", ".lora_B.weight", true},
    {".lora_A.default.weight", ".lora_B.default.weight", true},
    {".lora_embedding_A", ".lora_embedding_B", true},
    {".lora_A", ".lora_B", true},
    {".lora_a", ".lora_b", false}, /* GGUF */
    {".hada_w1_b", ".hada_w1_a", true},
    {".hada_w2_b", ".hada_w2_a", true},
    {".lokr_w1_b", ".lokr_w1_a", true},
    {".lokr_w2_b", ".lokr_w2_a", true},
};
enum { ENDS = sizeof ends / sizeof ends[0] };

bool hst_halves_is_up(const char *tensor_name)
{
    size_t length = strlen(tensor_name);
    for (size_t i = 0; i < ENDS; i++) {
        size_t cut = strlen(ends[i].up);
        if (length >= cut && strcmp(tensor_name + length - cut, ends[i].up) == 0) return true;
    }
    return false;
}

static bool same_rank(const struct hst_tensor *down, const struct hst_tensor *up)
{
    return down->rank < 2 || up->rank < 2 || down->shape[0] == up->shape[1];
}

/* The tensor whose name is this one's with another end; *ret_half NULL = its name does not end so, or the other is missing, which is noted. */
static int find_half(const struct hst_map *by_name, const char *name, const char *end, const char *other, struct hst_halves *halves, const struct hst_tensor **ret_half,
                     struct hst_error *err)
{
    char wanted[HST_NAME_MAX + 64];
    size_t length = strlen(name), cut = strlen(end);
    *ret_half = NULL;
    if (length < cut || strcmp(name + length - cut, end) != 0) return HST_OK;
    snprintf(wanted, sizeof wanted, "%.*s%s", (int)(length - cut), name, other);
    *ret_half = hst_map_get_str(by_name, wanted);
    return *ret_half == NULL ? hst_names_add(&halves->missing, wanted, err) : HST_OK;
}

/* Look at a tensor as the first and as the second half of a pair of row `i`. */
static int check_as(const struct hst_map *by_name, const struct hst_tensor *tensor, size_t i, struct hst_halves *halves, struct hst_error *err)
{
    const struct hst_tensor *up, *down;
    HST_TRY(find_half(by_name, tensor->name, ends[i].down, ends[i].up, halves, &up, err));
    HST_TRY(find_half(by_name, tensor->name, ends[i].up, ends[i].down, halves, &down, err));
    if (up == NULL) return HST_OK;
    halves->pairs++;
    return ends[i].has_rank && !same_rank(tensor, up) ? hst_names_add(&halves->unequal, tensor->name, err) : HST_OK;
}

static int index_names(const struct hst_model *model, struct hst_map *by_name, struct hst_error *err)
{
    for (size_t i = 0; i < model->component_count; i++)
        for (size_t j = 0; j < model->components[i].tensor_count; j++) {
            const struct hst_tensor *tensor = model->components[i].tensors[j].tensor;
            if (hst_map_put_str(by_name, tensor->name, (void *)(uintptr_t)tensor) < 0) return hst_error_nomem(err);
        }
    return HST_OK;
}

int hst_halves_check(const struct hst_model *model, struct hst_halves *halves, struct hst_error *err)
{
    HST_AUTO(hst_map_fini) struct hst_map by_name = {0};
    size_t cursor = 0;
    HST_TRY(index_names(model, &by_name, err));
    for (const struct hst_tensor *tensor; (tensor = hst_map_next(&by_name, &cursor));)
        for (size_t i = 0; i < ENDS; i++)
            HST_TRY(check_as(&by_name, tensor, i, halves, err));
    return HST_OK;
}

void hst_halves_fini(struct hst_halves *halves)
{
    hst_names_fini(&halves->missing);
    hst_names_fini(&halves->unequal);
}
