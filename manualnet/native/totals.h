// Sums that threads share out: each has `size` floats, handed on now and then to as many doubles, so that no digits are
// lost to how many numbers there are.

#include <stdlib.h>

typedef struct {
    double *totals;
    float *sums;
    long size, threads;
} parts;

// Without sums where there is no memory.
static parts parts_of(long size, long threads) {
    parts p = {calloc(threads * size, sizeof(double)), calloc(threads * size, sizeof(float)), size, threads};
    if (p.totals && p.sums) return p;
    free(p.totals);
    free(p.sums);
    p.sums = NULL;
    return p;
}

static inline void hand_on(float *sum, double *total, long size) {
    for (long i = 0; i < size; i++) total[i] += sum[i], sum[i] = 0.0f;
}

// What all threads have, in the first one's place; the rest is given back. The caller frees what is returned.
static double *added(parts p) {
    for (long t = 1; t < p.threads; t++)
        for (long i = 0; i < p.size; i++) p.totals[i] += p.totals[t * p.size + i];
    free(p.sums);
    return p.totals;
}
