#ifndef HST_FORMATS_FORMAT_H
#define HST_FORMATS_FORMAT_H
/** @file
 * The plug point for model-file formats. A format is one file here with one struct hst_format and a row in format.c.
 * Parsers are pure: bytes come through a struct hst_source, a table goes out, nothing is opened. Content decides, never a name. */
#include "formats/tensors.h"

/** Where a parser reads from. Every byte it gives is hostile. */
struct hst_source {
    uint64_t size_bytes; /**< bytes there are */
    int (*read_at)(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err); /**< all bytes or an error */
    void *context; /**< for read_at */
};

/** A format. */
struct hst_format {
    const char *name; /**< as users know it: "safetensors" */
    bool raw;         /**< tensor bytes lie in the file as they lie in memory: they can be mapped in place */
    bool (*sniff)(const uint8_t *head, size_t length, uint64_t file_size); /**< could the file be ours, by its first bytes (up to 4096)? */
    int (*parse)(const struct hst_source *source, struct hst_tensor_table **ret_table, struct hst_error *err); /**< strict; *ret_table owned by the caller */
};

/** Every format, ended by NULL. */
extern const struct hst_format *const hst_formats[];

/** Parse a file by its content. HST_E_UNKNOWN_FORMAT names what it looks like instead (formats/stranger.h). The text of every refusal begins with a word for
 * programs and a colon: "truncated: ...", "overlap: ..."; docs/reasons.md lists them. */
int hst_format_parse(const struct hst_source *source, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                     struct hst_error *err);

/** Bytes for hst_source_memory. */
struct hst_source_bytes {
    const uint8_t *bytes; /**< borrowed */
    uint64_t size_bytes;  /**< of bytes */
};

/** A source over bytes in memory (tests, fuzzing); `bytes` is borrowed. */
struct hst_source hst_source_memory(const struct hst_source_bytes *bytes);

#endif
