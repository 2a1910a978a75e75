// What depends on all of a row: hinge and triplet losses, rows (n, c) in memory.
//
// A row's sums are taken in float over a few hundred elements, and in double beyond.

enum { BLOCK = 512 };

#define ROWS                                                                                                           \
    _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                     \
        SHARE(n)                                                                                                       \
        for (long i = first; i < last; i++) {
#define END_OF_ROWS                                                                                                    \
    }                                                                                                                  \
    }

// The sum of TERM over the elements j of a row.
#define SUM(TERM)                                                                                                      \
    double sum = 0;                                                                                                    \
    for (long b = 0; b < c; b += BLOCK) {                                                                              \
        long end = b + BLOCK < c ? b + BLOCK : c;                                                                      \
        float part = 0;                                                                                                \
        _Pragma("omp simd reduction(+ : part)")                                                                        \
        for (long j = b; j < end; j++) part += TERM;                                                                   \
        sum += part;                                                                                                   \
    }

// min and max would lose a NaN, which is not <= 0.
static inline float positive_part(float x) { return x <= 0.0f ? 0.0f : x; }

#define KERNELS(T)                                                                                                     \
    /* sum over j != y of max(0, x_j - x_y + margin) */                                                                \
    void hinge_##T(const T *scores, const int64_t *y, float *losses, double lead, long n, long c, long threads) {      \
        float margin = (float)lead;                                                                                    \
        ROWS                                                                                                           \
            const T *restrict x = scores + i * c;                                                                      \
            float right = get_##T(x[y[i]]);                                                                            \
            SUM((j == y[i] ? 0.0f : positive_part(get_##T(x[j]) - right + margin)))                                    \
            losses[i] = (float)sum;                                                                                    \
        END_OF_ROWS                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    /* Each violation times the cotangent of its row, which lies `step` beyond that of the row before. */              \
    void hinge_backward_##T(const T *scores, const int64_t *y, const float *each, T *grad_x, double lead, long n,      \
                            long c, long step, long threads) {                                                         \
        float margin = (float)lead;                                                                                    \
        ROWS                                                                                                           \
            const T *restrict x = scores + i * c;                                                                      \
            T *restrict dx = grad_x + i * c;                                                                           \
            float right = get_##T(x[y[i]]), g = each[i * step];                                                        \
            T up = put_##T(g), level = put_##T(0.0f * g);                                                              \
            /* Counted without the right class, which would violate its own margin. */                                 \
            int violated = -!(right - right + margin <= 0.0f);                                                         \
            for (long j = 0; j < c; j++) {                                                                             \
                int met = get_##T(x[j]) - right + margin <= 0.0f;                                                      \
                violated += !met;                                                                                      \
                dx[j] = met ? level : up;                                                                              \
            }                                                                                                          \
            dx[y[i]] = put_##T(-(float)violated * g);                                                                  \
        END_OF_ROWS                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    /* |a - p|^2 - |a - n|^2 + margin, where that is positive */                                                       \
    static inline float bracket_##T(const T *a, const T *p, const T *q, float margin, long c) {                        \
        double near = 0, far = 0; /* their difference may be far smaller */                                            \
        { SUM((get_##T(a[j]) - get_##T(p[j])) * (get_##T(a[j]) - get_##T(p[j]))) near = sum; }                         \
        { SUM((get_##T(a[j]) - get_##T(q[j])) * (get_##T(a[j]) - get_##T(q[j]))) far = sum; }                          \
        return positive_part((float)(near - far + margin));                                                            \
    }                                                                                                                  \
                                                                                                                       \
    static inline void times_difference_##T(float factor, const T *u, const T *v, T *restrict to, long c) {            \
        for (long j = 0; j < c; j++) to[j] = put_##T(factor * (get_##T(u[j]) - get_##T(v[j])));                        \
    }                                                                                                                  \
                                                                                                                       \
    /* max(0, |a - p|^2 - |a - n|^2 + margin) */                                                                       \
    void triplet_##T(const T *anchor, const T *positive, const T *negative, float *losses, double margin, long n,      \
                     long c, long threads) {                                                                           \
        ROWS                                                                                                           \
            losses[i] = bracket_##T(anchor + i * c, positive + i * c, negative + i * c, (float)margin, c);             \
        END_OF_ROWS                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    /* 2 (n - p), 2 (p - a) and 2 (a - n), each unless null, times the cotangent of the row where its bracket is */    \
    /* positive; that lies `step` beyond the one of the row before. */                                                 \
    void triplet_backward_##T(const T *anchor, const T *positive, const T *negative, const float *each, T *da, T *dp,  \
                              T *dn, double margin, long n, long c, long step, long threads) {                         \
        ROWS                                                                                                           \
            const long at = i * c;                                                                                     \
            const T *a = anchor + at, *p = positive + at, *q = negative + at;                                          \
            const int met = bracket_##T(a, p, q, (float)margin, c) == 0.0f;                                            \
            const float factor = 2.0f * each[i * step] * (met ? 0.0f : 1.0f);                                          \
            if (da) times_difference_##T(factor, q, p, da + at, c);                                                    \
            if (dp) times_difference_##T(factor, p, a, dp + at, c);                                                    \
            if (dn) times_difference_##T(factor, a, q, dn + at, c);                                                    \
        END_OF_ROWS                                                                                                    \
    }

KERNELS(float)
KERNELS(bfloat16)
