#include "model/parts.h"

#include "formats/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 5, LENGTH = 15 }; /* of "-NNNNN-of-NNNNN" */

static bool is_number(const char *text, unsigned *ret_number)
{
    char digits[DIGITS + 1] = {0};
    if (strspn(text, "0123456789") < DIGITS) return false;
    memcpy(digits, text, DIGITS);
    *ret_number = (unsigned)strtoul(digits, NULL, 10);
    return true;
}

/* "-NNNNN-of-NNNNN" */
static bool read_tail(const char *tail, struct hst_parts *parts)
{
    bool shaped = tail[0] == '-' && strncmp(tail + 1 + DIGITS, "-of-", 4) == 0;
    return shaped && is_number(tail + 1, &parts->number) && is_number(tail + LENGTH - DIGITS, &parts->count);
}

bool hst_parts_of(const char *name, struct hst_parts *ret_parts)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot - name < LENGTH || strchr(dot, '/') != NULL) return false;
    struct hst_parts parts = {.at = (size_t)(dot - name) - LENGTH + 1};
    bool shaped = read_tail(dot - LENGTH, &parts) && parts.count >= 2 && parts.count <= HST_SHARDS_MAX;
    if (!shaped || parts.number < 1 || parts.number > parts.count) return false;
    *ret_parts = parts;
    return true;
}

void hst_parts_name(const char *name, const struct hst_parts *parts, unsigned number, char *out)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%05u", number);
    memcpy(out, name, strlen(name) + 1);
    memcpy(out + parts->at, digits, DIGITS);
}
