#ifndef HST_OS_LANDLOCK_H
#define HST_OS_LANDLOCK_H
/** @file
 * Landlock: a process takes rights to files, ports and other processes from itself, for ever. */

/** Take every right that this kernel's Landlock knows; no_new_privs must be set. @return its version, or 0 where there is none */
unsigned hst_landlock_take_all(void);
#endif
