#include "base/strbuf.h"

#include "base/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool reserve(struct hst_strbuf *buf, size_t more)
{
    if (buf->failed) return false;
    size_t need = buf->length + more + 1;
    if (need <= buf->capacity) return true;
    size_t capacity = buf->capacity ? buf->capacity : 128;
    while (capacity < need)
        capacity *= 2;
    char *grown = realloc(buf->text, capacity);
    if (grown == NULL) {
        buf->failed = true;
        return false;
    }
    buf->text = grown;
    buf->capacity = capacity;
    return true;
}

void hst_strbuf_append(struct hst_strbuf *buf, const void *bytes, size_t length)
{
    if (!reserve(buf, length)) return;
    if (length > 0) memcpy(buf->text + buf->length, bytes, length);
    buf->length += length;
    buf->text[buf->length] = '\0';
}

void hst_strbuf_puts(struct hst_strbuf *buf, const char *text)
{
    hst_strbuf_append(buf, text, strlen(text));
}

void hst_strbuf_printf(struct hst_strbuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(buf, (size_t)length)) return;
    va_start(args, format);
    vsnprintf(buf->text + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
}

bool hst_strbuf_ok(const struct hst_strbuf *buf)
{
    return !buf->failed;
}

char *hst_strbuf_take(struct hst_strbuf *buf)
{
    if (buf->failed || !reserve(buf, 0)) return NULL;
    buf->text[buf->length] = '\0';
    char *text = hst_steal(&buf->text);
    *buf = (struct hst_strbuf){0};
    return text;
}

void hst_strbuf_reset(struct hst_strbuf *buf)
{
    buf->length = 0;
    if (buf->text != NULL) buf->text[0] = '\0';
}

void hst_strbuf_fini(struct hst_strbuf *buf)
{
    free(buf->text);
    *buf = (struct hst_strbuf){0};
}
