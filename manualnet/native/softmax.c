// The gradients of softmax and of its logarithm over the c of arrays (n, c, p), from what they gave: with a cotangent
// g, p (g - sum g p) and g - e^y sum g. Sums are taken in float over a few hundred elements, and in double beyond.

enum { BLOCK = 512 };

static inline float softmax_term(float g, float p) { return g * p; }
static inline float softmax_slope(float g, float p, float sum) { return p * (g - sum); }
static inline float log_softmax_term(float g, float y) { return (void)y, g; }
static inline float log_softmax_slope(float g, float y, float sum) { return g - exp_below(y) * sum; }

#define KERNELS(T, NAME)                                                                                               \
    static void NAME##_row_##T(const T *restrict g, const T *restrict y, T *restrict dx, long c) {                     \
        double sum = 0.0;                                                                                              \
        for (long from = 0; from < c; from += BLOCK) {                                                                 \
            float part[VECTOR(T)] = {0};                                                                               \
            for (long b = from; b < least(from + BLOCK, c); b += VECTOR(T)) {                                          \
                const long at = least(b, c - VECTOR(T));                                                               \
                const int seen = (int)(b - at);                                                                        \
                _Pragma("omp simd") for (int v = 0; v < VECTOR(T); v++) {                                              \
                    const float term = NAME##_term(get_##T(g[at + v]), get_##T(y[at + v]));                            \
                    part[v] += v < seen ? 0.0f : term;                                                                 \
                }                                                                                                      \
            }                                                                                                          \
            sum += total_##T(part);                                                                                    \
        }                                                                                                              \
        const float total = (float)sum;                                                                                \
        for (long b = 0; b < c; b += VECTOR(T)) {                                                                      \
            const long at = least(b, c - VECTOR(T));                                                                   \
            for (long j = at; j < at + VECTOR(T); j++)                                                                 \
                dx[j] = put_##T(NAME##_slope(get_##T(g[j]), get_##T(y[j]), total));                                    \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Places side by side, whose elements lie `p` apart. */                                                           \
    static void NAME##_places_##T(const T *restrict g, const T *restrict y, T *restrict dx, long count, long c,        \
                                  long p) {                                                                            \
        double sum[PLACES] = {0};                                                                                      \
        float total[PLACES];                                                                                           \
        for (long from = 0; from < c; from += BLOCK) {                                                                 \
            float part[PLACES] = {0};                                                                                  \
            for (long j = from; j < least(from + BLOCK, c); j++)                                                       \
                for (long b = 0; b < count; b++) part[b] += NAME##_term(get_##T(g[j * p + b]), get_##T(y[j * p + b])); \
            for (long b = 0; b < count; b++) sum[b] += part[b];                                                        \
        }                                                                                                              \
        for (long b = 0; b < count; b++) total[b] = (float)sum[b];                                                     \
        for (long j = 0; j < c; j++)                                                                                   \
            for (long b = 0; b < count; b++)                                                                           \
                dx[j * p + b] = put_##T(NAME##_slope(get_##T(g[j * p + b]), get_##T(y[j * p + b]), total[b]));         \
    }                                                                                                                  \
                                                                                                                       \
    void NAME##_backward_##T(const T *g, const T *y, T *dx, long n, long c, long p, long threads) {                    \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            const int turned = p == 1 && c < VECTOR(T);                                                                \
            const long places = turned ? n : p, many = places > 1 ? PLACES : 1, blocks = (places + many - 1) / many;   \
            T own_g[VECTOR(T) * PLACES], own_y[VECTOR(T) * PLACES], own_dx[VECTOR(T) * PLACES];                        \
            SHARE((turned ? 1 : n) * blocks)                                                                           \
            for (long block = first; block < last; block++) {                                                          \
                const long from = block % blocks * many, count = least(many, places - from);                           \
                const long at = turned ? from * c : block / blocks * c * p + from;                                     \
                if (turned) {                                                                                          \
                    turn_##T(g + at, own_g, count, c, c);                                                              \
                    turn_##T(y + at, own_y, count, c, c);                                                              \
                    NAME##_places_##T(own_g, own_y, own_dx, count, c, PLACES);                                         \
                    turn_back_##T(own_dx, dx + at, count, c);                                                          \
                } else if (p > 1)                                                                                      \
                    NAME##_places_##T(g + at, y + at, dx + at, count, c, p);                                           \
                else                                                                                                   \
                    NAME##_row_##T(g + at, y + at, dx + at, c);                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

KERNELS(float, softmax)
KERNELS(bfloat16, softmax)
KERNELS(float, log_softmax)
KERNELS(bfloat16, log_softmax)
