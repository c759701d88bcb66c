#ifndef HST_MODEL_LIMITS_H
#define HST_MODEL_LIMITS_H
/** @file
 * Limits of a model, each with its reason. */

/** Bytes of a metadata value that is kept with a model: titles, trigger words and descriptions fit; thumbnails and tag counts do not. */
#define HST_METADATA_VALUE_MAX 4096u
/** Bytes of all that is kept with a model: a LoRA of kohya's has about 6 KiB, and 10,000 models are to stay below 100 MiB. */
#define HST_METADATA_MODEL_MAX 32768u
/** Frequent tags of a training set that are shown. */
#define HST_METADATA_TAGS 10u
#endif
