#include "daemon/parsing.h"

#include "daemon/paths.h"

/** Longest time for a file that may be asked for: an hour. */
#define TIMEOUT_SECONDS_MAX 3600u

int hst_parsing_begin(const struct hst_settings *settings, struct hst_scanner **ret_scanner, struct hst_error *err)
{
    char program[HST_PATH_MAX];
    unsigned seconds;
    struct hst_scanner_config config = {.program = program};
    *ret_scanner = NULL;
    HST_TRY(hst_settings_seconds(settings, "scan_timeout", 1, TIMEOUT_SECONDS_MAX, &seconds, err));
    config.timeout_ms = seconds * 1000;
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
