#include "relate/needs.h"

#include "relate/pairing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct hst_need needs[] = {
#include "needs.inc"
};
enum { NEEDS = sizeof needs / sizeof needs[0] };

static bool equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool is_type(const struct hst_model *model, const char *const *types)
{
    while (*types != NULL && strcmp(*types, model->type) != 0)
        types++;
    return *types != NULL;
}

static bool is_base(const struct hst_model *model)
{
    return is_type(model, (const char *const[]){"checkpoint", "diffusion_model", NULL});
}

static bool adapts(const struct hst_model *model)
{
    return is_type(model, (const char *const[]){"lora", "controlnet", "t2i_adapter", "ip_adapter", "embedding", NULL});
}

/* The variant whose rows count: the model's if it has rows of its own. */
static const char *variant_of(const struct hst_model *model)
{
    for (size_t i = 0; i < NEEDS; i++)
        if (equal(needs[i].family, model->family) && equal(needs[i].variant, model->variant)) return model->variant;
    return NULL;
}

bool hst_needs_next(const struct hst_model *model, size_t *cursor, struct hst_need *ret_need)
{
    if (adapts(model) && *cursor == 0) {
        *cursor = NEEDS;
        *ret_need = (struct hst_need){.family = model->family, .role = "base", .families = {model->family}};
        return true;
    }
    const char *variant = variant_of(model);
    for (size_t i = (*cursor)++; is_base(model) && i < NEEDS; i = (*cursor)++) {
        if (!equal(needs[i].family, model->family) || !(variant == NULL ? needs[i].variant == NULL : equal(needs[i].variant, variant))) continue;
        *ret_need = needs[i];
        return true;
    }
    return false;
}

static bool is_encoder(const char *role)
{
    return strncmp(role, "text_encoder", strlen("text_encoder")) == 0;
}

static bool is_in_table(const struct hst_model *model, const char *role)
{
    struct hst_need need;
    size_t cursor = 0;
    while (hst_needs_next(model, &cursor, &need))
        if (strcmp(need.role, role) == 0) return true;
    return false;
}

/* An encoder under a role that the table does not use for the family fills the one that is open: an SDXL refiner in a single file. */
const struct hst_component *hst_needs_own(const struct hst_model *model, const struct hst_need *need)
{
    const struct hst_component *own = hst_model_component(model, need->role);
    for (size_t i = 0; own == NULL && is_encoder(need->role) && i < model->component_count; i++) {
        const char *role = model->components[i].role;
        if (is_encoder(role) && !is_in_table(model, role)) own = &model->components[i];
    }
    return own;
}

/* "qwen3_4b" is variant 4b of qwen3; one whose variant is not known may be it. */
static enum hst_listed is_called(const struct hst_model *model, const char *name)
{
    size_t length = strlen(model->family);
    if (strcmp(model->family, name) == 0) return HST_LISTED_YES;
    if (strncmp(model->family, name, length) != 0 || name[length] != '_') return HST_LISTED_NO;
    if (model->variant == NULL) return HST_LISTED_PERHAPS;
    return strcmp(name + length + 1, model->variant) == 0 ? HST_LISTED_YES : HST_LISTED_NO;
}

enum hst_listed hst_needs_lists(const struct hst_need *need, const struct hst_model *model)
{
    enum hst_listed best = HST_LISTED_NO;
    for (size_t i = 0; model->family != NULL && i < HST_NEED_FAMILIES && need->families[i] != NULL; i++) {
        enum hst_listed listed = is_called(model, need->families[i]);
        if (listed > best) best = listed;
    }
    bool open = need->latent_channels == 0 && need->families[1] != NULL; /* which of these encoders depends on the variant */
    return best == HST_LISTED_YES && open ? HST_LISTED_PERHAPS : best;
}

/* Do two needs ask for the same? */
static bool ask_the_same(const struct hst_need *need, const struct hst_need *other)
{
    for (size_t i = 0; i < HST_NEED_FAMILIES && need->families[i] != NULL; i++)
        if (equal(need->families[i], other->families[0])) return need->latent_channels == other->latent_channels;
    return false;
}

static bool serve(struct hst_serving *serving, unsigned rank, bool decided)
{
    serving->rank = decided ? rank : 2;
    serving->decided = decided;
    return true;
}

static bool serves_as_base(const struct hst_need *need, const struct hst_component *component, struct hst_serving *serving)
{
    const struct hst_model *model = component->model;
    if (!is_base(model) || hst_needs_lists(need, model) == HST_LISTED_NO || hst_pairing_main(model) != component) return false;
    snprintf(serving->reason, sizeof serving->reason, "it is a base of the family %s", model->family);
    return serve(serving, 0, true);
}

/* A file of its own; the family of some VAEs cannot be told. */
static bool serves_alone(const struct hst_need *need, const struct hst_component *component, struct hst_serving *serving)
{
    const struct hst_model *model = component->model;
    uint64_t channels = component->interface.latent_channels;
    if (model->family != NULL) {
        enum hst_listed listed = hst_needs_lists(need, model);
        snprintf(serving->reason, sizeof serving->reason, "its family is %s%s%s", model->family, model->variant != NULL ? ", variant " : "", model->variant != NULL ? model->variant : "");
        return listed != HST_LISTED_NO && serve(serving, 0, listed == HST_LISTED_YES);
    }
    if (need->latent_channels == 0 || channels != need->latent_channels) return false;
    snprintf(serving->reason, sizeof serving->reason, "a VAE with %" PRIu64 " latent channels, as needed, but its tensors do not tell its family", channels);
    return serve(serving, 2, false);
}

/* A part of another model, whose family needs the same in that role. */
static bool serves_within(const struct hst_need *need, const struct hst_component *component, struct hst_serving *serving)
{
    struct hst_need theirs;
    size_t cursor = 0;
    while (hst_needs_next(component->model, &cursor, &theirs)) {
        if (strcmp(theirs.role, component->role) != 0 || !ask_the_same(need, &theirs)) continue;
        snprintf(serving->reason, sizeof serving->reason, "%s models have the same in that role", component->model->family);
        return serve(serving, 1, theirs.latent_channels != 0 || (theirs.families[1] == NULL && need->families[1] == NULL));
    }
    return false;
}

/* Is it of the kind that the need asks for? A language model may be a text encoder. */
static bool is_kind(const struct hst_need *need, const struct hst_component *component)
{
    if (need->latent_channels != 0) return strcmp(component->role, "vae") == 0;
    return is_encoder(component->role) || (equal(component->model->type, "llm") && strcmp(component->role, "model") == 0);
}

bool hst_needs_serves(const struct hst_need *need, const struct hst_component *component, struct hst_serving *ret_serving)
{
    if (strcmp(need->role, "base") == 0) return serves_as_base(need, component, ret_serving);
    if (!is_kind(need, component)) return false;
    if (is_base(component->model)) return serves_within(need, component, ret_serving);
    return is_type(component->model, (const char *const[]){"vae", "text_encoder", "llm", NULL}) && serves_alone(need, component, ret_serving);
}
