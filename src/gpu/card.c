#include "gpu/card.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, SIZE, SMALL };

/* A field of the line. */
struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t size;
};

#define FIELD(name, kind, member) {name, kind, offsetof(struct hst_gpu_card, member), sizeof((struct hst_gpu_card *)0)->member}
static const struct field fields[] = {
    FIELD("ordinal", SIZE, ordinal),
    FIELD("uuid", TEXT, uuid),
    FIELD("name", TEXT, name),
    FIELD("pci_bus_id", TEXT, pci_bus_id),
    FIELD("granularity", SIZE, granularity),
    FIELD("major", SIZE, major),
    FIELD("minor", SIZE, minor),
    FIELD("driver_version", SIZE, driver_version),
    FIELD("usable", SIZE, usable),
    FIELD("total_bytes", SIZE, info.total_bytes),
    FIELD("free_bytes", SIZE, info.free_bytes),
    FIELD("used_bytes", SIZE, info.used_bytes),
    FIELD("ecc_errors", SIZE, info.ecc_errors),
    FIELD("utilization_percent", SMALL, info.utilization_percent),
    FIELD("temperature_c", SMALL, info.temperature_c),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

/* Names come from a driver: what would end a field or a line is a space. */
static void put_text(const char *text, struct hst_strbuf *out)
{
    for (; *text != '\0'; text++)
        hst_strbuf_append(out, (unsigned char)*text < ' ' ? " " : text, 1);
}

/* What is not known is left out. */
static void put_field(const struct field *field, const struct hst_gpu_card *card, struct hst_strbuf *out)
{
    const char *at = (const char *)card + field->offset;
    uint64_t size;
    int32_t small;
    if (field->kind == TEXT) {
        hst_strbuf_printf(out, "\t%s=", field->name);
        put_text(at, out);
    } else if (field->kind == SIZE) {
        memcpy(&size, at, sizeof size);
        if (size != UINT64_MAX) hst_strbuf_printf(out, "\t%s=%llu", field->name, (unsigned long long)size);
    } else {
        memcpy(&small, at, sizeof small);
        if (small >= 0) hst_strbuf_printf(out, "\t%s=%d", field->name, small);
    }
}

void hst_gpu_card_put(const struct hst_gpu_card *card, struct hst_strbuf *out)
{
    hst_strbuf_puts(out, "card");
    for (size_t i = 0; i < FIELDS; i++)
        put_field(&fields[i], card, out);
    hst_strbuf_puts(out, "\n");
}

void hst_gpu_card_put_none(const char *why, struct hst_strbuf *out)
{
    hst_strbuf_puts(out, "none\t");
    put_text(why, out);
    hst_strbuf_puts(out, "\n");
}

static const struct field *find_field(const char *text)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (hst_starts_with(text, fields[i].name) && text[strlen(fields[i].name)] == '=') return &fields[i];
    return NULL;
}

static void read_field(const char *text, size_t length, struct hst_gpu_card *card)
{
    const struct field *field = find_field(text);
    if (field == NULL) return;
    char *at = (char *)card + field->offset;
    const char *value = text + strlen(field->name) + 1;
    uint64_t number = strtoull(value, NULL, 10);
    int32_t small = (int32_t)number;
    if (field->kind == TEXT) snprintf(at, field->size, "%.*s", (int)(length - (size_t)(value - text)), value);
    if (field->kind == SIZE) memcpy(at, &number, sizeof number);
    if (field->kind == SMALL) memcpy(at, &small, sizeof small);
}

bool hst_gpu_card_read(const char *line, struct hst_gpu_card *ret_card)
{
    if (!hst_starts_with(line, "card\t")) return false;
    struct hst_gpu_card card = {.info = HST_GPU_INFO_UNKNOWN};
    for (const char *at = line + strlen("card"); *at == '\t';) {
        size_t length = strcspn(++at, "\t\n");
        read_field(at, length, &card);
        at += length;
    }
    *ret_card = card;
    return card.uuid[0] != '\0';
}

const char *hst_gpu_card_read_none(const char *line)
{
    return hst_starts_with(line, "none\t") ? line + strlen("none\t") : NULL;
}
