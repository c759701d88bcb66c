/* Any bytes as a packet of the socket, a greeting, or the line of a call. */
#include "base/percent.h"
#include "base/utf8.h"
#include "proto/callline.h"
#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hst_frame frame;
    struct hst_hello hello;
    struct hst_callline line;
    char *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    if (hst_frame_decode(bytes, size, &frame, NULL) == 0 && frame.body_bytes + HST_FRAME_HEADER != size) abort();
    hst_hello_decode(bytes, size, &hello, NULL);
    if (hst_callline_parse(copy, size, &line, NULL) == 0 && (line.path[0] != '/' || (line.json != NULL && line.json + line.json_length != copy + size))) abort();
    free(copy);
    return 0;
}
