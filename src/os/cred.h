#ifndef HST_OS_CRED_H
#define HST_OS_CRED_H
/** @file
 * Who is at the other end of a Unix socket, as the kernel says. */
#include "base/error.h"

/** A peer. */
struct hst_cred {
    int32_t pid;  /**< process that connected, in our pid namespace; 0 = it is in none that we see */
    uint32_t uid; /**< its user */
};

/** Ask the kernel. HST_E_IO */
int hst_cred_of_socket(int fd, struct hst_cred *ret_cred, struct hst_error *err);
/** Root and the user we run as may use us, and members of `group` unless that is negative. */
bool hst_cred_allowed(int fd, const struct hst_cred *cred, int64_t group);
/** Root or the user we run as: it may do itself whatever we can do for it. */
bool hst_cred_owns(const struct hst_cred *cred);
/** The number of a group. HST_E_CONFIG when there is none of this name. */
int hst_cred_find_group(const char *name, int64_t *ret_group, struct hst_error *err);
#endif
