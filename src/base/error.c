#include "base/error.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct hst_status_info table[] = {
#include "base/errors.inc"
};
enum { TABLE_ROWS = sizeof table / sizeof table[0] };

static void set_text(struct hst_error *err, int status, const char *format, va_list args)
{
    char raw[HST_ERROR_TEXT_MAX];
    vsnprintf(raw, sizeof raw, format, args);
    *err = (struct hst_error){.status = status};
    hst_utf8_escape(raw, strlen(raw), err->text, sizeof err->text);
}

int hst_error_set(struct hst_error *err, int status, const char *format, ...)
{
    if (err == NULL) return status;
    va_list args;
    va_start(args, format);
    set_text(err, status, format, args);
    va_end(args);
    return status;
}

int hst_error_at(struct hst_error *err, int status, uint64_t offset, const char *format, ...)
{
    if (err == NULL) return status;
    va_list args;
    va_start(args, format);
    set_text(err, status, format, args);
    va_end(args);
    err->has_offset = true;
    err->offset = offset;
    return status;
}

int hst_error_nomem(struct hst_error *err)
{
    return hst_error_set(err, HST_E_NOMEM, "the process is out of memory");
}

const struct hst_status_info *hst_status_info(int status)
{
    for (size_t i = 0; i < TABLE_ROWS; i++)
        if (table[i].status == status) return &table[i];
    return hst_status_info(HST_E_INTERNAL);
}

int hst_status_from_code(const char *code)
{
    for (size_t i = 0; i < TABLE_ROWS; i++)
        if (strcmp(table[i].code, code) == 0) return table[i].status;
    return HST_E_INTERNAL;
}
