// The gradients of PReLU with a slope a for each c of arrays (n, c, p): dx = g where x > 0, else a g, and da the sum of
// x g where x is not > 0. Sums are taken in float over a few hundred elements, and in double beyond.

enum { BLOCK = 512, ROWS = 64 };

#define KERNELS(T)                                                                                                     \
    static double plane_##T(const T *restrict g, const T *restrict x, T *restrict dx, float a, long count) {           \
        double sum = 0.0;                                                                                              \
        for (long from = 0; from < count; from += BLOCK) {                                                             \
            float part = 0.0f;                                                                                         \
            _Pragma("omp simd reduction(+ : part)") for (long i = from; i < least(from + BLOCK, count); i++) {         \
                const float gi = get_##T(g[i]), xi = get_##T(x[i]);                                                    \
                part += xi > 0.0f ? 0.0f : xi * gi;                                                                    \
                dx[i] = put_##T(xi > 0.0f ? gi : a * gi);                                                              \
            }                                                                                                          \
            sum += part;                                                                                               \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    static void row_##T(const T *restrict g, const T *restrict x, T *restrict dx, const float *restrict a,             \
                        float *restrict sum, long c) {                                                                 \
        for (long j = 0; j < c; j++) {                                                                                 \
            const float gj = get_##T(g[j]), xj = get_##T(x[j]);                                                        \
            sum[j] += xj > 0.0f ? 0.0f : xj * gj;                                                                      \
            dx[j] = put_##T(xj > 0.0f ? gj : a[j] * gj);                                                               \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Ends with 1 if there is no memory. */                                                                           \
    int prelu_backward_##T(const T *g, const T *x, const float *a, T *dx, float *da, long n, long c, long p,           \
                           long threads) {                                                                             \
        const parts all = parts_of(c, threads);                                                                        \
        if (!all.sums) return 1;                                                                                       \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            double *total = all.totals + omp_get_thread_num() * c;                                                     \
            float *sum = all.sums + omp_get_thread_num() * c;                                                          \
            SHARE(p > 1 ? n * c : n)                                                                                   \
            for (long row = first; row < last; row++)                                                                  \
                if (p > 1)                                                                                             \
                    total[row % c] += plane_##T(g + row * p, x + row * p, dx + row * p, a[row % c], p);                \
                else {                                                                                                 \
                    row_##T(g + row * c, x + row * c, dx + row * c, a, sum, c);                                        \
                    if ((row - first) % ROWS == ROWS - 1 || row == last - 1)                                           \
                        hand_on(sum, total, c);                                                                        \
                }                                                                                                      \
        }                                                                                                              \
        double *total = added(all);                                                                                    \
        for (long j = 0; j < c; j++) da[j] = (float)total[j];                                                          \
        free(total);                                                                                                   \
        return 0;                                                                                                      \
    }

KERNELS(float)
KERNELS(bfloat16)
