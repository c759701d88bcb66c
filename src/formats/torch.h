#ifndef HST_FORMATS_TORCH_H
#define HST_FORMATS_TORCH_H
/** @file
 * What torch.save writes: a zip archive of a pickle and stored storages (since PyTorch 1.6), or the older stream of pickles followed by storages.
 * The pickle is read as data (formats/pickle.h). Tensors are those of the dict `state_dict` if there is one, else of the whole; names of nested dicts
 * are joined by dots. Several tensors may lie in one storage, as they did in the process that saved them. */
#include "formats/format.h"

/** The format. */
extern const struct hst_format hst_torch_format;
#endif
