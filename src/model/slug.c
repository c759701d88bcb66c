#include "model/slug.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int slug_char(char c)
{
    unsigned char byte = (unsigned char)c;
    if (byte < 0x80 && isalnum(byte)) return tolower(byte);
    return c == '.' || c == '_' ? c : '-';
}

/* A slug begins with a letter or digit and has no two dashes in a row. */
static bool fits(const char *slug, size_t used, char c)
{
    return used == 0 ? isalnum((unsigned char)c) != 0 : c != '-' || slug[used - 1] != '-';
}

void hst_slug_make(const char *name, char out[HST_SLUG_MAX + 1])
{
    size_t used = 0;
    for (; *name != '\0' && used < HST_SLUG_MAX; name++) {
        char c = (char)slug_char(*name);
        if (fits(out, used, c)) out[used++] = c;
    }
    while (used > 0 && out[used - 1] == '-')
        used--;
    out[used] = '\0';
    if (used == 0) strcpy(out, "model");
}

void hst_slug_number(const char *slug, unsigned number, char out[HST_SLUG_MAX + 1])
{
    char suffix[16];
    int length = snprintf(suffix, sizeof suffix, "-%u", number);
    snprintf(out, HST_SLUG_MAX + 1, "%.*s%s", (int)HST_SLUG_MAX - length, slug, suffix);
}
