// Max pooling of channels-last pictures whose windows lie side by side.
//
// x (n, h, w, c) has windows of kh x kw; y (n, oh, ow, c) is the largest of each, the first of equals, NaN above all,
// and `place` says in a byte which element of its window it was.
//
// A block of outputs is computed at a time: of few channels several windows side by side, so that vectors are filled.
// On the way back this pays where whole vectors of bytes are.

enum { BLOCK = 128, FULL = 32 };

typedef struct {
    long n, c, h, w, oh, ow, kh, kw;
} shape;

static inline long least(long a, long b) { return a < b ? a : b; }

// Element k of a window, counted from its first.
static inline long element(const shape *s, long k) { return (k / s->kw * s->w + k % s->kw) * s->c; }

#define KERNELS(T)                                                                                                     \
    /* One element of each window, side by side. */                                                                    \
    static inline void collect_##T(const T *restrict from, float *restrict to, long windows, long channels,            \
                                   long step) {                                                                        \
        if (channels == 1 && step == 2)                                                                                \
            for (long q = 0; q < windows; q++) to[q] = get_##T(from[2 * q]);                                           \
        else                                                                                                           \
            for (long q = 0; q < windows; q++)                                                                         \
                for (long c = 0; c < channels; c++) to[q * channels + c] = get_##T(from[q * step + c]);                \
    }                                                                                                                  \
                                                                                                                       \
    void max_pool2d_##T(const T *restrict x, T *restrict y, uint8_t *restrict place, const shape *s, long threads) {   \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            const long many = s->c < BLOCK ? BLOCK / s->c : 1, step = s->kw * s->c;                                    \
            for (long row = first; row < last; row++)                                                                  \
            for (long q = 0; q < s->ow; q += many)                                                                     \
            for (long c = 0; c < s->c; c += BLOCK) {                                                                   \
                const long windows = least(many, s->ow - q), channels = least(BLOCK, s->c - c);                        \
                const long to = (row * s->ow + q) * s->c + c;                                                          \
                const T *from = x + (row / s->oh * s->h + row % s->oh * s->kh) * s->w * s->c + q * step + c;           \
                const int count = (int)(windows * channels);                                                           \
                float best[BLOCK], v[BLOCK];                                                                           \
                int32_t which[BLOCK] = {0};                                                                            \
                collect_##T(from, best, windows, channels, step);                                                      \
                for (int k = 1; k < s->kh * s->kw; k++) {                                                              \
                    collect_##T(from + element(s, k), v, windows, channels, step);                                     \
                    for (int b = 0; b < count; b++) {                                                                  \
                        int take = (v[b] > best[b]) | (v[b] != v[b]);                                                  \
                        best[b] = take ? v[b] : best[b];                                                               \
                        which[b] = take ? k : which[b];                                                                \
                    }                                                                                                  \
                }                                                                                                      \
                for (int b = 0; b < count; b++) y[to + b] = put_##T(best[b]);                                          \
                for (int b = 0; b < count; b++) place[to + b] = (uint8_t)which[b];                                     \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Every dy laid where its y came from, zeros everywhere else. */                                                  \
    void max_pool2d_backward_##T(const T *restrict dy, const uint8_t *restrict place, T *restrict dx,                  \
                                 const shape *s, long threads) {                                                       \
        long elements[256];                                                                                            \
        for (long k = 0; k < s->kh * s->kw; k++) elements[k] = element(s, k);                                          \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            const int wide = s->c % FULL == 0;                                                                         \
            for (long row = first; row < last; row++) {                                                                \
                T *top = dx + (row / s->oh * s->h + row % s->oh * s->kh) * s->w * s->c;                                \
                /* Beyond the last whole window, or everywhere. */                                                     \
                const long done = wide ? s->ow * s->kw : 0;                                                            \
                for (long r = 0; r < s->kh; r++)                                                                       \
                    memset(top + (r * s->w + done) * s->c, 0, (s->w - done) * s->c * sizeof(T));                       \
                if (row % s->oh == s->oh - 1)                                                                          \
                    memset(top + s->kh * s->w * s->c, 0, (s->h - s->oh * s->kh) * s->w * s->c * sizeof(T));            \
                for (long q = 0, b = row * s->ow * s->c; q < s->ow; q++, b += s->c, top += s->kw * s->c)               \
                    if (wide)                                                                                          \
                        for (int k = 0; k < s->kh * s->kw; k++)                                                        \
                            for (long c = 0; c < s->c; c++)                                                            \
                                top[elements[k] + c] = place[b + c] == k ? dy[b + c] : 0;                              \
                    else                                                                                               \
                        for (long c = 0; c < s->c; c++) top[elements[place[b + c]] + c] = dy[b + c];                   \
            }                                                                                                          \
        }                                                                                                              \
    }

KERNELS(float)
KERNELS(bfloat16)
