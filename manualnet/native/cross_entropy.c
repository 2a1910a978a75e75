// Cross-entropy and the negative log-likelihood, and their gradients, for scores (n, c, p) with a class index y
// (n, p), in sum, in mean over the weights of the targets that are not ignored, or for each target.
//
// Cross-entropy: sum(q (log sum e^x - x)) with q = w ((1 - e) [c = y] + e / c), and (p sum(q) - q) g with p the softmax
// over the classes. The likelihood: -w g at y, and 0 elsewhere. An ignored target has 0. No weights stand for ones.

typedef struct {
    long n, c, p;
    long apart; // from a picture's scores to the next's
    long ignored, mean;
    long step; // from a target's cotangent to the next, 0 or 1
    double smoothing;
} shape;

static inline float weight_of(const float *weight, long c) { return weight ? weight[c] : 1.0f; }

static double sum_of(const float *weight, long c) {
    double sum = 0.0;
    for (long j = 0; j < c; j++) sum += weight_of(weight, j);
    return sum;
}

// What a mean divides by.
static double divisor(const int64_t *y, const float *weight, const shape *s, long threads) {
    const long count = s->n * s->p;
    if (!s->mean) return 1.0;
    if (!weight) {
        long kept = 0;
#pragma omp parallel for simd num_threads(threads) if (parallel : threads > 1) reduction(+ : kept)
        for (long i = 0; i < count; i++) kept += y[i] != s->ignored;
        return kept;
    }
    double total = 0.0;
    for (long i = 0; i < count; i++)
        if (y[i] != s->ignored) total += weight[y[i]];
    return total;
}

#define KERNELS(T)                                                                                                     \
    /* The sum of w (most - x) of a row, and of each of `count` places. */                                             \
    static double lack_of_row_##T(const T *restrict x, const float *weight, float most, long c) {                      \
        double sum = 0.0;                                                                                              \
        for (long b = 0; b < c; b += BLOCK) {                                                                          \
            const long end = least(b + BLOCK, c);                                                                      \
            float part = 0.0f;                                                                                         \
            _Pragma("omp simd reduction(+ : part)") for (long j = b; j < end; j++)                                     \
                part += weight_of(weight, j) * (most - get_##T(x[j]));                                                 \
            sum += part;                                                                                               \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    static void lacks_##T(const T *restrict x, const float *weight, const float *restrict most, double *restrict lack, \
                          long count, long c, long p) {                                                                \
        for (long b = 0; b < count; b++) lack[b] = 0.0;                                                                \
        for (long from = 0; from < c; from += BLOCK) {                                                                 \
            float part[PLACES] = {0};                                                                                  \
            for (long j = from; j < c && j < from + BLOCK; j++)                                                        \
                for (long b = 0; b < count; b++) part[b] += weight_of(weight, j) * (most[b] - get_##T(x[j * p + b]));  \
            for (long b = 0; b < count; b++) lack[b] += part[b];                                                       \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* The loss of each target, or in `out` alone their sum or mean. Ends with 1 if there is no such class. */         \
    int cross_entropy_##T(const T *x, const int64_t *y, float *out, const float *weight, const shape *s,               \
                          long threads) {                                                                              \
        for (long i = 0; i < s->n * s->p; i++)                                                                         \
            if (y[i] != s->ignored && (y[i] < 0 || y[i] >= s->c)) return 1;                                            \
        const double even = s->smoothing / s->c, right = 1.0 - s->smoothing, weights = sum_of(weight, s->c);           \
        double all = 0.0;                                                                                              \
        _Pragma("omp parallel num_threads(threads) if(threads > 1) reduction(+ : all)") {                              \
            const int turned = s->p == 1 && s->c <= FEW;                                                               \
            const long n = turned ? 1 : s->n, p = turned ? s->n : s->p;                                                \
            const long many = p > 1 ? PLACES : 1, blocks = (p + many - 1) / many;                                      \
            float *row = malloc(WHOLE(T, s->c) * sizeof(float));                                                       \
            T own[FEW * PLACES];                                                                                       \
            SHARE(n * blocks)                                                                                          \
            for (long block = first; block < last; block++) {                                                          \
                const long i = block / blocks, from = block % blocks * many;                                           \
                const long count = least(many, p - from);                                                              \
                const T *scores = x + (turned ? from * s->apart : i * s->apart + from);                                \
                const long between = turned ? PLACES : p;                                                              \
                float most[PLACES], sum[PLACES];                                                                       \
                double lack[PLACES];                                                                                   \
                if (turned) {                                                                                          \
                    turn_##T(scores, own, count, s->c, s->apart);                                                      \
                    scores = own;                                                                                      \
                }                                                                                                      \
                if (p > 1) {                                                                                           \
                    sums_##T(scores, most, sum, count, s->c, between);                                                 \
                    if (even > 0.0) lacks_##T(scores, weight, most, lack, count, s->c, between);                       \
                } else {                                                                                               \
                                                                                                                       \
                    sum[0] = (float)exps_##T(scores, row, most, s->c);                                                 \
                    if (even > 0.0) lack[0] = lack_of_row_##T(scores, weight, most[0], s->c);                          \
                }                                                                                                      \
                for (long b = 0; b < count; b++) {                                                                     \
                    const long place = i * p + from + b, class = y[place];                                             \
                    double loss = 0.0;                                                                                 \
                    if (class != s->ignored) {                                                                         \
                        const double rest = log(sum[b]), own_lack = most[b] - get_##T(scores[class * between + b]);    \
                        loss = right * weight_of(weight, class) * (own_lack + rest);                                   \
                        if (even > 0.0) loss += even * (lack[b] + weights * rest);                                     \
                    }                                                                                                  \
                    if (s->step)                                                                                       \
                        out[place] = (float)loss;                                                                      \
                    else                                                                                               \
                        all += loss;                                                                                   \
                }                                                                                                      \
            }                                                                                                          \
            free(row);                                                                                                 \
        }                                                                                                              \
        if (!s->step) *out = (float)(all / divisor(y, weight, s, threads));                                            \
        return 0;                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    static void row_##T(const T *restrict x, T *restrict dx, float *restrict p, const float *weight, long y, float all,\
                        float even, float right, float g, long c) {                                                    \
        float most;                                                                                                    \
        const double sum = exps_##T(x, p, &most, c);                                                                   \
        const float times = (float)(all / sum), w = weight_of(weight, y);                                              \
        /* The last vector first: what it has once more is written by another. */                                      \
        for (long b = WHOLE(T, c) - VECTOR(T); b >= 0; b -= VECTOR(T)) {                                               \
            const long at = least(b, c - VECTOR(T));                                                                   \
            _Pragma("omp simd") for (long v = 0; v < VECTOR(T); v++)                                                   \
                dx[at + v] = put_##T((p[b + v] * times - even * weight_of(weight, at + v)) * g);                       \
        }                                                                                                              \
        const float of_y = p[y < c / VECTOR(T) * VECTOR(T) ? y : y + WHOLE(T, c) - c];                                 \
        dx[y] = put_##T((of_y * times - even * w - right * w) * g);                                                    \
    }                                                                                                                  \
                                                                                                                       \
    /* Places of a picture, whose scores lie `p` apart. */                                                             \
    static void places_##T(const T *restrict x, T *restrict dx, const float *weight, const int32_t *restrict y,        \
                           const float *restrict all, const float *restrict g, float even, float right, long count,    \
                           long c, long p) {                                                                           \
        float most[PLACES], sum[PLACES];                                                                               \
        sums_##T(x, most, sum, count, c, p);                                                                           \
        for (long b = 0; b < count; b++) sum[b] = all[b] / sum[b];                                                     \
        for (long j = 0; j < c; j++) {                                                                                 \
            const float w = weight_of(weight, j);                                                                      \
            for (long b = 0; b < count; b++) {                                                                         \
                float share = exp_below(get_##T(x[j * p + b]) - most[b]) * sum[b];                                     \
                float d = (share - even * w - (j == y[b] ? right * w : 0.0f)) * g[b];                                  \
                /* Chosen, not multiplied by 0: an ignored target's scores may be infinite. */                         \
                dx[j * p + b] = put_##T(y[b] < 0 ? 0.0f : d);                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    void cross_entropy_backward_##T(const T *x, const int64_t *y, T *dx, const float *grad_out, const float *weight,   \
                                    const shape *s, long threads) {                                                    \
        const double total = divisor(y, weight, s, threads);                                                           \
        const float even = (float)(s->smoothing / s->c), right = (float)(1.0 - s->smoothing);                          \
        const double weights = sum_of(weight, s->c);                                                                   \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            const int turned = s->p == 1 && s->c <= FEW;                                                               \
            const long n = turned ? 1 : s->n, p = turned ? s->n : s->p;                                                \
            const long many = p > 1 ? PLACES : 1, blocks = (p + many - 1) / many;                                      \
            float *row = malloc(WHOLE(T, s->c) * sizeof(float));                                                       \
            T own[FEW * PLACES], result[FEW * PLACES];                                                                 \
            SHARE(n * blocks)                                                                                          \
            for (long block = first; block < last; block++) {                                                          \
                const long i = block / blocks, from = block % blocks * many;                                           \
                const long count = least(many, p - from);                                                              \
                const T *scores = x + (turned ? from * s->apart : i * s->apart + from);                                \
                const long at = turned ? from * s->c : i * s->c * p + from;                                            \
                float all[PLACES], g[PLACES];                                                                          \
                int32_t target[PLACES]; /* below 0 if ignored */                                                       \
                for (long b = 0; b < count; b++) {                                                                     \
                    const long place = i * p + from + b, kept = y[place] != s->ignored;                                \
                    const double own = kept ? (1.0 - s->smoothing) * weight_of(weight, y[place]) : 0.0;                \
                    target[b] = kept ? (int32_t)y[place] : -1;                                                         \
                    all[b] = (float)(own + s->smoothing / s->c * weights);                                             \
                    g[b] = (float)(grad_out[place * s->step] / total);                                                 \
                }                                                                                                      \
                if (turned) {                                                                                          \
                    turn_##T(scores, own, count, s->c, s->apart);                                                      \
                    places_##T(own, result, weight, target, all, g, even, right, count, s->c, PLACES);                 \
                    turn_back_##T(result, dx + at, count, s->c);                                                       \
                } else if (p > 1)                                                                                      \
                    places_##T(scores, dx + at, weight, target, all, g, even, right, count, s->c, p);                  \
                else if (target[0] < 0)                                                                                \
                    memset(dx + at, 0, s->c * sizeof(T));                                                              \
                else                                                                                                   \
                    row_##T(scores, dx + at, row, weight, target[0], all[0], even, right, g[0], s->c);                 \
            }                                                                                                          \
            free(row);                                                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* -w x of each target, or in `out` alone their sum or mean. Ends with 1 if there is no such class. */             \
    int nll_##T(const T *x, const int64_t *y, float *out, const float *weight, const shape *s, long threads) {         \
        double all = 0.0;                                                                                              \
        int wrong = 0;                                                                                                 \
        _Pragma("omp parallel num_threads(threads) if(threads > 1) reduction(+ : all) reduction(| : wrong)") {         \
            SHARE(s->n * s->p)                                                                                         \
            for (long i = first; i < last; i++) {                                                                      \
                const long class = y[i], kept = class != s->ignored;                                                   \
                const int there = class >= 0 && class < s->c;                                                          \
                const long row = s->p == 1 ? i * s->apart : i / s->p * s->apart + i % s->p;                            \
                const float loss = kept && there ? -weight_of(weight, class) * get_##T(x[row + class * s->p]) : 0.0f;  \
                wrong |= kept && !there;                                                                               \
                if (s->step)                                                                                           \
                    out[i] = loss;                                                                                     \
                else                                                                                                   \
                    all += loss;                                                                                       \
            }                                                                                                          \
        }                                                                                                              \
        if (!s->step && !wrong) *out = (float)(all / divisor(y, weight, s, threads));                                  \
        return wrong;                                                                                                  \
    }                                                                                                                  \
                                                                                                                       \
    /* A few rows are cleared at a time: they stay in the cache. */                                                    \
    void nll_backward_##T(const int64_t *y, T *dx, const float *grad_out, const float *weight, const shape *s,         \
                          long threads) {                                                                              \
        const double total = divisor(y, weight, s, threads);                                                           \
        const float shared = (float)(*grad_out / total);                                                               \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n)                                                                                                \
            const long few = s->p > 1 ? 1 : 64;                                                                        \
            for (long from = first; from < last; from += few) {                                                        \
                const long end = least(from + few, last);                                                              \
                memset(dx + from * s->c * s->p, 0, (end - from) * s->c * s->p * sizeof(T));                            \
                for (long i = from * s->p; i < end * s->p; i++)                                                        \
                    if (y[i] != s->ignored) {                                                                          \
                        const float g = s->step ? (float)(grad_out[i] / total) : shared;                               \
                        const long row = s->p == 1 ? i * s->c : i / s->p * s->c * s->p + i % s->p;                     \
                        dx[row + y[i] * s->p] = put_##T(-weight_of(weight, y[i]) * g);                                 \
                    }                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    }

KERNELS(float)
KERNELS(bfloat16)
