#ifndef HST_TESTS_MODEL_BYTES_H
#define HST_TESTS_MODEL_BYTES_H
/** @file
 * Model files for tests: bytes of a safetensors file from its header text. */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Bytes of a file; owned: free(bytes). */
struct model_bytes {
    uint8_t *bytes;
    size_t size;
};

/** N, the header, and `data_bytes` bytes counting 0, 1, 2, ... */
static inline struct model_bytes model_bytes_make(const char *header, size_t header_length, size_t data_bytes)
{
    struct model_bytes file = {malloc(8 + header_length + data_bytes), 8 + header_length + data_bytes};
    uint64_t length = htole64(header_length);
    memcpy(file.bytes, &length, 8);
    memcpy(file.bytes + 8, header, header_length);
    for (size_t i = 0; i < data_bytes; i++)
        file.bytes[8 + header_length + i] = (uint8_t)i;
    return file;
}

/** Write such a file. */
static inline void model_bytes_write(const char *path, const char *header, size_t data_bytes)
{
    struct model_bytes file = model_bytes_make(header, strlen(header), data_bytes);
    FILE *out = fopen(path, "wb");
    fwrite(file.bytes, 1, file.size, out);
    fclose(out);
    free(file.bytes);
}
#endif
