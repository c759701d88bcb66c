#ifndef HST_SCANNER_SERVE_H
#define HST_SCANNER_SERVE_H
/** @file
 * The side of hoist-scan: takes files from a socket, parses them, answers (proto/answer.h). */
#include "proto/answer.h"

/** Greet, and answer until the other side closes. @return HST_OK then, or why it cannot go on */
int hst_serve_run(int fd, const struct hst_answer_hello *hello);
#endif
