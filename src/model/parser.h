#ifndef HST_MODEL_PARSER_H
#define HST_MODEL_PARSER_H
/** @file
 * Who makes a table of a model file: the parsers of formats/ in this process, or whoever takes their place (scanner/ runs them in a
 * process that may do nothing else). One for the whole process, since every thread that reads a file must go through it. */
#include "formats/format.h"

/** A parser. Called from any thread, from several at once. */
struct hst_parser {
    /** As hst_format_parse, for an open file of `size_bytes`; the fd stays the caller's. A status of another category than "format" says
     * nothing of the file. */
    int (*parse)(void *context, int fd, uint64_t size_bytes, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                 struct hst_error *err);
    void (*rest)(void *context); /**< nothing more for now: give back what is only kept for speed */
    void *context;               /**< for both */
    const char *protection;      /**< what keeps it from doing harm, for people; NULL = nothing does */
};

/** Let this one parse (borrowed), or NULL for the parsers in this process, as from the start. While no thread parses. */
void hst_parser_use(const struct hst_parser *parser);
/** Parse by the one in use. */
int hst_parser_parse(int fd, uint64_t size_bytes, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                     struct hst_error *err);
/** The protection of the one in use; borrowed, as long as it is in use. */
const char *hst_parser_protection(void);
/** A scan is over, or what a load needed was read. Any thread but the loop's: it may take some milliseconds. */
void hst_parser_rest(void);
#endif
