#include "service/jsonx.h"

#include "base/utf8.h"
#include "os/clock.h"

#include <math.h>
#include <string.h>

json_t *hst_jsonx_text(const char *text)
{
    char shown[8192];
    if (text == NULL) return json_null();
    if (hst_utf8_valid(text, strlen(text))) return json_string(text);
    hst_utf8_escape(text, strlen(text), shown, sizeof shown);
    return json_string(shown);
}

json_t *hst_jsonx_size(uint64_t value)
{
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

json_t *hst_jsonx_ms(double ms)
{
    return json_real(round(ms * 1000) / 1000);
}

json_t *hst_jsonx_known_ms(double ms)
{
    return ms < 0 ? json_null() : hst_jsonx_ms(ms);
}

json_t *hst_jsonx_time(int64_t wall_ns)
{
    char text[32];
    if (wall_ns == 0) return json_null();
    hst_clock_format(wall_ns, text, sizeof text);
    return json_string(text);
}

json_t *hst_jsonx_texts(const char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, hst_jsonx_text(texts[i]));
    return array;
}
