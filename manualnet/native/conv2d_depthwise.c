// The weight gradient of a convolution whose channels do not see each other, of channels-last pictures: for every
// channel and every element k of its kernel the sum of g[p] x[s p + d k - pad] over all places p.
//
// A row of places is summed in float with the channels of a block in registers, a few hundred places so, and beyond
// that in double.

typedef struct {
    long n, c, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
} shape;

enum { BLOCK = 64, PLACES = 512 };

// Rows of the kernel that are summed at once, as many as the registers hold: a cotangent is read once for all of them.
#if defined(__AVX512F__)
enum { ROWS = 3 };
#else
enum { ROWS = 1 };
#endif

#define SOME(T, BLOCK_)                                                                                                \
    case BLOCK_:                                                                                                       \
        if (rows == ROWS)                                                                                              \
            channels_##T(g + c, x + c, sum + c, count, s, ROWS, BLOCK_);                                               \
        else                                                                                                           \
            channels_##T(g + c, x + c, sum + c, count, s, 1, BLOCK_);                                                  \
        break;

#define KERNELS(T)                                                                                                     \
    /* `count` places of a row and `rows` rows of the kernel, for `block` channels. Where both are constants the sums */\
    /* stay in registers. */                                                                                           \
    static inline __attribute__((always_inline)) void channels_##T(const T *restrict g, const T *restrict x,           \
                                                                   float *restrict sum, long count, const shape *s,    \
                                                                   int rows, int block) {                              \
        const long row = s->dh * s->w * s->c, size = s->kw * s->c, g_step = s->c, x_step = s->sw * s->c;               \
        float own[ROWS][BLOCK];                                                                                        \
        for (int r = 0; r < rows; r++)                                                                                 \
            for (int b = 0; b < block; b++) own[r][b] = sum[r * size + b];                                             \
        for (long q = 0; q < count; q++)                                                                               \
            for (int r = 0; r < rows; r++)                                                                             \
                for (int b = 0; b < block; b++)                                                                        \
                    own[r][b] += get_##T(g[q * g_step + b]) * get_##T(x[r * row + q * x_step + b]);                    \
        for (int r = 0; r < rows; r++)                                                                                 \
            for (int b = 0; b < block; b++) sum[r * size + b] = own[r][b];                                             \
    }                                                                                                                  \
                                                                                                                       \
    /* The same for all channels. */                                                                                   \
    static void places_##T(const T *g, const T *x, float *sum, long count, const shape *s, long rows) {                \
        for (long c = 0, block; c < s->c; c += block) {                                                                \
            block = s->c - c;                                                                                          \
            block = block >= BLOCK ? BLOCK : block >= BLOCK / 2 ? BLOCK / 2 : least(BLOCK / 4, block);                 \
            switch (block) {                                                                                           \
                SOME(T, BLOCK)                                                                                         \
                SOME(T, BLOCK / 2)                                                                                     \
                SOME(T, BLOCK / 4)                                                                                     \
                default: channels_##T(g + c, x + c, sum + c, count, s, (int)rows, (int)block);                         \
            }                                                                                                          \
        }                                                                                                              \
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
                for (long j = 0; j < s->kw; j++) {                                                                     \
                    /* The places whose pixel lies in the picture. */                                                  \
                    const long shift = j * s->dw - s->pw, from = shift < 0 ? (s->sw - 1 - shift) / s->sw : 0;          \
                    const long to = shift < s->w ? least(s->ow, (s->w - 1 - shift) / s->sw + 1) : 0;                   \
                    const T *at_g = g + (row * s->ow + from) * s->c;                                                   \
                    for (long i = 0, rows; i < s->kh && from < to; i += rows) {                                        \
                        const long down = row % s->oh * s->sh + i * s->dh - s->ph;                                     \
                        rows = i + ROWS <= s->kh && down >= 0 && down + (ROWS - 1) * s->dh < s->h ? ROWS : 1;          \
                        if (down < 0 || down >= s->h) continue;                                                        \
                        const T *at_x = x + ((row / s->oh * s->h + down) * s->w + from * s->sw + shift) * s->c;        \
                        places_##T(at_g, at_x, sum + (i * s->kw + j) * s->c, to - from, s, rows);                      \
                    }                                                                                                  \
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
