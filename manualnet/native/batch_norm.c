// Batch normalisation, alone or with GELU after it, over rows of channels: (rows, c), each pass reading memory once.
//
// z = (x - mean) scale + bias and y = z or gelu(z). Sums are taken in float over a few rows, and beyond that in
// double: sums[thread][2][c].

enum { FEW = 32 };

typedef struct {
    long rows, c;
} shape;

static inline void flush(float *few, double *sum, long count) {
    for (long i = 0; i < count; i++) sum[i] += few[i];
    memset(few, 0, count * sizeof(float));
}

static inline float none(float z) { return z; }
static inline float none_slope(float z) { return 1.0f; }

#define SUMS(T, ADD)                                                                                     \
    _Pragma("omp parallel num_threads(threads)") {                                                       \
        SHARE(s->rows)                                                                                   \
        double *sum = sums + omp_get_thread_num() * 2 * s->c;                                            \
        float sum1[2 * s->c], *restrict sum2 = sum1 + s->c;                                              \
        memset(sum1, 0, sizeof sum1);                                                                    \
        for (long row = first; row < last; row++) {                                                      \
            const T *restrict at = x + row * s->c;                                                       \
            ADD                                                                                          \
            if ((row - first) % FEW == FEW - 1) flush(sum1, sum, 2 * s->c);                              \
        }                                                                                                \
        flush(sum1, sum, 2 * s->c);                                                                      \
    }

/* The sums of x - shift and of its square. */
#define MOMENTS(T)                                                                                       \
    void moments_##T(const T *x, const float *restrict shift, double *sums, const shape *s, int threads) { \
        SUMS(T, for (long c = 0; c < s->c; c++) {                                                        \
            float centred = get_##T(at[c]) - shift[c];                                                   \
            sum1[c] += centred;                                                                          \
            sum2[c] += centred * centred;                                                                \
        })                                                                                               \
    }

#define KERNELS(T, ACTIVATION)                                                                           \
    void norm_##ACTIVATION##_##T(const T *x, T *y, const float *restrict mean, const float *restrict scale, \
                                 const float *restrict bias, const shape *s, int threads) {              \
        _Pragma("omp parallel num_threads(threads)") {                                                   \
            SHARE(s->rows)                                                                               \
            for (long row = first; row < last; row++) {                                                  \
                const T *restrict from = x + row * s->c;                                                 \
                T *restrict to = y + row * s->c;                                                         \
                for (long c = 0; c < s->c; c++)                                                          \
                    to[c] = put_##T(ACTIVATION((get_##T(from[c]) - mean[c]) * scale[c] + bias[c]));      \
            }                                                                                            \
        }                                                                                                \
    }                                                                                                    \
                                                                                                         \
    /* The sums of dz and of dz (x - mean), where dz = dy times the activation's slope at z. */          \
    void sums_##ACTIVATION##_##T(const T *dy, const T *x, const float *restrict mean,                    \
                                 const float *restrict scale, const float *restrict bias, double *sums,  \
                                 const shape *s, int threads) {                                          \
        SUMS(T, const T *restrict g = dy + row * s->c; for (long c = 0; c < s->c; c++) {                 \
            float centred = get_##T(at[c]) - mean[c];                                                    \
            float dz = get_##T(g[c]) * ACTIVATION##_slope(centred * scale[c] + bias[c]);                 \
            sum1[c] += dz;                                                                               \
            sum2[c] += dz * centred;                                                                     \
        })                                                                                               \
    }                                                                                                    \
                                                                                                         \
    /* dx = (dz - mean_dz) scale + (x - mean) slope + lift. */                                           \
    void back_##ACTIVATION##_##T(const T *dy, const T *x, T *dx, const float *restrict mean,             \
                                 const float *restrict scale, const float *restrict bias,                \
                                 const float *restrict mean_dz, const float *restrict slope,             \
                                 const float *restrict lift, const shape *s, int threads) {              \
        _Pragma("omp parallel num_threads(threads)") {                                                   \
            SHARE(s->rows)                                                                               \
            for (long row = first; row < last; row++) {                                                  \
                const T *restrict g = dy + row * s->c, *restrict at = x + row * s->c;                    \
                T *restrict to = dx + row * s->c;                                                        \
                for (long c = 0; c < s->c; c++) {                                                        \
                    float centred = get_##T(at[c]) - mean[c];                                            \
                    float dz = get_##T(g[c]) * ACTIVATION##_slope(centred * scale[c] + bias[c]);         \
                    to[c] = put_##T((dz - mean_dz[c]) * scale[c] + centred * slope[c] + lift[c]);        \
                }                                                                                        \
            }                                                                                            \
        }                                                                                                \
    }

MOMENTS(float)
MOMENTS(bfloat16)
KERNELS(float, none)
KERNELS(bfloat16, none)
KERNELS(float, gelu)
KERNELS(bfloat16, gelu)
