/* Any bytes as a sidecar, whose kind the first byte says; and as a JSON object in which one member is changed: what was set is found,
 * taken out again it is gone, and values are texts. */
#include "base/utf8.h"
#include "formats/json_edit.h"
#include "formats/sidecar.h"
#include "formats/tag_frequency.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int check_pair(void *context, const char *key, const char *value)
{
    (void)context;
    if (key[0] == '\0' || value[0] == '\0' || !hst_utf8_valid(value, strlen(value))) abort();
    return 0;
}

/* The text with the member set (value) or without it (NULL), and is it there? */
static void change(const char *text, size_t length, const char *value, struct hst_strbuf *out)
{
    struct hst_json_span span;
    if (hst_json_edit_set(text, length, "m", value, out, NULL) < 0) abort();
    if (hst_json_edit_find(out->text, out->length, "m", &span, NULL) < 0) abort();
    size_t expected = value != NULL ? strlen(value) : 0;
    if (span.end - span.begin != expected || memcmp(out->text + span.begin, value != NULL ? value : "", expected) != 0) abort();
}

static void edit(const char *text, size_t length)
{
    struct hst_strbuf with = {0}, without = {0};
    struct hst_json_span span;
    if (hst_json_edit_find(text, length, "m", &span, NULL) < 0) return;
    change(text, length, "[\"x\", {}]", &with);
    change(with.text, with.length, NULL, &without);
    hst_strbuf_fini(&with);
    hst_strbuf_fini(&without);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hst_strbuf tags = {0};
    if (size == 0) return 0;
    (void)hst_sidecar_parse(bytes[0] % HST_SIDECAR_KINDS, bytes + 1, size - 1, check_pair, NULL, NULL);
    (void)hst_tag_frequency_top((const char *)bytes + 1, size - 1, 5, &tags, NULL);
    hst_strbuf_fini(&tags);
    edit((const char *)bytes + 1, size - 1);
    return 0;
}
