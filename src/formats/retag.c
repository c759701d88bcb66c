#include "formats/retag.h"

#include "base/cleanup.h"
#include "formats/json_edit.h"
#include "formats/limits.h"

#include <endian.h>
#include <string.h>

enum { PAGE = 4096 };

/* The new value of __metadata__; one that is absent or null begins empty. */
static int make_metadata(const char *header, size_t length, const struct hst_retag_pair *pairs, size_t count, struct hst_strbuf *out, struct hst_error *err)
{
    struct hst_json_span old;
    HST_TRY(hst_json_edit_find(header, length, "__metadata__", &old, err));
    bool present = old.end > old.begin && header[old.begin] == '{';
    hst_strbuf_append(out, present ? header + old.begin : "{}", present ? old.end - old.begin : 2);
    if (!hst_strbuf_ok(out)) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        HST_TRY(hst_json_edit_text(out, pairs[i].key, pairs[i].value, err));
    return HST_OK;
}

static size_t trimmed(const struct hst_strbuf *header)
{
    size_t length = header->length;
    while (length > 0 && header->text[length - 1] == ' ')
        length--;
    return length;
}

static int finish(const struct hst_strbuf *header, size_t old_length, struct hst_strbuf *out, struct hst_error *err)
{
    static const char blanks[PAGE] = {[0 ... PAGE - 1] = ' '};
    size_t used = trimmed(header);
    size_t padding = (old_length + PAGE - used % PAGE) % PAGE;
    uint64_t length = htole64(used + padding);
    if (used + padding > HST_SAFETENSORS_HEADER_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: the header would get too long");
    hst_strbuf_append(out, &length, sizeof length);
    hst_strbuf_append(out, header->text, used);
    hst_strbuf_append(out, blanks, padding);
    return hst_strbuf_ok(out) ? HST_OK : hst_error_nomem(err);
}

int hst_retag_header(const char *header, size_t length, const struct hst_retag_pair *pairs, size_t count, struct hst_strbuf *out, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf metadata = {0};
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf changed = {0};
    HST_TRY(make_metadata(header, length, pairs, count, &metadata, err));
    HST_TRY(hst_json_edit_set(header, length, "__metadata__", metadata.text, &changed, err));
    return finish(&changed, length, out, err);
}
