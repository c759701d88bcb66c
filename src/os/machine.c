#include "os/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *described(void)
{
    const char *folder = getenv("HOIST_MACHINE");
    return folder != NULL ? folder : "";
}

bool hst_machine_is_described(void)
{
    return described()[0] != '\0';
}

const char *hst_machine_path(char out[HST_MACHINE_PATH_MAX], const char *path)
{
    snprintf(out, HST_MACHINE_PATH_MAX, "%s%s", described(), path);
    return out;
}

size_t hst_machine_read(const char *path, char *text, size_t size)
{
    char real[HST_MACHINE_PATH_MAX];
    FILE *file = fopen(hst_machine_path(real, path), "re");
    size_t length = file != NULL ? fread(text, 1, size - 1, file) : 0;
    if (file != NULL) fclose(file);
    text[length] = '\0';
    return strlen(text);
}

/* Digits and nothing that is none behind them. */
static uint64_t read_digits(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    bool is_number = digits > 0 && digits < 20 && strchr(" \t\n", text[digits]) != NULL;
    return is_number ? strtoull(text, NULL, 10) : UINT64_MAX;
}

uint64_t hst_machine_number(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, length) != 0 || strchr(": \t", line[length]) == NULL) continue;
        const char *value = line + length + (line[length] == ':');
        return read_digits(value + strspn(value, " \t"));
    }
    return UINT64_MAX;
}
