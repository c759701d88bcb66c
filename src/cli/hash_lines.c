#include "cli/hash_lines.h"

#include "cli/talk.h"

#include <stdio.h>
#include <string.h>

static void print_hashes(const json_t *hashes)
{
    static const char *const names[] = {"sha256", "autov1", "autov2", "autov3", "crc32", "modelspec", "blake3", "combined"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_object_get(hashes, names[i]) != NULL) printf("%-11s %s\n", names[i], hst_talk_text(hashes, names[i]));
}

static void print_files(const json_t *files)
{
    size_t index;
    json_t *file;
    json_array_foreach((json_t *)files, index, file)
        printf("%-11s %s  %s\n", index == 0 ? "sha256" : "", hst_talk_text(file, "sha256"), hst_talk_text(file, "path"));
}

static void print_state(const json_t *hashing)
{
    const char *state = json_string_value(json_object_get(hashing, "state"));
    double total = hst_talk_number(hashing, "bytes_total");
    if (state == NULL || strcmp(state, "done") == 0 || total == 0) return;
    printf("%-11s %s, %.0f%%", "hashing", state, 100 * hst_talk_number(hashing, "bytes_done") / total);
    if (json_object_get(hashing, "problem") != NULL) printf(": %s", hst_talk_text(json_object_get(hashing, "problem"), "text"));
    putchar('\n');
}

void hst_hash_lines_print(const json_t *model)
{
    const json_t *hashes = json_object_get(model, "hashes"), *duplicates = json_object_get(model, "duplicates");
    print_hashes(hashes);
    print_files(json_object_get(hashes, "files"));
    print_state(json_object_get(model, "hashing"));
    for (size_t i = 0; i < json_array_size(duplicates); i++)
        printf("%-11s %s\n", i == 0 ? "same as" : "", json_string_value(json_array_get(duplicates, i)));
}
