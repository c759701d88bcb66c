#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* RFC 3629 section 4, as a table: lead byte range, length, range of the second byte. */
static const struct {
    uint8_t lead_min, lead_max, length, second_min, second_max;
} forms[] = {
    {0x00, 0x7f, 1, 0, 0},          {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf},    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf},    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};
enum { FORM_COUNT = sizeof forms / sizeof forms[0] };

static bool tail_valid(const uint8_t *bytes, size_t form)
{
    if (forms[form].length == 1) return true;
    if (bytes[1] < forms[form].second_min || bytes[1] > forms[form].second_max) return false;
    for (size_t i = 2; i < forms[form].length; i++)
        if ((bytes[i] & 0xc0) != 0x80) return false;
    return true;
}

size_t hst_utf8_sequence(const char *text, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)text;
    if (len == 0) return 0;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        if (bytes[0] < forms[i].lead_min || bytes[0] > forms[i].lead_max) continue;
        return forms[i].length <= len && tail_valid(bytes, i) ? forms[i].length : 0;
    }
    return 0;
}

/* Bytes of ASCII at the start, counted eight at a time: names of tensors are nothing else. */
static size_t count_ascii(const char *text, size_t len)
{
    size_t at = 0;
    for (uint64_t eight; at + sizeof eight <= len; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0) break;
    }
    return at;
}

bool hst_utf8_valid(const char *text, size_t len)
{
    for (size_t at = count_ascii(text, len); at < len;) {
        size_t step = (uint8_t)text[at] < 0x80 ? 1 : hst_utf8_sequence(text + at, len - at);
        if (step == 0) return false;
        at += step;
    }
    return true;
}

static bool printable(const char *text, size_t step)
{
    return step > 1 || (step == 1 && (uint8_t)text[0] >= 0x20 && text[0] != 0x7f);
}

size_t hst_utf8_escape(const char *text, size_t len, char *out, size_t out_size)
{
    size_t used = 0;
    if (out_size == 0) return 0;
    for (size_t at = 0; at < len;) {
        size_t step = hst_utf8_sequence(text + at, len - at);
        bool as_is = printable(text + at, step);
        size_t need = as_is ? step : 4;
        if (used + need >= out_size) break;
        if (as_is)
            memcpy(out + used, text + at, step);
        else
            snprintf(out + used, 5, "\\x%02x", (uint8_t)text[at]);
        used += need;
        at += as_is ? step : 1;
    }
    out[used] = '\0';
    return used;
}
