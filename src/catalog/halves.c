#include "catalog/halves.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "formats/limits.h"
#include "model/pieces.h"

#include <stdio.h>
#include <string.h>

bool hst_halves_is_up(const char *tensor_name)
{
    const struct hst_piece *piece = hst_piece_of(tensor_name);
    return piece != NULL && piece->part == HST_PIECE_UP && hst_piece_tells(piece, tensor_name);
}

/* Is it the half that is counted for the pair: down [rank, in ...], or what LoHa and LoKr have in its place? */
static bool is_down(const struct hst_piece *piece)
{
    static const enum hst_piece_part downs[] = {HST_PIECE_DOWN, HST_PIECE_HADA_W1_B, HST_PIECE_HADA_W2_B, HST_PIECE_LOKR_W1_B, HST_PIECE_LOKR_W2_B};
    for (size_t i = 0; i < sizeof downs / sizeof downs[0]; i++)
        if (piece->part == downs[i]) return true;
    return false;
}

static bool same_rank(const struct hst_tensor *down, const struct hst_tensor *up)
{
    return down->rank < 2 || up->rank < 2 || down->shape[0] == up->shape[1];
}

/* A tensor that is half of a pair: where is the other one? GGUF turns shapes round, and says nothing of ranks. */
static int check_half(const struct hst_map *by_name, const struct hst_tensor *tensor, struct hst_halves *halves, struct hst_error *err)
{
    char wanted[HST_NAME_MAX + 64];
    const struct hst_piece *piece = hst_piece_of(tensor->name);
    if (piece == NULL || piece->other == NULL || !hst_piece_tells(piece, tensor->name)) return HST_OK;
    snprintf(wanted, sizeof wanted, "%.*s%s", (int)(strlen(tensor->name) - piece->length), tensor->name, piece->other);
    const struct hst_tensor *other = hst_map_get_str(by_name, wanted);
    if (other == NULL) return hst_names_add(&halves->missing, wanted, err);
    if (!is_down(piece)) return HST_OK;
    halves->pairs++;
    bool ranked = strcmp(piece->format, "gguf") != 0;
    return ranked && !same_rank(tensor, other) ? hst_names_add(&halves->unequal, tensor->name, err) : HST_OK;
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
        HST_TRY(check_half(&by_name, tensor, halves, err));
    return HST_OK;
}

void hst_halves_fini(struct hst_halves *halves)
{
    hst_names_fini(&halves->missing);
    hst_names_fini(&halves->unequal);
}
