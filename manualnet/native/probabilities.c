// Cross-entropy of scores x (n, c, p) with probabilities t as target, of the same shape, in sum, in mean or for each
// place, and its gradient: sum(q (log sum e^x - x)) and (p sum(q) - q) g, with q = w ((1 - e) t + e / c) and p the
// softmax over the classes.

typedef struct {
    long n, c, p, step; // step: from a place's cotangent to the next, 0 or 1
    double smoothing, divisor;
} shape;

typedef struct {
    float right, even;
} smoothed;

static inline float share_of(float t, float weight, smoothed s) { return weight * (s.right * t + s.even); }

#define KERNELS(T)                                                                                                     \
    static inline void add_##T(const T *restrict x, const T *restrict t, const float *restrict weight, smoothed s,     \
                               float most, float *restrict all, float *restrict lack) {                                \
        for (long v = 0; v < VECTOR(T); v++) {                                                                         \
            const float q = share_of(get_##T(t[v]), weight[v], s);                                                     \
            all[v] += q;                                                                                               \
            lack[v] += q * (most - get_##T(x[v]));                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* sum(q) and sum(q (most - x)) of a row. */                                                                       \
    static void shares_##T(const T *restrict x, const T *restrict t, const float *restrict weight, smoothed s,         \
                           float most, double *all, double *lack, long c) {                                            \
        const long end = c / VECTOR(T) * VECTOR(T), at = c - VECTOR(T);                                                \
        float part[VECTOR(T)] = {0}, away[VECTOR(T)] = {0};                                                            \
        *all = *lack = 0.0;                                                                                            \
        /* The last vector, but for what another has, too. */                                                          \
        if (end < c) add_##T(x + at, t + at, weight + at, s, most, part, away);                                        \
        for (long v = 0; v < end - at; v++) part[v] = away[v] = 0.0f;                                                  \
        for (long from = 0; from < end; from += BLOCK) {                                                               \
            for (long b = from; b < least(from + BLOCK, end); b += VECTOR(T))                                          \
                add_##T(x + b, t + b, weight + b, s, most, part, away);                                                \
            *all += total_##T(part);                                                                                   \
            *lack += total_##T(away);                                                                                  \
            memset(part, 0, sizeof(part));                                                                             \
            memset(away, 0, sizeof(away));                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* The same of each of `count` places. */                                                                          \
    static void shares_of_places_##T(const T *restrict x, const T *restrict t, const float *weight, smoothed s,        \
                                     const float *restrict most, double *restrict all, double *restrict lack,          \
                                     long count, long c, long p) {                                                     \
        for (long b = 0; b < count; b++) all[b] = lack[b] = 0.0;                                                       \
        for (long from = 0; from < c; from += BLOCK) {                                                                 \
            float part[PLACES] = {0}, away[PLACES] = {0};                                                              \
            for (long j = from; j < least(from + BLOCK, c); j++) {                                                     \
                const float w = weight[j];                                                                             \
                for (long b = 0; b < count; b++) {                                                                     \
                    const float q = share_of(get_##T(t[j * p + b]), w, s);                                             \
                    part[b] += q;                                                                                      \
                    away[b] += q * (most[b] - get_##T(x[j * p + b]));                                                  \
                }                                                                                                      \
            }                                                                                                          \
            for (long b = 0; b < count; b++) all[b] += part[b], lack[b] += away[b];                                    \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* What a block of places or a row has: its largest score, the sum of e^(x - most), sum(q), sum(q (most - x)). */  \
    typedef struct {                                                                                                   \
        float most[PLACES], sum[PLACES];                                                                               \
        double all[PLACES], lack[PLACES];                                                                              \
    } known_##T;                                                                                                       \
                                                                                                                       \
    static void know_##T(known_##T *k, const T *restrict x, const T *restrict t, float *restrict row,                  \
                         const float *weight, smoothed s, long count, long c, long p) {                                \
        if (p > 1) {                                                                                                   \
            sums_##T(x, k->most, k->sum, count, c, p);                                                                 \
            shares_of_places_##T(x, t, weight, s, k->most, k->all, k->lack, count, c, p);                              \
        } else {                                                                                                       \
            k->sum[0] = (float)exps_##T(x, row, k->most, c);                                                           \
            shares_##T(x, t, weight, s, k->most[0], k->all, k->lack, c);                                               \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void slopes_##T(const known_##T *k, const T *restrict x, const T *restrict t, T *restrict dx,               \
                           const float *restrict row, const float *weight, smoothed s, const float *restrict g,        \
                           long count, long c, long p) {                                                               \
        float times[PLACES];                                                                                           \
        for (long b = 0; b < count; b++) times[b] = (float)(k->all[b] / k->sum[b]);                                    \
        if (p > 1)                                                                                                     \
            for (long j = 0; j < c; j++) {                                                                             \
                const float w = weight[j];                                                                             \
                for (long b = 0; b < count; b++) {                                                                     \
                    const float share = exp_below(get_##T(x[j * p + b]) - k->most[b]) * times[b];                      \
                    dx[j * p + b] = put_##T((share - share_of(get_##T(t[j * p + b]), w, s)) * g[b]);                   \
                }                                                                                                      \
            }                                                                                                          \
        else                                                                                                           \
            /* The last vector first: what it has once more is written by another. */                                  \
            for (long b = WHOLE(T, c) - VECTOR(T); b >= 0; b -= VECTOR(T)) {                                           \
                const long at = least(b, c - VECTOR(T));                                                               \
                _Pragma("omp simd") for (long v = 0; v < VECTOR(T); v++) {                                             \
                    const float q = share_of(get_##T(t[at + v]), weight[at + v], s);                                   \
                    dx[at + v] = put_##T((row[b + v] * times[0] - q) * g[0]);                                          \
                }                                                                                                      \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* The loss, or where there are cotangents `grad_out` the gradient. */                                             \
    void of_probabilities_##T(const T *x, const T *t, const float *weight, const float *grad_out, T *dx, float *loss,  \
                              const shape *s, long threads) {                                                          \
        const smoothed how = {(float)(1.0 - s->smoothing), (float)(s->smoothing / s->c)};                              \
        double total = 0.0;                                                                                            \
        _Pragma("omp parallel num_threads(threads) if(threads > 1) reduction(+ : total)") {                            \
            const int turned = s->p == 1 && s->c <= FEW;                                                               \
            const long n = turned ? 1 : s->n, p = turned ? s->n : s->p, apart = turned ? PLACES : p;                   \
            const long many = p > 1 ? PLACES : 1, blocks = (p + many - 1) / many;                                      \
            float *row = malloc(WHOLE(T, s->c) * sizeof(float));                                                       \
            T own_x[FEW * PLACES], own_t[FEW * PLACES], own_dx[FEW * PLACES];                                          \
            SHARE(n * blocks)                                                                                          \
            for (long block = first; block < last; block++) {                                                          \
                const long i = block / blocks, from = block % blocks * many, count = least(many, p - from);            \
                const long at = turned ? from * s->c : i * s->c * p + from;                                            \
                const T *scores = x + at, *target = t + at;                                                            \
                known_##T known;                                                                                       \
                if (turned) {                                                                                          \
                    turn_##T(scores, own_x, count, s->c, s->c);                                                        \
                    turn_##T(target, own_t, count, s->c, s->c);                                                        \
                    scores = own_x, target = own_t;                                                                    \
                }                                                                                                      \
                know_##T(&known, scores, target, row, weight, how, count, s->c, apart);                                \
                if (grad_out) {                                                                                        \
                    float g[PLACES];                                                                                   \
                    for (long b = 0; b < count; b++)                                                                   \
                        g[b] = (float)(grad_out[(i * p + from + b) * s->step] / s->divisor);                           \
                    T *to = turned ? own_dx : dx + at;                                                                 \
                    slopes_##T(&known, scores, target, to, row, weight, how, g, count, s->c, apart);                   \
                    if (turned) turn_back_##T(own_dx, dx + at, count, s->c);                                           \
                } else                                                                                                 \
                    for (long b = 0; b < count; b++) {                                                                 \
                        const double own = known.lack[b] + known.all[b] * log(known.sum[b]);                           \
                        if (s->step)                                                                                   \
                            loss[i * p + from + b] = (float)own;                                                       \
                        else                                                                                           \
                            total += own;                                                                              \
                    }                                                                                                  \
            }                                                                                                          \
            free(row);                                                                                                 \
        }                                                                                                              \
        if (loss && !s->step) *loss = (float)(total / s->divisor);                                                     \
    }

KERNELS(float)
KERNELS(bfloat16)
