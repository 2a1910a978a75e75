// Scores (n, c, p) and their exponentials: of rows in whole vectors, and of places side by side.

#include <stdlib.h>

enum { BLOCK = 512 };

// Scores to a vector: those of half precision fill it only as many as they are in memory.
#define VECTOR(T) (64 / (long)sizeof(T))
#define WHOLE(T, c) (((c) + VECTOR(T) - 1) / VECTOR(T) * VECTOR(T))

static inline float weight_of(const float *weight, long c) { return weight ? weight[c] : 1.0f; }

#define SCORES(T)                                                                                                      \
    /* p = e^(x - most) of a row, and their sum. Whole vectors are read and written. */                                \
    static double exps_##T(const T *restrict x, float *restrict p, float *largest, long c) {                           \
        const long vector = VECTOR(T), padded = WHOLE(T, c);                                                           \
        float most = -INFINITY;                                                                                        \
        double sum = 0.0;                                                                                              \
        for (long b = 0; b < padded; b += vector) {                                                                    \
            const int left = (int)least(c - b, vector);                                                                \
            _Pragma("omp simd") for (int v = 0; v < vector; v++) {                                                     \
                const float score = get_##T(x[b + v]);                                                                 \
                p[b + v] = v < left ? score : -INFINITY;                                                               \
            }                                                                                                          \
        }                                                                                                              \
        _Pragma("omp simd reduction(max : most)") for (long j = 0; j < padded; j++)                                    \
            most = p[j] > most ? p[j] : most;                                                                          \
        for (long b = 0; b < padded; b += vector)                                                                      \
            for (long j = b; j < b + vector; j++) p[j] = exp_below(p[j] - most);                                       \
        for (long b = 0; b < padded; b += BLOCK) {                                                                     \
            const long end = least(b + BLOCK, padded);                                                                 \
            float part = 0.0f;                                                                                         \
            _Pragma("omp simd reduction(+ : part)") for (long j = b; j < end; j++) part += p[j];                       \
            sum += part;                                                                                               \
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
