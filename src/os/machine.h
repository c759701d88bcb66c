#ifndef HST_OS_MACHINE_H
#define HST_OS_MACHINE_H
/** @file
 * Where the kernel says how the machine is. Tests describe another machine: a folder named by $HOIST_MACHINE with files as under /proc and /sys. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Longest path of such a file, with its NUL. */
#define HST_MACHINE_PATH_MAX 1024

/** The path of a file of the kernel's, such as "/proc/meminfo". @return out */
const char *hst_machine_path(char out[HST_MACHINE_PATH_MAX], const char *path);
/** Is it another machine that tests describe? */
bool hst_machine_is_described(void);
/** Read the beginning of such a file as text. @return its length; 0 when it is not there or empty */
size_t hst_machine_read(const char *path, char *text, size_t size);
/** The number that follows a word at the beginning of a line, after blanks and an optional colon; UINT64_MAX when there is none or it overflows. */
uint64_t hst_machine_number(const char *text, const char *word);
#endif
