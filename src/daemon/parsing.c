#include "daemon/parsing.h"

#include "daemon/paths.h"

#include <stdlib.h>

/** Longest time for a file that may be asked for: an hour. */
#define TIMEOUT_SECONDS_MAX 3600ul

static int read_timeout(const struct hst_settings *settings, unsigned *ret_ms, struct hst_error *err)
{
    const char *text = hst_settings_get(settings, "scan_timeout");
    char *end;
    unsigned long seconds = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < 1 || seconds > TIMEOUT_SECONDS_MAX)
        return hst_error_set(err, HST_E_CONFIG, "scan_timeout must be seconds from 1 to %lu, not '%s'", TIMEOUT_SECONDS_MAX, text);
    *ret_ms = (unsigned)seconds * 1000;
    return HST_OK;
}

int hst_parsing_begin(const struct hst_settings *settings, struct hst_scanner **ret_scanner, struct hst_error *err)
{
    char program[HST_PATH_MAX];
    struct hst_scanner_config config = {.program = program};
    *ret_scanner = NULL;
    HST_TRY(read_timeout(settings, &config.timeout_ms, err));
    if (!hst_settings_on(settings, "sandbox")) return HST_OK;
    HST_TRY(hst_paths_scan(program, err));
    HST_TRY(hst_scanner_new(&config, ret_scanner, err));
    hst_parser_use(hst_scanner_parser(*ret_scanner));
    return HST_OK;
}

void hst_parsing_end(struct hst_scanner *scanner)
{
    hst_parser_use(NULL);
    hst_scanner_free(scanner);
}
