/* Only the product of bytes and time is bounded, so the intervals that save most for it are taken, the last one in part. */
#include "policies/bound.h"

#include <math.h>
#include <stdlib.h>

static int by_worth(const void *a, const void *b)
{
    const struct bound_interval *x = a, *y = b;
    double left = x->cost * y->bytes * y->span, right = y->cost * x->bytes * x->span;
    return (left < right) - (left > right);
}

double bound_saved(struct bound_interval *intervals, size_t count, double capacity, double span)
{
    double room = capacity * span, saved = 0;
    qsort(intervals, count, sizeof intervals[0], by_worth);
    for (size_t i = 0; i < count && room >= 0; i++) {
        double takes = intervals[i].bytes * intervals[i].span;
        saved += takes > room ? intervals[i].cost * room / takes : intervals[i].cost;
        room -= takes;
    }
    return saved;
}
