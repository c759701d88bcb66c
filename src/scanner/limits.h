#ifndef HST_SCANNER_LIMITS_H
#define HST_SCANNER_LIMITS_H
/** @file
 * Limits of the processes that parse, each with its reason. */

/** Address space: the longest header (256 MiB), what is made of it and the answer (512 MiB at most), each grown by doubling. */
#define HST_SCANNER_MEMORY_BYTES UINT64_C(2147483648)
/** Files that one process reads before another takes its place, so that one that a file has taken over does not answer for the rest of a
 * library. Starting one takes a millisecond or two. */
#define HST_SCANNER_FILES_MAX 4096u
/** Processor time of a process: 4096 files of a quarter of a second each. It ends one that nobody watches any more. */
#define HST_SCANNER_CPU_SECONDS 1200u
/** File descriptors: its socket, the file, and some that the kernel may put there before it sees that they are too many. */
#define HST_SCANNER_FDS 8u
/** Processor time of one file: forty times what the slowest file of the tests needs. */
#define HST_SCANNER_FILE_CPU_MS 10000u
/** Until a process greets: its program may lie on a disk that sleeps. */
#define HST_SCANNER_START_MS 15000u
/** Between two looks at one that has not answered yet: how long a stop of the daemon waits for it. */
#define HST_SCANNER_LOOK_MS 100
/** Processes that wait for the next file: as many as threads scan at most. */
#define HST_SCANNER_IDLE_MAX 16u
#endif
