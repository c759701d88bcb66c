#ifndef HST_MODEL_PARTS_H
#define HST_MODEL_PARTS_H
/** @file
 * Names of files that are parts of one model: "model-00002-of-00005.gguf", as llama.cpp and Hugging Face split them. Pure. */
#include <stdbool.h>
#include <stddef.h>

/** What a name says. */
struct hst_parts {
    unsigned number; /**< of this part, from 1 */
    unsigned count;  /**< parts in all, at least 2 */
    size_t at;       /**< where in the name the digits of the number begin */
};

/** Does the file name (or path) end in "-NNNNN-of-NNNNN.suffix"? *ret_parts is set only then. */
bool hst_parts_of(const char *name, struct hst_parts *ret_parts);
/** The name of another part into out (as long as `name`, and its NUL). */
void hst_parts_name(const char *name, const struct hst_parts *parts, unsigned number, char *out);
#endif
