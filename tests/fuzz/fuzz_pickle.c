/* Any bytes as the pickle of an archive that holds storages 0 and 1 of 16 bytes each; see table.h. */
#include "formats/torch.h"
#include "table.h"

/* An archive being written, and its directory. */
struct archive {
    uint8_t *bytes;
    size_t size;
    uint8_t directory[512];
    size_t directory_size;
    uint16_t entries;
};

static void put(uint8_t *bytes, size_t *at, uint64_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[(*at)++] = (uint8_t)(i < sizeof value ? value >> (8 * i) : 0);
}

static void add(struct archive *archive, const char *name, const uint8_t *data, size_t size)
{
    size_t offset = archive->size, length = strlen(name);
    put(archive->bytes, &archive->size, 0x04034b50, 4);
    put(archive->bytes, &archive->size, 0x0808, 4); /* version 0x0808, then no flags */
    put(archive->bytes, &archive->size, 0, 10);
    put(archive->bytes, &archive->size, size | (uint64_t)size << 32, 8);
    put(archive->bytes, &archive->size, length, 4);
    memcpy(archive->bytes + archive->size, name, length);
    if (size > 0) memcpy(archive->bytes + archive->size + length, data, size);
    archive->size += length + size;
    put(archive->directory, &archive->directory_size, 0x02014b50, 4);
    put(archive->directory, &archive->directory_size, 0, 12);
    put(archive->directory, &archive->directory_size, 1, 4);
    put(archive->directory, &archive->directory_size, size | (uint64_t)size << 32, 8);
    put(archive->directory, &archive->directory_size, length, 6);
    put(archive->directory, &archive->directory_size, 0, 8);
    put(archive->directory, &archive->directory_size, offset, 4);
    memcpy(archive->directory + archive->directory_size, name, length);
    archive->directory_size += length;
    archive->entries++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint8_t zeros[16];
    struct archive archive = {.bytes = malloc(size + 1024)};
    if (archive.bytes == NULL) return 0;
    add(&archive, "a/data.pkl", bytes, size);
    add(&archive, "a/data/0", zeros, sizeof zeros);
    add(&archive, "a/data/1", zeros, sizeof zeros);
    size_t directory = archive.size;
    memcpy(archive.bytes + archive.size, archive.directory, archive.directory_size);
    archive.size += archive.directory_size;
    put(archive.bytes, &archive.size, 0x06054b50, 8);
    put(archive.bytes, &archive.size, archive.entries | (uint64_t)archive.entries << 16, 4);
    put(archive.bytes, &archive.size, archive.directory_size, 4);
    put(archive.bytes, &archive.size, directory, 4);
    put(archive.bytes, &archive.size, 0, 2);
    fuzz_format(&hst_torch_format, archive.bytes, archive.size);
    free(archive.bytes);
    return 0;
}
