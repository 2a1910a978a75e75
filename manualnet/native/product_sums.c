// The sums of x y, or without y of x, over n and p for each m and c of arrays (m, n, c, p), of which m or p is 1, in
// float over a few hundred elements and in double beyond.

enum { BLOCK = 512, PIECE = 1 << 14, ROWS = 64, SOME = 4 };

#define KERNELS(T)                                                                                                     \
    static inline double piece_##T(const T *restrict x, const T *restrict y, long count, const int single) {           \
        double sum = 0.0;                                                                                              \
        for (long from = 0; from < count; from += BLOCK) {                                                             \
            const long end = least(from + BLOCK, count);                                                               \
            float part[2 * VECTOR(T)] = {0};                                                                           \
            long i = from;                                                                                             \
            for (; i + 2 * VECTOR(T) <= end; i += 2 * VECTOR(T))                                                       \
                for (long v = 0; v < 2 * VECTOR(T); v++)                                                               \
                    part[v] += single ? get_##T(x[i + v]) : get_##T(x[i + v]) * get_##T(y[i + v]);                     \
            for (; i < end; i++) part[0] += single ? get_##T(x[i]) : get_##T(x[i]) * get_##T(y[i]);                    \
            for (long v = 0; v < VECTOR(T); v++) part[v] += part[v + VECTOR(T)];                                       \
            sum += total_##T(part);                                                                                    \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    static inline void row_##T(const T *restrict x, const T *restrict y, float *restrict sum, long c,                  \
                               const int single) {                                                                     \
        for (long j = 0; j < c; j++) sum[j] += single ? get_##T(x[j]) : get_##T(x[j]) * get_##T(y[j]);                 \
    }                                                                                                                  \
                                                                                                                       \
    /* Four rows at once: the sums are loaded and stored once for them. */                                             \
    static inline void rows_##T(const T *restrict x, const T *restrict y, float *restrict sum, long c,                 \
                                const int single) {                                                                    \
        for (long j = 0; j < c; j++) {                                                                                 \
            const float first = get_##T(x[j]), second = get_##T(x[c + j]);                                             \
            const float third = get_##T(x[2 * c + j]), fourth = get_##T(x[3 * c + j]);                                 \
            if (single)                                                                                                \
                sum[j] += (first + second) + (third + fourth);                                                         \
            else                                                                                                       \
                sum[j] += (first * get_##T(y[j]) + second * get_##T(y[c + j])) +                                       \
                          (third * get_##T(y[2 * c + j]) + fourth * get_##T(y[3 * c + j]));                            \
        }                                                                                                              \
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
            for (long unit = first, many = 1; unit < last; unit += many)                                               \
                if (p > 1) {                                                                                           \
                    const long row = unit / pieces, from = unit % pieces * PIECE, at = row * p + from;                 \
                    const long count = least(PIECE, p - from);                                                         \
                    total[row % c] += y ? piece_##T(x + at, y + at, count, 0) : piece_##T(x + at, x, count, 1);        \
                } else {                                                                                               \
                    const long at = unit / n * c, place = unit % n;                                                    \
                    const T *const from = x + unit * c;                                                                \
                    many = place % SOME == 0 && least(n - place, last - unit) >= SOME ? SOME : 1;                      \
                    /* Each by itself: a choice within a loop over 16 bits keeps compilers from vectors. */            \
                    if (y && many > 1)                                                                                 \
                        rows_##T(from, y + unit * c, sum + at, c, 0);                                                  \
                    else if (y)                                                                                        \
                        row_##T(from, y + unit * c, sum + at, c, 0);                                                   \
                    else if (many > 1)                                                                                 \
                        rows_##T(from, from, sum + at, c, 1);                                                          \
                    else                                                                                               \
                        row_##T(from, from, sum + at, c, 1);                                                           \
                    if ((place + many) % ROWS == 0 || place + many == n || unit + many == last)                        \
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
