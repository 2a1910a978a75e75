// The weight gradient of a convolution whose channels do not see each other, of channels-last pictures: for every
// channel and every element k of its kernel the sum of g[p] x[s p + d k - pad] over all places p.
//
// A row of places is summed in float with the channels of a block in registers, a few hundred places so, and beyond
// that in double.

enum { BLOCK = 64, PLACES = 512 };

typedef struct {
    long n, c, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
} shape;

#define KERNELS(T)                                                                                                     \
    /* Of `count` places in a row, whose cotangents lie c and whose pixels lie `step` apart. */                        \
    static inline void channels_##T(const T *restrict g, const T *restrict x, float *restrict sum, long count,         \
                                    long c, long step, int block) {                                                    \
        float own[BLOCK];                                                                                              \
        for (int b = 0; b < block; b++) own[b] = sum[b];                                                               \
        for (long q = 0; q < count; q++)                                                                               \
            for (int b = 0; b < block; b++) own[b] += get_##T(g[q * c + b]) * get_##T(x[q * step + b]);                \
        for (int b = 0; b < block; b++) sum[b] = own[b];                                                               \
    }                                                                                                                  \
                                                                                                                       \
    /* dw is (kh, kw, c). Ends with 1 if there is no memory. */                                                        \
    int depthwise_weight_##T(const T *x, const T *g, T *dw, const shape *s, long threads) {                            \
        const long taps = s->kh * s->kw, size = taps * s->c;                                                           \
        const parts all = parts_of(size, threads);                                                                     \
        if (!all.sums) return 1;                                                                                       \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            float *sum = all.sums + omp_get_thread_num() * size;                                                       \
            double *total = all.totals + omp_get_thread_num() * size;                                                  \
            for (long row = first, places = 0; row < last; row++) {                                                    \
                for (long k = 0; k < taps; k++) {                                                                      \
                    const long down = row % s->oh * s->sh + k / s->kw * s->dh - s->ph;                                 \
                    if (down < 0 || down >= s->h) continue;                                                            \
                    /* The places whose pixel lies in the picture. */                                                  \
                    const long shift = k % s->kw * s->dw - s->pw, from = shift < 0 ? (s->sw - 1 - shift) / s->sw : 0;  \
                    const long to = shift < s->w ? least(s->ow, (s->w - 1 - shift) / s->sw + 1) : 0;                   \
                    const T *at_g = g + (row * s->ow + from) * s->c;                                                   \
                    const T *at_x = x + ((row / s->oh * s->h + down) * s->w + from * s->sw + shift) * s->c;            \
                    for (long c = 0; c < s->c && from < to; c += BLOCK)                                                \
                        if (c + BLOCK <= s->c)                                                                         \
                            channels_##T(at_g + c, at_x + c, sum + k * s->c + c, to - from, s->c, s->sw * s->c, BLOCK);\
                        else                                                                                           \
                            channels_##T(at_g + c, at_x + c, sum + k * s->c + c, to - from, s->c, s->sw * s->c,        \
                                         (int)(s->c - c));                                                             \
                }                                                                                                      \
                places += s->ow;                                                                                       \
                if (places >= PLACES || row == last - 1) {                                                             \
                    hand_on(sum, total, size);                                                                         \
                    places = 0;                                                                                        \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        double *total = added(all);                                                                                    \
        for (long i = 0; i < size; i++) dw[i] = put_##T((float)total[i]);                                              \
        free(total);                                                                                                   \
        return 0;                                                                                                      \
    }

KERNELS(float)
KERNELS(bfloat16)
