// The gradient of cross-entropy for scores (n, c) with a class index y a row, summed or averaged over the rows that are
// not ignored: (p - q) g with p the softmax of a row and q = (1 - e) [c = y] + e / c. An ignored row has 0.
// The gradient of the negative log-likelihood is -g at y, and 0 elsewhere.

#include <stdlib.h>

#define KERNELS(T)                                                                                                     \
    void cross_entropy_backward_##T(const T *x, const int64_t *y, T *dx, const float *grad_out, long n, long c,        \
                                    long ignored, double smoothing, long mean, long threads) {                         \
        long kept = 0;                                                                                                 \
        for (long i = 0; i < n; i++) kept += y[i] != ignored;                                                          \
        float g = mean ? *grad_out / kept : *grad_out;                                                                 \
        float even = (float)(smoothing / c), right = (float)(1.0 - smoothing);                                         \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(n)                                                                                                   \
            float *p = malloc(c * sizeof(float));                                                                      \
            for (long i = first; i < last; i++) {                                                                      \
                const T *row = x + i * c;                                                                              \
                T *to = dx + i * c;                                                                                    \
                if (y[i] == ignored) {                                                                                 \
                    memset(to, 0, c * sizeof(T));                                                                      \
                    continue;                                                                                          \
                }                                                                                                      \
                float most = get_##T(row[0]), sum = 0.0f;                                                              \
                for (long j = 1; j < c; j++) most = fmaxf(most, get_##T(row[j]));                                      \
                for (long j = 0; j < c; j++) p[j] = exp_below(get_##T(row[j]) - most);                                 \
                for (long j = 0; j < c; j++) sum += p[j];                                                              \
                for (long j = 0; j < c; j++) to[j] = put_##T((p[j] / sum - even - (j == y[i] ? right : 0.0f)) * g);    \
            }                                                                                                          \
            free(p);                                                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* g is one number, or with `step` 1 one a row. A few rows are cleared at a time: they stay in the cache. */       \
    void nll_backward_##T(const int64_t *y, T *dx, const float *grad_out, long step, long n, long c, long ignored,     \
                          long mean, long threads) {                                                                   \
        long kept = 0;                                                                                                 \
        for (long i = 0; mean && i < n; i++) kept += y[i] != ignored;                                                  \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(n)                                                                                                   \
            for (long from = first; from < last; from += 64) {                                                         \
                long end = from + 64 < last ? from + 64 : last;                                                        \
                memset(dx + from * c, 0, (end - from) * c * sizeof(T));                                                \
                for (long i = from; i < end; i++)                                                                      \
                    if (y[i] != ignored) dx[i * c + y[i]] = put_##T(-grad_out[i * step] / (mean ? kept : 1));          \
            }                                                                                                          \
        }                                                                                                              \
    }

KERNELS(float)
KERNELS(bfloat16)
