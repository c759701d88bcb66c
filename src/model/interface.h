#ifndef HST_MODEL_INTERFACE_H
#define HST_MODEL_INTERFACE_H
/** @file
 * The sizes by which a component meets others: a VAE and a UNet agree on latent channels, an encoder and a transformer on a width.
 * Which tensor tells which size is a table (api/modules.yaml). Read once, while the tensors are at hand. */
#include <stdbool.h>
#include <stdint.h>

struct hst_component;

/** What it meets others by; 0 = its tensors do not tell. */
struct hst_interface {
    uint64_t latent_channels; /**< of a VAE's latents, or of those that a main model makes */
    uint64_t in_channels;     /**< that the first layer of a main model takes */
    uint64_t context_width;   /**< of the text that cross-attention takes */
    uint64_t pooled_width;    /**< of the pooled text that a main model takes */
    uint64_t width;           /**< of the first layer, or of a text encoder's output */
    uint64_t vocabulary;      /**< tokens that a text encoder knows */
};

/** Is a component of this role the one that others are for (unet, transformer, ...), or shaped like it (controlnet)? */
bool hst_interface_is_main(const char *role);
/** Read the sizes off the component's tensors. */
struct hst_interface hst_interface_of(const struct hst_component *component);
#endif
