#include "gpu/card.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, SIZE, SMALL, PROCESSES };

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
    FIELD("process_count", SMALL, info.process_count),
    FIELD("own_pids", SMALL, info.own_pids),
    FIELD("processes", PROCESSES, info.processes),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

/* Names come from a driver: what would end a field or a line is a space. */
static void put_text(const char *text, struct hst_strbuf *out)
{
    for (; *text != '\0'; text++)
        hst_strbuf_append(out, (unsigned char)*text < ' ' ? " " : text, 1);
}

static void put_processes(const struct hst_gpu_info *info, struct hst_strbuf *out)
{
    for (unsigned i = 0; i < hst_gpu_info_named(info); i++) {
        hst_strbuf_printf(out, "%s%llu:", i == 0 ? "\tprocesses=" : ",", (unsigned long long)info->processes[i].pid);
        if (info->processes[i].used_bytes != UINT64_MAX) hst_strbuf_printf(out, "%llu", (unsigned long long)info->processes[i].used_bytes);
    }
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
    } else if (field->kind == PROCESSES) {
        put_processes(&card->info, out);
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

/* Digits, for as long as there are some, of a number that a process may have. */
static const char *read_digits(const char *text, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (number > (most - digit) / 10) return NULL;
        number = 10 * number + digit;
    }
    *ret_number = number;
    return text;
}

/* As many as are well formed, and fit. */
static void read_processes(const char *text, struct hst_gpu_info *info)
{
    struct hst_gpu_process processes[HST_GPU_PROCESSES] = {{0}};
    for (unsigned i = 0; i < HST_GPU_PROCESSES; i++) {
        struct hst_gpu_process process = {0};
        const char *end = read_digits(text, INT32_MAX, &process.pid);
        if (end == NULL || process.pid == 0 || *end != ':') break;
        text = read_digits(end + 1, UINT64_MAX - 1, &process.used_bytes);
        if (text == NULL || strchr(",\t\n", *text) == NULL) break;
        if (text == end + 1) process.used_bytes = UINT64_MAX;
        processes[i] = process;
        if (*text++ != ',') break;
    }
    memcpy(info->processes, processes, sizeof processes);
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
    if (field->kind == PROCESSES) read_processes(value, &card->info);
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
