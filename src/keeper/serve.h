#ifndef HST_KEEPER_SERVE_H
#define HST_KEEPER_SERVE_H
/** @file
 * hoist-keeper at work: it serves one hoistd after the other, and outlives each of them for a while. */
#include "base/error.h"

/** Serve whoever connects to this listening socket and is our user or root, one at a time. Returns when a goodbye was said, or nobody came in time after the last one
 * was gone; everything is free then. */
void hst_keeper_serve(int listener);
#endif
