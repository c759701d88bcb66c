#include "http/parse.h"

#include "http/limits.h"

#include <string.h>
#include <strings.h>

static const char *const names[HST_HTTP_HEADER_COUNT] = {"Host", "Origin", "Sec-Fetch-Site", "Authorization", "Content-Type", "Last-Event-ID", "Expect"};

static struct hst_parse *of(llhttp_t *parser)
{
    return parser->data;
}

static int refuse(struct hst_parse *parse, int status, const char *text)
{
    hst_error_set(&parse->error, status, "%s", text);
    return HPE_USER;
}

static int add(struct hst_parse *parse, struct hst_strbuf *text, const char *at, size_t length)
{
    if (memchr(at, '\0', length) != NULL) return refuse(parse, HST_E_BAD_REQUEST, "there is a NUL in the request");
    hst_strbuf_append(text, at, length);
    return HPE_OK;
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
    return add(of(parser), &of(parser)->target, at, length);
}

static int on_name(llhttp_t *parser, const char *at, size_t length)
{
    return add(of(parser), &of(parser)->name, at, length);
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
    return add(of(parser), &of(parser)->value, at, length);
}

static int find_header(const char *name)
{
    for (int i = 0; i < HST_HTTP_HEADER_COUNT; i++)
        if (strcasecmp(names[i], name) == 0) return i;
    return -1;
}

static int keep_header(struct hst_parse *parse)
{
    const char *name = parse->name.text != NULL ? parse->name.text : "";
    int header = find_header(name);
    if (strpbrk(name, " \t") != NULL) return refuse(parse, HST_E_BAD_REQUEST, "a header's name has a blank in it"); /* RFC 9112 section 5.1 */
    if (header < 0) return HPE_OK;
    if (parse->has[header]) return refuse(parse, HST_E_BAD_REQUEST, "a header came twice that may come once");
    parse->has[header] = true;
    hst_strbuf_puts(&parse->headers[header], parse->value.text != NULL ? parse->value.text : "");
    return HPE_OK;
}

static int on_value_complete(llhttp_t *parser)
{
    struct hst_parse *parse = of(parser);
    int status = ++parse->header_count <= HST_HTTP_HEADERS_MAX ? keep_header(parse) : refuse(parse, HST_E_HEADERS_TOO_LARGE, "the request has too many headers");
    hst_strbuf_reset(&parse->name);
    hst_strbuf_reset(&parse->value);
    return status;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct hst_parse *parse = of(parser);
    bool supported = parser->http_major == 1 && parser->http_minor <= 1;
    parse->in_headers = false;
    parse->wants_continue = parse->has[HST_HTTP_EXPECT];
    if (!supported) refuse(parse, HST_E_BAD_REQUEST, "this is not HTTP/1.0 or HTTP/1.1");
    if (supported && (parser->flags & F_CONTENT_LENGTH) != 0 && parser->content_length > HST_HTTP_BODY_MAX)
        refuse(parse, HST_E_PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB");
    return parse->error.status == 0 ? 0 : -1;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
    struct hst_parse *parse = of(parser);
    if (parse->body.length + length > HST_HTTP_BODY_MAX) return refuse(parse, HST_E_PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB");
    hst_strbuf_append(&parse->body, at, length);
    return HPE_OK;
}

static int on_complete(llhttp_t *parser)
{
    struct hst_parse *parse = of(parser);
    parse->complete = true;
    parse->keep_alive = llhttp_should_keep_alive(parser) != 0;
    return HPE_PAUSED;
}

static void begin(struct hst_parse *parse)
{
    parse->in_headers = true;
    parse->line_begins = false;
    parse->bytes = 0;
    parse->header_count = 0;
    parse->complete = false;
    parse->wants_continue = false;
}

void hst_parse_init(struct hst_parse *parse)
{
    *parse = (struct hst_parse){0};
    llhttp_settings_init(&parse->settings);
    parse->settings.on_url = on_url;
    parse->settings.on_header_field = on_name;
    parse->settings.on_header_value = on_value;
    parse->settings.on_header_value_complete = on_value_complete;
    parse->settings.on_headers_complete = on_headers_complete;
    parse->settings.on_body = on_body;
    parse->settings.on_message_complete = on_complete;
    llhttp_init(&parse->parser, HTTP_REQUEST, &parse->settings);
    parse->parser.data = parse;
    begin(parse);
}

static int fail(struct hst_parse *parse, enum llhttp_errno code)
{
    if (parse->error.status == 0) hst_error_set(&parse->error, HST_E_BAD_REQUEST, "the request is malformed (%s)", llhttp_errno_name(code));
    return parse->error.status;
}

static bool all_kept(const struct hst_parse *parse)
{
    bool good = hst_strbuf_ok(&parse->target) && hst_strbuf_ok(&parse->name) && hst_strbuf_ok(&parse->value) && hst_strbuf_ok(&parse->body);
    for (size_t i = 0; i < HST_HTTP_HEADER_COUNT; i++)
        good = good && hst_strbuf_ok(&parse->headers[i]);
    return good;
}

/* Read a piece that is at most one line while headers are read. @return bytes used, or an error */
static int64_t execute(struct hst_parse *parse, const char *bytes, size_t length)
{
    enum llhttp_errno code = llhttp_execute(&parse->parser, bytes, length);
    if (!all_kept(parse)) return hst_error_nomem(&parse->error);
    if (code == HPE_OK) return (int64_t)length;
    if (code != HPE_PAUSED) return fail(parse, code);
    return llhttp_get_error_pos(&parse->parser) - bytes;
}

/* Headers are read line by line, so that a folded one (a line that begins with a blank, RFC 9112 section 5.2) is seen. */
static size_t piece_length(const struct hst_parse *parse, const char *bytes, size_t length)
{
    const char *end = parse->in_headers ? memchr(bytes, '\n', length) : NULL;
    return end != NULL ? (size_t)(end - bytes) + 1 : length;
}

static int check_piece(struct hst_parse *parse, const char *bytes, size_t length)
{
    parse->bytes += length;
    if (parse->in_headers && parse->bytes > HST_HTTP_HEAD_MAX)
        return hst_error_set(&parse->error, HST_E_HEADERS_TOO_LARGE, "the headers are larger than %u bytes", HST_HTTP_HEAD_MAX);
    if (parse->bytes > HST_HTTP_REQUEST_MAX) return hst_error_set(&parse->error, HST_E_PAYLOAD_TOO_LARGE, "the request is too large");
    if (parse->in_headers && parse->line_begins && (bytes[0] == ' ' || bytes[0] == '\t'))
        return hst_error_set(&parse->error, HST_E_BAD_REQUEST, "a header is folded over lines");
    parse->line_begins = bytes[length - 1] == '\n';
    return HST_OK;
}

int hst_parse_feed(struct hst_parse *parse, const char *bytes, size_t length, size_t *ret_used)
{
    *ret_used = 0;
    while (*ret_used < length && !parse->complete) {
        const char *at = bytes + *ret_used;
        size_t piece = piece_length(parse, at, length - *ret_used);
        HST_TRY(check_piece(parse, at, piece));
        int64_t used = execute(parse, at, piece);
        if (used < 0) return (int)used;
        *ret_used += (size_t)used;
    }
    return HST_OK;
}

static void forget(struct hst_parse *parse, void (*how)(struct hst_strbuf *))
{
    how(&parse->target);
    how(&parse->name);
    how(&parse->value);
    how(&parse->body);
    for (size_t i = 0; i < HST_HTTP_HEADER_COUNT; i++)
        how(&parse->headers[i]);
}

void hst_parse_next(struct hst_parse *parse)
{
    forget(parse, hst_strbuf_reset);
    memset(parse->has, 0, sizeof parse->has);
    begin(parse);
    llhttp_resume(&parse->parser);
}

bool hst_parse_is_underway(const struct hst_parse *parse)
{
    return parse->bytes > 0 && !parse->complete;
}

const char *hst_parse_header(const struct hst_parse *parse, enum hst_http_header header)
{
    if (!parse->has[header]) return NULL;
    return parse->headers[header].text != NULL ? parse->headers[header].text : "";
}

const char *hst_parse_method(const struct hst_parse *parse)
{
    return llhttp_method_name((llhttp_method_t)parse->parser.method);
}

void hst_parse_fini(struct hst_parse *parse)
{
    forget(parse, hst_strbuf_fini);
}
