#include "formats/json.h"

#include "base/checked.h"
#include "base/utf8.h"

#include <string.h>

/* What may come next. */
enum expect {
    EXPECT_VALUE,        /* a value */
    EXPECT_VALUE_OR_END, /* after [ */
    EXPECT_KEY_OR_END,   /* after { */
    EXPECT_COMMA_OR_END, /* after a value in a container */
    EXPECT_NOTHING,      /* after the top-level value */
};

void hst_json_init(struct hst_json *json, const void *bytes, uint64_t size, uint64_t base)
{
    *json = (struct hst_json){.expect = EXPECT_VALUE};
    hst_cursor_init(&json->cursor, bytes, size, base);
}

void hst_json_fini(struct hst_json *json)
{
    hst_strbuf_fini(&json->unescaped);
}

static enum hst_json_token fail(struct hst_json *json, const char *what)
{
    hst_cursor_fail(&json->cursor, HST_E_INVALID_FILE, what);
    return HST_JSON_ERROR;
}

static bool broken(struct hst_json *json, const char *what)
{
    fail(json, what);
    return false;
}

static void skip_space(struct hst_json *json)
{
    for (int c = hst_cursor_peek(&json->cursor); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = hst_cursor_peek(&json->cursor))
        json->cursor.at++;
}

static bool accept(struct hst_json *json, int wanted)
{
    if (hst_cursor_peek(&json->cursor) != wanted) return false;
    json->cursor.at++;
    return true;
}

static void after_value(struct hst_json *json)
{
    json->expect = json->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static size_t take_digits(struct hst_json *json)
{
    uint64_t start = json->cursor.at;
    while (is_digit(hst_cursor_peek(&json->cursor)))
        json->cursor.at++;
    return json->cursor.at - start;
}

static bool take_exponent(struct hst_json *json)
{
    if (!accept(json, 'e') && !accept(json, 'E')) return true;
    if (!accept(json, '+')) accept(json, '-');
    return take_digits(json) > 0;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static enum hst_json_token read_number(struct hst_json *json)
{
    uint64_t start = json->cursor.at;
    accept(json, '-');
    bool good = accept(json, '0') || take_digits(json) > 0;
    if (good && accept(json, '.')) good = take_digits(json) > 0;
    if (!good || !take_exponent(json)) return fail(json, "json: malformed number");
    json->text = (const char *)json->cursor.bytes + start;
    json->length = json->cursor.at - start;
    after_value(json);
    return HST_JSON_NUMBER;
}

static int hex_digit(int c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hex digits; -1 when they are not. */
static int take_hex4(struct hst_json *json)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(hst_cursor_peek(&json->cursor));
        if (digit < 0) return -1;
        value = value * 16 + digit;
        json->cursor.at++;
    }
    return value;
}

static void append_utf8(struct hst_strbuf *out, unsigned code)
{
    static const struct {
        unsigned below, lead, shift;
    } forms[] = {{0x80, 0x00, 0}, {0x800, 0xc0, 6}, {0x10000, 0xe0, 12}, {0x110000, 0xf0, 18}};
    size_t form = 0;
    while (code >= forms[form].below)
        form++;
    char byte = (char)(forms[form].lead | (code >> forms[form].shift));
    hst_strbuf_append(out, &byte, 1);
    for (unsigned shift = forms[form].shift; shift > 0; shift -= 6) {
        byte = (char)(0x80 | ((code >> (shift - 6)) & 0x3f));
        hst_strbuf_append(out, &byte, 1);
    }
}

static bool is_high_surrogate(int code)
{
    return code >= 0xd800 && code < 0xdc00;
}

static bool is_low_surrogate(int code)
{
    return code >= 0xdc00 && code < 0xe000;
}

/* After \u: one code point, from two escapes when it is a surrogate pair. */
static bool take_unicode_escape(struct hst_json *json)
{
    int code = take_hex4(json);
    if (is_high_surrogate(code)) {
        int low = accept(json, '\\') && accept(json, 'u') ? take_hex4(json) : -1;
        code = is_low_surrogate(low) ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
    } else if (is_low_surrogate(code)) {
        code = -1;
    }
    if (code < 0) return false;
    append_utf8(&json->unescaped, (unsigned)code);
    return true;
}

/* After the backslash. */
static bool take_escape(struct hst_json *json)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (accept(json, 'u')) return take_unicode_escape(json);
    int c = hst_cursor_peek(&json->cursor);
    const char *name = c > 0 ? strchr(names, c) : NULL;
    if (name == NULL) return false;
    json->cursor.at++;
    hst_strbuf_append(&json->unescaped, &values[name - names], 1);
    return true;
}

/* Is one of eight bytes a quote, a backslash or a control character? (A byte minus one borrows into its top bit only when it was zero.) */
static bool is_any_special(uint64_t eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    uint64_t quote = eight ^ (ones * '"'), slash = eight ^ (ones * '\\');
    return ((((eight - ones * 0x20) & ~eight) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high) != 0;
}

/* How many bytes stand for themselves? Names are long and plain, so eight at a time. */
static uint64_t count_plain(const char *start, uint64_t left)
{
    uint64_t length = 0;
    for (uint64_t eight; length + sizeof eight <= left; length += sizeof eight) {
        memcpy(&eight, start + length, sizeof eight);
        if (is_any_special(eight)) break;
    }
    while (length < left && start[length] != '"' && start[length] != '\\' && (unsigned char)start[length] >= 0x20)
        length++;
    return length;
}

/* Bytes up to the next quote or backslash, as they are. */
static bool take_plain(struct hst_json *json)
{
    const char *start = (const char *)json->cursor.bytes + json->cursor.at;
    uint64_t length = count_plain(start, hst_cursor_left(&json->cursor));
    if (!hst_utf8_valid(start, length)) return false;
    hst_strbuf_append(&json->unescaped, start, length);
    json->cursor.at += length;
    return true;
}

/* After the opening quote. */
static bool read_string(struct hst_json *json)
{
    hst_strbuf_reset(&json->unescaped);
    while (!accept(json, '"')) {
        if (!take_plain(json)) return broken(json, "utf8: broken UTF-8 in a string");
        int c = hst_cursor_peek(&json->cursor);
        if (c < 0) return broken(json, "json: a string does not end");
        if (c < 0x20) return broken(json, "json: a control character in a string");
        if (accept(json, '\\') && !take_escape(json)) return broken(json, "json: malformed escape");
    }
    if (!hst_strbuf_ok(&json->unescaped)) return hst_cursor_fail(&json->cursor, HST_E_NOMEM, "out of memory") == HST_OK;
    json->text = json->unescaped.text != NULL ? json->unescaped.text : "";
    json->length = json->unescaped.length;
    return true;
}

static enum hst_json_token read_key(struct hst_json *json)
{
    if (!accept(json, '"')) return fail(json, "json: a key is expected");
    if (!read_string(json)) return HST_JSON_ERROR;
    skip_space(json);
    if (!accept(json, ':')) return fail(json, "json: ':' is expected");
    json->expect = EXPECT_VALUE;
    return HST_JSON_KEY;
}

static enum hst_json_token open_container(struct hst_json *json, bool is_object)
{
    json->cursor.at++;
    if (json->depth == HST_JSON_DEPTH_MAX) return fail(json, "depth: nested too deeply");
    json->is_object[++json->depth] = is_object;
    json->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return is_object ? HST_JSON_OBJECT_BEGIN : HST_JSON_ARRAY_BEGIN;
}

static enum hst_json_token close_container(struct hst_json *json, bool is_object)
{
    if (json->depth == 0 || json->is_object[json->depth] != is_object) return fail(json, "json: a bracket does not match");
    json->cursor.at++;
    json->depth--;
    after_value(json);
    return is_object ? HST_JSON_OBJECT_END : HST_JSON_ARRAY_END;
}

static enum hst_json_token read_text(struct hst_json *json)
{
    json->cursor.at++;
    if (!read_string(json)) return HST_JSON_ERROR;
    after_value(json);
    return HST_JSON_STRING;
}

static enum hst_json_token read_word(struct hst_json *json)
{
    static const struct {
        const char *word;
        enum hst_json_token token;
    } words[] = {{"true", HST_JSON_TRUE}, {"false", HST_JSON_FALSE}, {"null", HST_JSON_NULL}};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i].word);
        if (hst_cursor_left(&json->cursor) < length || memcmp(json->cursor.bytes + json->cursor.at, words[i].word, length) != 0) continue;
        json->cursor.at += length;
        after_value(json);
        return words[i].token;
    }
    return fail(json, "json: a value is expected");
}

static enum hst_json_token read_value(struct hst_json *json)
{
    int c = hst_cursor_peek(&json->cursor);
    if (c == '{' || c == '[') return open_container(json, c == '{');
    if (c == '"') return read_text(json);
    if (c == '-' || is_digit(c)) return read_number(json);
    return read_word(json);
}

static bool closes(int c)
{
    return c == '}' || c == ']';
}

static enum hst_json_token at_end(struct hst_json *json)
{
    return hst_cursor_peek(&json->cursor) < 0 ? HST_JSON_END : fail(json, "json: something follows the document");
}

/* After a value in a container: a bracket, or a comma and what must follow it. */
static enum hst_json_token after_comma(struct hst_json *json)
{
    if (!accept(json, ',')) return fail(json, "json: ',' or a closing bracket is expected");
    skip_space(json);
    return json->is_object[json->depth] ? read_key(json) : read_value(json);
}

enum hst_json_token hst_json_next(struct hst_json *json)
{
    skip_space(json);
    if (!hst_cursor_ok(&json->cursor)) return HST_JSON_ERROR;
    if (json->expect == EXPECT_NOTHING) return at_end(json);
    int c = hst_cursor_peek(&json->cursor);
    if (closes(c) && json->expect != EXPECT_VALUE) return close_container(json, c == '}');
    if (json->expect == EXPECT_COMMA_OR_END) return after_comma(json);
    return json->expect == EXPECT_KEY_OR_END ? read_key(json) : read_value(json);
}

bool hst_json_skip(struct hst_json *json, enum hst_json_token first)
{
    if (first == HST_JSON_ERROR) return false;
    if (first != HST_JSON_OBJECT_BEGIN && first != HST_JSON_ARRAY_BEGIN) return true;
    for (unsigned outside = json->depth - 1; json->depth > outside;)
        if (hst_json_next(json) == HST_JSON_ERROR) return false;
    return true;
}

bool hst_json_is(const struct hst_json *json, const char *word)
{
    return json->length == strlen(word) && memcmp(json->text, word, json->length) == 0;
}

bool hst_json_u64(const struct hst_json *json, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < json->length; i++) {
        if (!is_digit(json->text[i])) return false;
        if (!hst_checked_mul(value, 10, &value) || !hst_checked_add(value, (uint64_t)(json->text[i] - '0'), &value)) return false;
    }
    *ret_value = value;
    return json->length > 0;
}
