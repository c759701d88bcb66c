#ifndef HST_RELATE_PAIRING_H
#define HST_RELATE_PAIRING_H
/** @file
 * Models that meet in one size: VAE and main model in latent channels, text encoder, IP-Adapter and embedding in the width of the text. */
#include "relate/compatibility.h"

/** The component that the others are for (unet, transformer, ...), or NULL. */
const struct hst_component *hst_pairing_main(const struct hst_model *model);
/** A VAE with a main model. */
int hst_pairing_vae(struct hst_compatibility *report, struct hst_error *err);
/** A text encoder with a main model. */
int hst_pairing_encoder(struct hst_compatibility *report, struct hst_error *err);
/** An IP-Adapter or a T2I-Adapter with a main model. */
int hst_pairing_adapter(struct hst_compatibility *report, struct hst_error *err);
/** An embedding with the text encoders of a model. */
int hst_pairing_embedding(struct hst_compatibility *report, struct hst_error *err);
#endif
