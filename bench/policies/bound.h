#ifndef BENCH_BOUND_H
#define BENCH_BOUND_H
/** @file
 * What no cache can do better than, whatever it knows: PFOO-L of Berger, Beckmann and Harchol-Balter, "Practical Bounds on Optimal Caching with
 * Variable Object Sizes", SIGMETRICS 2018, with costs. */
#include <stddef.h>

/** From one request of an object to its next: whoever holds it that long need not load it again. */
struct bound_interval {
    double bytes; /**< of the object */
    double span;  /**< how long, in any measure of time; not below 0 */
    double cost;  /**< what a load costs */
};

/** @return the most cost that a cache of `capacity` bytes can save over `span`; sorts the intervals. The cache may hold parts of an object, and more
 * than it has room for at one moment if it holds less at another: real ones save less. */
double bound_saved(struct bound_interval *intervals, size_t count, double capacity, double span);
#endif
