// The sums of x y, or without y of x, over n and p for each m and c of arrays (m, n, c, p), of which m or p is 1, in
// float over a few hundred elements and in double beyond.

enum { BLOCK = 512, PIECE = 1 << 14, ROWS = 64 };

#define KERNELS(T)                                                                                                     \
    static double piece_##T(const T *restrict x, const T *restrict y, long count) {                                    \
        double sum = 0.0;                                                                                              \
        for (long from = 0; from < count; from += BLOCK) {                                                             \
            float part = 0.0f;                                                                                         \
            _Pragma("omp simd reduction(+ : part)") for (long i = from; i < least(from + BLOCK, count); i++)           \
                part += get_##T(x[i]) * (y ? get_##T(y[i]) : 1.0f);                                                    \
            sum += part;                                                                                               \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    static void row_##T(const T *restrict x, const T *restrict y, float *restrict sum, long c) {                       \
        for (long j = 0; j < c; j++) sum[j] += get_##T(x[j]) * (y ? get_##T(y[j]) : 1.0f);                             \
    }                                                                                                                  \
                                                                                                                       \
    /* Ends with 1 if there is no memory. */                                                                           \
    int product_sums_##T(const T *x, const T *y, float *out, long m, long n, long c, long p, long threads) {           \
        const long kept = m * c;                                                                                       \
        const parts all = parts_of(kept, threads);                                                                     \
        if (!all.sums) return 1;                                                                                       \
        const long pieces = (p + PIECE - 1) / PIECE;                                                                   \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            double *total = all.totals + omp_get_thread_num() * kept;                                                  \
            float *sum = all.sums + omp_get_thread_num() * kept;                                                       \
            SHARE(p > 1 ? n * c * pieces : m * n)                                                                      \
            for (long unit = first; unit < last; unit++)                                                               \
                if (p > 1) {                                                                                           \
                    const long row = unit / pieces, from = unit % pieces * PIECE, at = row * p + from;                 \
                    total[row % c] += piece_##T(x + at, y ? y + at : y, least(PIECE, p - from));                       \
                } else {                                                                                               \
                    const long at = unit / n * c, place = unit % n;                                                    \
                    row_##T(x + unit * c, y ? y + unit * c : y, sum + at, c);                                          \
                    if (place % ROWS == ROWS - 1 || place == n - 1 || unit == last - 1)                                \
                        hand_on(sum + at, total + at, c);                                                              \
                }                                                                                                      \
        }                                                                                                              \
        double *total = added(all);                                                                                    \
        for (long j = 0; j < kept; j++) out[j] = (float)total[j];                                                      \
        free(total);                                                                                                   \
        return 0;                                                                                                      \
    }

KERNELS(float)
KERNELS(bfloat16)
