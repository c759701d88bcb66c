#include "catalog/needs.h"

#include "catalog/pairing.h"

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

static bool lists(const struct hst_need *need, const char *family)
{
    for (size_t i = 0; i < HST_NEED_FAMILIES && need->families[i] != NULL; i++)
        if (equal(need->families[i], family)) return true;
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
    if (!is_base(model) || !lists(need, model->family) || hst_pairing_main(model) != component) return false;
    snprintf(serving->reason, sizeof serving->reason, "it is a base of the family %s", model->family);
    return serve(serving, 0, true);
}

/* A file of its own; the family of some VAEs cannot be told. */
static bool serves_alone(const struct hst_need *need, const struct hst_component *component, struct hst_serving *serving)
{
    const struct hst_model *model = component->model;
    uint64_t channels = component->interface.latent_channels;
    if (model->family != NULL) {
        snprintf(serving->reason, sizeof serving->reason, "its family is %s", model->family);
        return lists(need, model->family) && serve(serving, 0, need->latent_channels != 0 || need->families[1] == NULL);
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
        if (strcmp(theirs.role, component->role) != 0 || theirs.latent_channels != need->latent_channels || !lists(need, theirs.families[0])) continue;
        snprintf(serving->reason, sizeof serving->reason, "%s models have the same in that role", component->model->family);
        return serve(serving, 1, theirs.latent_channels != 0 || theirs.families[1] == NULL);
    }
    return false;
}

bool hst_needs_serves(const struct hst_need *need, const struct hst_component *component, struct hst_serving *ret_serving)
{
    const struct hst_model *model = component->model;
    bool vae = need->latent_channels != 0;
    if (strcmp(need->role, "base") == 0) return serves_as_base(need, component, ret_serving);
    if (vae != (strcmp(component->role, "vae") == 0) || vae == is_encoder(component->role)) return false;
    if (is_base(model)) return serves_within(need, component, ret_serving);
    return strcmp(model->type, vae ? "vae" : "text_encoder") == 0 && serves_alone(need, component, ret_serving);
}
