#ifndef HST_BASE_TEXT_H
#define HST_BASE_TEXT_H
/** @file
 * Questions about texts that several layers ask. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Does `text` begin with `start`? Most names differ in the first letters: no call, no length. */
static inline bool hst_starts_with(const char *text, const char *start)
{
    while (*start != '\0' && *text == *start) {
        text++;
        start++;
    }
    return *start == '\0';
}

/** What follows the last slash of a path; all of it when there is none. Points into `path`. */
static inline const char *hst_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/** Two lower-case digits for each of `count` bytes, and a NUL: `out` has room for 2 * count + 1. */
static inline void hst_hex(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}
#endif
