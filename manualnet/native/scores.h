// Scores (n, c, p) and their exponentials: of rows in whole vectors, and of places side by side.

#include <stdlib.h>

// Classes up to which rows are turned: the sum of a vector takes as long as some vectors of terms.
enum { BLOCK = 512, FEW = 32 };

// The elements of the vectors that a row takes.
#define WHOLE(T, c) (((c) + VECTOR(T) - 1) / VECTOR(T) * VECTOR(T))

#define SCORES(T)                                                                                                      \
    /* p = e^(x - most) of a row, vector by vector, and their sum; 0 where the last vector has elements once more. */  \
    static double exps_##T(const T *restrict x, float *restrict p, float *largest, long c) {                           \
        const long padded = WHOLE(T, c);                                                                               \
        float most = -INFINITY;                                                                                        \
        double sum = 0.0;                                                                                              \
        for (long b = 0; b < padded; b += VECTOR(T)) {                                                                 \
            const long at = least(b, c - VECTOR(T));                                                                   \
            const int seen = (int)(b - at);                                                                            \
            _Pragma("omp simd") for (int v = 0; v < VECTOR(T); v++) {                                                  \
                const float score = get_##T(x[at + v]);                                                                \
                p[b + v] = v < seen ? -INFINITY : score;                                                               \
            }                                                                                                          \
        }                                                                                                              \
        _Pragma("omp simd reduction(max : most)") for (long j = 0; j < padded; j++)                                    \
            most = p[j] > most ? p[j] : most;                                                                          \
        for (long b = 0; b < padded; b += VECTOR(T))                                                                   \
            for (long j = b; j < b + VECTOR(T); j++) p[j] = exp_below(p[j] - most);                                    \
        for (long from = 0; from < padded; from += BLOCK) {                                                            \
            float part[VECTOR(T)] = {0};                                                                               \
            for (long b = from; b < least(from + BLOCK, padded); b += VECTOR(T))                                       \
                for (long v = 0; v < VECTOR(T); v++) part[v] += p[b + v];                                              \
            sum += total_##T(part);                                                                                    \
        }                                                                                                              \
        *largest = most;                                                                                               \
        return sum;                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    /* The largest score of each of `count` places, and the sum of e^(x - most). */                                    \
    static void sums_##T(const T *restrict x, float *restrict most, float *restrict sum, long count, long c, long p) { \
        for (long b = 0; b < count; b++) most[b] = get_##T(x[b]), sum[b] = 0.0f;                                       \
        for (long j = 1; j < c; j++)                                                                                   \
            for (long b = 0; b < count; b++) {                                                                         \
                float v = get_##T(x[j * p + b]);                                                                       \
                most[b] = v > most[b] ? v : most[b];                                                                   \
            }                                                                                                          \
        for (long j = 0; j < c; j++)                                                                                   \
            for (long b = 0; b < count; b++) sum[b] += exp_below(get_##T(x[j * p + b]) - most[b]);                     \
    }

SCORES(float)
SCORES(bfloat16)
