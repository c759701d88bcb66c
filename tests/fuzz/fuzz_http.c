/* Any bytes as requests of a connection, in pieces whose size the first byte gives: never more than one way to read them. */
#include "http/guard.h"
#include "http/limits.h"
#include "http/parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What was read, as one number: requests, bodies and the verdict. */
static size_t read_all(const uint8_t *bytes, size_t size, size_t piece)
{
    static const struct hst_guard guard = {.address = "127.0.0.1", .token = "secret"};
    struct hst_parse parse;
    size_t sum = 0, used;
    int status = 0;
    hst_parse_init(&parse);
    for (size_t at = 0; at < size && status == 0; at += used) {
        size_t length = size - at < piece ? size - at : piece;
        status = hst_parse_feed(&parse, (const char *)bytes + at, length, &used);
        if (status < 0 || !parse.complete) continue;
        struct hst_guard_request request = {"/", hst_parse_header(&parse, HST_HTTP_HOST), hst_parse_header(&parse, HST_HTTP_ORIGIN),
                                            hst_parse_header(&parse, HST_HTTP_FETCH_SITE), hst_parse_header(&parse, HST_HTTP_AUTHORIZATION)};
        struct hst_error error = {0};
        sum = sum * 31 + parse.body.length + (size_t)-hst_guard_check(&guard, &request, &error);
        if (parse.body.length > HST_HTTP_BODY_MAX || parse.target.length > HST_HTTP_HEAD_MAX) abort();
        hst_parse_next(&parse);
    }
    hst_parse_fini(&parse);
    return sum * 31 + (status < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2) return 0;
    if (read_all(bytes + 1, size - 1, 1u + bytes[0]) != read_all(bytes + 1, size - 1, size)) abort();
    return 0;
}
