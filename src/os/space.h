#ifndef HST_OS_SPACE_H
#define HST_OS_SPACE_H
/** @file
 * Room on a disk. */
#include "base/error.h"

/** Are so many bytes free for us on the file system of this folder? HST_E_NO_SPACE says how many are; HST_E_FILE_MISSING, HST_E_PERMISSION. */
int hst_space_check(const char *folder, uint64_t bytes, struct hst_error *err);
#endif
