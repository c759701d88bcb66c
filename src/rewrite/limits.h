#ifndef HST_REWRITE_LIMITS_H
#define HST_REWRITE_LIMITS_H
/** @file
 * Limits of rewriting, each with its reason. */

/** Bytes that are read at once: a disk is at full speed far below. */
#define HST_REWRITE_READ_BYTES ((size_t)4 << 20)
/** Bytes that are collected before they are written: as above, and what a rewriting takes of memory, whatever the model's size. */
#define HST_REWRITE_WRITE_BYTES ((size_t)16 << 20)
/** Bytes that were written and are not on the disk yet: a second of a slow one, so that the end, and stopping, do not take long. */
#define HST_REWRITE_DIRTY_BYTES ((uint64_t)128 << 20)
/** Different things that may become of the tensors of a model: types of safetensors, squared, and the reasons of rules.h are far more than any model has. */
#define HST_REWRITE_CHANGES_MAX 64u
#endif
