#ifndef HST_OS_FSTYPE_H
#define HST_OS_FSTYPE_H
/** @file
 * What kind of file system a file lies on, because that decides how its bytes are held. */
#include <stdbool.h>

/** A kind. */
enum hst_fstype {
    HST_FSTYPE_LOCAL,   /**< a disk of this machine whose page cache can be held in place */
    HST_FSTYPE_MEMORY,  /**< tmpfs: it is in RAM already */
    HST_FSTYPE_OTHER,   /**< network, overlay, FUSE, unknown: no promise about its page cache */
};

/** The kind of the file system that holds an open file. */
enum hst_fstype hst_fstype_of(int fd);
/** Does the file system of this folder tell those who watch it what changes? Network and FUSE file systems do not when others change it.
 * One that cannot be asked counts as one that does. */
bool hst_fstype_tells_changes(const char *path);
#endif
