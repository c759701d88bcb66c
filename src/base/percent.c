#include "base/percent.h"

#include <stddef.h>
#include <string.h>

static int digit_value(char digit)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = digit != '\0' ? strchr(digits, digit) : NULL;
    if (at == NULL) return -1;
    int index = (int)(at - digits);
    return index < 16 ? index : index - 6;
}

/* The byte after '%', 1 to 255, or 0. */
static int escaped(const char *digits)
{
    int high = digit_value(digits[0]);
    int low = high >= 0 ? digit_value(digits[1]) : -1;
    return low >= 0 ? high * 16 + low : 0;
}

bool hst_percent_decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int byte = escaped(in + 1);
        if (byte == 0) return false;
        *out++ = (char)byte;
        in += 2;
    }
    *out = '\0';
    return true;
}
