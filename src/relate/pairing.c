#include "relate/pairing.h"

#include "relate/needs.h"

#include <inttypes.h>
#include <string.h>

const struct hst_component *hst_pairing_main(const struct hst_model *model)
{
    for (size_t i = 0; i < model->component_count; i++)
        if (hst_interface_is_main(model->components[i].role)) return &model->components[i];
    return NULL;
}

static struct hst_interface main_of(const struct hst_model *model)
{
    const struct hst_component *component = hst_pairing_main(model);
    return component != NULL ? component->interface : (struct hst_interface){0};
}

static void fits(struct hst_compatibility *report, bool good)
{
    report->matched += good;
    report->mismatched += !good;
}

/* The same size on both sides, if both tell it. */
static int compare(struct hst_compatibility *report, const char *what, uint64_t adapter, uint64_t base, struct hst_error *err)
{
    if (adapter == 0 || base == 0) return hst_compatibility_reason(report, err, "%s: the tensors of %s do not tell", what, adapter == 0 ? report->adapter->id : report->base->id);
    fits(report, adapter == base);
    return hst_compatibility_reason(report, err, "%s: %" PRIu64 " of %s, %" PRIu64 " of %s", what, adapter, report->adapter->id, base, report->base->id);
}

/* Latent channels of a base: of its tensors, else of its family's VAE. */
static uint64_t latents_of(const struct hst_model *base)
{
    struct hst_need need;
    size_t cursor = 0;
    uint64_t channels = main_of(base).latent_channels;
    while (channels == 0 && hst_needs_next(base, &cursor, &need))
        channels = need.latent_channels;
    return channels;
}

int hst_pairing_vae(struct hst_compatibility *report, struct hst_error *err)
{
    const struct hst_component *vae = hst_model_component(report->adapter, "vae");
    uint64_t channels = vae != NULL ? vae->interface.latent_channels : 0;
    struct hst_interface base = main_of(report->base);
    HST_TRY(compare(report, "latent channels", channels, latents_of(report->base), err));
    if (base.in_channels == 0 || channels == 0 || report->mismatched > 0) return HST_OK;
    return hst_compatibility_reason(report, err, "the first layer of %s takes %" PRIu64 " channels", report->base->id, base.in_channels);
}

/* Does the base's family name this encoder's? *ret_known = both are known. */
static bool is_needed(const struct hst_model *base, const struct hst_model *encoder, bool *ret_known)
{
    struct hst_need need;
    size_t cursor = 0;
    *ret_known = false;
    while (encoder->family != NULL && hst_needs_next(base, &cursor, &need)) {
        if (need.latent_channels != 0) continue;
        *ret_known = true;
        if (hst_needs_lists(&need, encoder) != HST_LISTED_NO) return true;
    }
    return false;
}

/* How the width of an encoder's output makes the width that the main model takes; NULL = it does not. */
static const char *joins(uint64_t width, uint64_t wanted)
{
    if (width == 0 || wanted == 0) return NULL;
    if (width == wanted) return "alone";
    if ((width == 768 || width == 1280) && wanted == 768 + 1280) return "beside that of the other CLIP";
    return width >= 1024 && wanted == 3 * width ? "with three of its layers side by side" : NULL;
}

static int explain_widths(struct hst_compatibility *report, uint64_t width, const struct hst_interface *base, struct hst_error *err)
{
    const char *context = joins(width, base->context_width), *pooled = joins(width, base->pooled_width), *how = context != NULL ? context : pooled;
    uint64_t wanted = context != NULL ? base->context_width : base->pooled_width;
    fits(report, how != NULL);
    if (how == NULL)
        return hst_compatibility_reason(report, err, "width of the text: the encoder gives %" PRIu64 ", %s takes %" PRIu64 " (pooled: %" PRIu64 ")", width, report->base->id,
                                        base->context_width, base->pooled_width);
    return hst_compatibility_reason(report, err, "width of the text: the encoder's %" PRIu64 " makes the %" PRIu64 " that %s takes, %s", width, wanted, report->base->id, how);
}

static int encoder_widths(struct hst_compatibility *report, uint64_t width, const struct hst_interface *base, struct hst_error *err)
{
    bool told = base->context_width != 0 || base->pooled_width != 0;
    if (width != 0 && told) return explain_widths(report, width, base, err);
    return hst_compatibility_reason(report, err, "width of the text: the tensors of %s do not tell", width == 0 ? report->adapter->id : report->base->id);
}

/* The encoder that the base has in itself, of the same width. */
static int compare_vocabulary(struct hst_compatibility *report, const struct hst_interface *encoder, struct hst_error *err)
{
    for (size_t i = 0; i < report->base->component_count; i++) {
        const struct hst_component *own = &report->base->components[i];
        if (own->interface.vocabulary == 0 || own->interface.width != encoder->width || encoder->vocabulary == 0) continue;
        return compare(report, "vocabulary", encoder->vocabulary, own->interface.vocabulary, err);
    }
    return HST_OK;
}

int hst_pairing_encoder(struct hst_compatibility *report, struct hst_error *err)
{
    struct hst_interface base = main_of(report->base), encoder = {0};
    bool known;
    for (size_t i = 0; i < report->adapter->component_count && encoder.width == 0; i++)
        encoder = report->adapter->components[i].interface;
    HST_TRY(encoder_widths(report, encoder.width, &base, err));
    HST_TRY(compare_vocabulary(report, &encoder, err));
    bool needed = is_needed(report->base, report->adapter, &known);
    if (!known) return HST_OK;
    fits(report, needed);
    return hst_compatibility_reason(report, err, "%s %s works with %s", report->base->family, needed ? "models: the text encoder" : "models have other text encoders than the one that", report->adapter->family);
}

/* A T2I-Adapter takes the picture folded by 8 for SD 1, by 16 for SDXL: its family knows, and no tensor of the base does. */
static int compare_size(struct hst_compatibility *report, struct hst_error *err)
{
    const char *adapter = report->adapter->family, *base = report->base->family;
    if (adapter == NULL || base == NULL) return HST_OK;
    fits(report, strcmp(adapter, base) == 0);
    return hst_compatibility_reason(report, err, "it folds the picture as %s needs it, and the base is %s", adapter, base);
}

int hst_pairing_adapter(struct hst_compatibility *report, struct hst_error *err)
{
    struct hst_interface adapter = main_of(report->adapter), base = main_of(report->base);
    bool text = strcmp(report->adapter->type, "ip_adapter") == 0;
    if (text) return compare(report, "context width", adapter.context_width, base.context_width, err);
    HST_TRY(compare(report, "channels of the first layer", adapter.width, base.width, err));
    return compare_size(report, err);
}

/* Is there an encoder, or a text input, of this width? */
static bool has_width(const struct hst_model *base, uint64_t width)
{
    struct hst_interface whole = main_of(base);
    for (size_t i = 0; i < base->component_count; i++)
        if (!hst_interface_is_main(base->components[i].role) && base->components[i].interface.width == width) return true;
    return joins(width, whole.context_width) != NULL || joins(width, whole.pooled_width) != NULL;
}

int hst_pairing_embedding(struct hst_compatibility *report, struct hst_error *err)
{
    const struct hst_component *embedding = report->adapter->component_count > 0 ? &report->adapter->components[0] : NULL;
    for (size_t i = 0; embedding != NULL && i < embedding->tensor_count; i++) {
        const struct hst_tensor *tensor = embedding->tensors[i].tensor;
        uint64_t width = tensor->rank > 0 ? tensor->shape[tensor->rank - 1] : 0;
        bool good = width > 0 && has_width(report->base, width);
        fits(report, good);
        HST_TRY(hst_compatibility_reason(report, err, "%.100s: vectors of %" PRIu64 ", %s of %s has that width", tensor->name, width, good ? "a text encoder" : "no text encoder", report->base->id));
    }
    return HST_OK;
}
