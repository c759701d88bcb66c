#include "model/reopen.h"

#include "base/cleanup.h"
#include "model/parser.h"

#include <string.h>

int hst_reopen_check(int fd, const struct hst_file_id *id, struct hst_error *err)
{
    struct hst_file_id now;
    HST_TRY(hst_file_identify(fd, &now, err));
    return hst_file_id_equal(&now, id) ? HST_OK : hst_error_set(err, HST_E_FILE_CHANGED, "the file is being written");
}

int hst_reopen(const char *path, const struct hst_file_id *id, int *ret_fd, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct hst_file_id now;
    const struct hst_format *format;
    struct hst_tensor_table *table = NULL;
    HST_AUTO(hst_closep) int fd = hst_file_open(path, &now, err);
    if (fd < 0) return fd;
    HST_TRY(hst_reopen_check(fd, id, err));
    int status = hst_parser_parse(fd, now.size_bytes, &format, &table, err);
    if (status < 0 && strcmp(hst_status_info(status)->category, "format") != 0) return status;
    *ret_table = status < 0 ? NULL : table;
    *ret_fd = hst_steal_fd(&fd);
    return HST_OK;
}
