#include "formats/stranger.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { QUOTE_MAX = 60 };

/* Bytes at a place, and what has them there. */
static const struct {
    size_t at, length;
    const char *magic, *what;
} kinds[] = {
    {0, 2, "\x1f\x8b", "compressed: it is a gzip archive: unpack it"},
    {0, 4, "\x28\xb5\x2f\xfd", "compressed: it is a Zstandard archive: unpack it"},
    {0, 6, "\xfd"
           "7zXZ",
     "compressed: it is an xz archive: unpack it"},
    {0, 3, "BZh", "compressed: it is a bzip2 archive: unpack it"},
    {0, 4, "\x04\x22\x4d\x18", "compressed: it is an LZ4 archive: unpack it"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "compressed: it is a 7z archive: unpack it"},
    {0, 6, "Rar!\x1a\x07", "compressed: it is a RAR archive: unpack it"},
    {257, 5, "ustar", "archive: it is a tar archive: unpack it"},
    {0, 21, "age-encryption.org/v1", "encrypted: it is encrypted with age: decrypt it"},
    {0, 14, "-----BEGIN AGE", "encrypted: it is encrypted with age: decrypt it"},
    {0, 14, "-----BEGIN PGP", "encrypted: it is encrypted with OpenPGP: decrypt it"},
    {0, 3, "\x8c\x0d\x04", "encrypted: it is encrypted with OpenPGP: decrypt it"},
    {0, 3, "\x85\x02\x0c", "encrypted: it is encrypted with OpenPGP: decrypt it"},
    {0, 8, "Salted__", "encrypted: it is encrypted with OpenSSL: decrypt it"},
    {0, 4, "LUKS", "encrypted: it is an encrypted disk"},
    {0, 8, "\x89PNG\r\n\x1a\n", "image: it is a PNG picture"},
    {0, 3, "\xff\xd8\xff", "image: it is a JPEG picture"},
    {0, 4, "GIF8", "image: it is a GIF picture"},
    {8, 4, "WEBP", "image: it is a WebP picture"},
    {4, 4, "ftyp", "image: it is a film or an HEIF picture"},
    {0, 5, "%PDF-", "pdf: it is a PDF document"},
    {0, 4, "\x7f"
           "ELF",
     "program: it is a program for Linux"},
    {0, 2, "MZ", "program: it is a program for Windows"},
    {0, 2, "#!", "program: it is a script"},
    {0, 4, "lmgg", "unsupported: it is an old GGML file: convert it to GGUF"},
    {0, 4, "fmgg", "unsupported: it is an old GGML file (ggmf): convert it to GGUF"},
    {0, 4, "tjgg", "unsupported: it is an old GGML file (ggjt): convert it to GGUF"},
    {0, 4, "algg", "unsupported: it is an old GGML LoRA (ggla): convert it to GGUF"},
    {0, 4, "GGML", "unsupported: it is an old GGML file: convert it to GGUF"},
    {0, 4, "GGMF", "unsupported: it is an old GGML file (ggmf): convert it to GGUF"},
    {0, 4, "GGJT", "unsupported: it is an old GGML file (ggjt): convert it to GGUF"},
    {0, 4, "GGLA", "unsupported: it is an old GGML LoRA (ggla): convert it to GGUF"},
    {0, 8, "\x89HDF\r\n\x1a\n", "unsupported: it is an HDF5 file (Keras): convert it to safetensors"},
    {0, 6, "\x93NUMPY", "unsupported: it is a NumPy array: convert it to safetensors"},
    {4, 4, "TFL3", "unsupported: it is a TensorFlow Lite model"},
    {0, 15, "SQLite format 3", "database: it is an SQLite database"},
};

static bool begins(const uint8_t *text, size_t length, const char *with)
{
    size_t need = strlen(with);
    return length >= need && strncasecmp((const char *)text, with, need) == 0;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_text(const uint8_t *head, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((head[i] < 0x20 && !is_space(head[i])) || head[i] == 0x7f) return false;
    return length > 0;
}

static bool is_zero(const uint8_t *head, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (head[i] != 0) return false;
    return length > 0;
}

/* The line of a pointer file that begins with this word. @return its length, after the word */
static int find_line(const char *text, const char *word, const char **ret_line)
{
    const char *found = strstr(text, word);
    *ret_line = found != NULL ? found + strlen(word) : "?";
    return found != NULL ? (int)strcspn(*ret_line, "\r\n") : 1;
}

/* Git LFS keeps the oid and the size of the real file in its place. */
static int name_pointer(const uint8_t *head, size_t length, struct hst_error *err)
{
    char text[512];
    const char *oid, *size;
    snprintf(text, sizeof text, "%.*s", (int)length, (const char *)head);
    int oid_length = find_line(text, "\noid sha256:", &oid), size_length = find_line(text, "\nsize ", &size);
    return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "lfs_pointer: it is a Git LFS pointer to a file of %.*s bytes (sha256 %.*s): fetch that with git lfs pull",
                        size_length < 20 ? size_length : 20, size, oid_length < 64 ? oid_length : 64, oid);
}

static int name_text(const uint8_t *head, size_t length, struct hst_error *err)
{
    int quoted = length < QUOTE_MAX ? (int)length : (int)QUOTE_MAX;
    const char *what = head[0] == '{' || head[0] == '[' ? "json: it is a JSON text, as servers answer errors" : "text: it is a text";
    return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "%s: %.*s", what, quoted, (const char *)head);
}

/* A page, whatever space is before it, or a pointer. */
static const struct {
    const char *begin, *what;
} pages[] = {
    {"<!doctype html", "html: it is an HTML page: the download went wrong"}, {"<html", "html: it is an HTML page: the download went wrong"}, {"<head", "html: it is an HTML page: the download went wrong"},
    {"<body", "html: it is an HTML page: the download went wrong"}, {"<script", "html: it is an HTML page: the download went wrong"}, {"<?xml", "xml: it is an XML text: the download went wrong"},
};

static int name_words(const uint8_t *head, size_t length, struct hst_error *err)
{
    if (begins(head, length, "version https://git-lfs")) return name_pointer(head, length, err);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (begins(head, length, pages[i].begin)) return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "%s", pages[i].what);
    if (is_text(head, length)) return name_text(head, length, err);
    return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "unknown: its first bytes are of no known model format");
}

/* Length of a byte order mark and white space. */
static size_t blank(const uint8_t *head, size_t length)
{
    size_t at = begins(head, length, "\xef\xbb\xbf") ? 3 : 0;
    while (at < length && is_space(head[at]))
        at++;
    return at;
}

int hst_stranger_name(const uint8_t *head, size_t length, struct hst_error *err)
{
    if (length == 0) return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "truncated: the file is empty");
    if (is_zero(head, length)) return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "zeros: its first %zu bytes are all zero: the download never arrived", length);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (length >= kinds[i].at + kinds[i].length && memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].length) == 0)
            return hst_error_at(err, HST_E_UNKNOWN_FORMAT, 0, "%s", kinds[i].what);
    if (length <= 8) return hst_error_at(err, HST_E_UNKNOWN_FORMAT, length, "truncated: %zu bytes are too few for any model", length);
    size_t at = blank(head, length);
    return name_words(head + at, length - at, err);
}
