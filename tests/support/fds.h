#ifndef HST_TESTS_FDS_H
#define HST_TESTS_FDS_H
/** @file
 * How many descriptors are open: what leaks one is found by counting. */
#include <dirent.h>
#include <stddef.h>

/** Entries of /proc/self/fd: the same before and after when nothing leaked. */
static inline int count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}
#endif
