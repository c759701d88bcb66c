#ifndef HST_MODEL_LAYOUT_H
#define HST_MODEL_LAYOUT_H
/** @file
 * Which tensors a component has. Tables of tensors are large and seldom needed: they are there while somebody holds a component, and what
 * is always kept (runs: a few bytes a file) says how to make them again from the same file.
 *
 *     scan thread:   record ........... release      (the model goes to the catalog without tables)
 *     loop thread:                              hold(reread) -- share -- release -- release
 *
 * Loop thread only, except for a model that is being built. */
#include "model/reread.h"

/** Note which tensor of each table belongs to which component. Every component is then held once, by whoever builds the model. */
int hst_layout_record(struct hst_model *model, struct hst_error *err);
/** Has the component tensors in this file? */
bool hst_layout_touches(const struct hst_component *component, size_t file);
/** Are this file's tensors all of components, and have those tensors in no other file? */
bool hst_layout_is_whole(const struct hst_model *model, size_t file);
/** Hold a component: its tensors are there until hst_layout_release. Those of one that nobody holds are taken from `reread`, which
 * must have read its files (NULL = somebody is known to hold it). HST_E_FILE_CHANGED when they are not those that were recorded. */
int hst_layout_hold(struct hst_component *component, struct hst_reread *reread, struct hst_error *err);
/** Note the hashes of a file's tensors (taken over), unless they are known or not those of its table. Somebody must hold it. */
void hst_layout_note_hashes(struct hst_model *model, size_t file, uint8_t *hashes, size_t count);
/** The hash of a tensor of a component that is held (HST_TENSOR_HASH_BYTES), or NULL while it is not known. */
const uint8_t *hst_layout_hash(const struct hst_component *component, size_t tensor);
/** Hold one that somebody holds already. */
void hst_layout_share(struct hst_component *component);
/** Let go: the tensors go with the last holder, a table with the last component that lies in its file. */
void hst_layout_release(struct hst_component *component);
/** Let go of every component once: the model is built. */
void hst_layout_release_all(struct hst_model *model);
#endif
