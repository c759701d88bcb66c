#ifndef HST_CATALOG_UNFINISHED_H
#define HST_CATALOG_UNFINISHED_H
/** @file
 * Names of downloads that are not finished, as the tools that download name them. Pure. */
#include <stdbool.h>
#include <stddef.h>

/** How a download under way is marked. */
enum hst_unfinished {
    HST_UNFINISHED_NOT,         /**< it is no such name */
    HST_UNFINISHED_ITSELF,      /**< the file holds what has come so far: m.safetensors.part; one of the whole name beside it is a placeholder if it is empty */
    HST_UNFINISHED_ACCOMPANIED, /**< the file says what of the other one has come: m.safetensors.aria2 */
};

/** What the name says; *ret_stem = length of the name of the finished file. */
enum hst_unfinished hst_unfinished_of(const char *name, size_t *ret_stem);
#endif
