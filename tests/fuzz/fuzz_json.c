/* Any bytes as JSON: tokens up to an end or an error, which then stays. */
#include "formats/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hst_json json;
    enum hst_json_token token;
    size_t tokens = 0;
    hst_json_init(&json, bytes, size, 0);
    while ((token = hst_json_next(&json)) != HST_JSON_ERROR && token != HST_JSON_END)
        if (++tokens > size + 1) abort(); /* every token takes a byte */
    if (hst_json_next(&json) != token) abort();
    hst_json_fini(&json);
    return 0;
}
