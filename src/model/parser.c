#include "model/parser.h"

#include "os/file.h"

static int read_fd(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    return hst_file_read_at(*(int *)context, offset, buffer, length, err);
}

static int parse_here(void *context, int fd, uint64_t size_bytes, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                      struct hst_error *err)
{
    (void)context;
    struct hst_source source = {size_bytes, read_fd, &fd};
    return hst_format_parse(&source, ret_format, ret_table, err);
}

static void rest_here(void *context)
{
    (void)context;
}

static const struct hst_parser here = {parse_here, rest_here, NULL, NULL};
static const struct hst_parser *in_use = &here;

void hst_parser_use(const struct hst_parser *parser)
{
    in_use = parser != NULL ? parser : &here;
}

int hst_parser_parse(int fd, uint64_t size_bytes, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                     struct hst_error *err)
{
    return in_use->parse(in_use->context, fd, size_bytes, ret_format, ret_table, err);
}

const char *hst_parser_protection(void)
{
    return in_use->protection;
}

void hst_parser_rest(void)
{
    in_use->rest(in_use->context);
}
