#ifndef HST_OS_LOCKFILE_H
#define HST_OS_LOCKFILE_H
/** @file
 * One daemon per place: a file locked as long as the process lives. The file itself stays; only the lock counts. */
#include "base/error.h"

/** Lock `path`, made when missing. @return fd, owned by the caller: closing it unlocks; HST_E_ALREADY_RUNNING when another process has it */
int hst_lockfile_take(const char *path, struct hst_error *err);
#endif
