// Max pooling of channels-last pictures whose windows lie side by side.
//
// x (n, h, w, c) has windows of kh x kw; y (n, oh, ow, c) is the largest of each, the first of equals, NaN above all,
// and `place` says in a byte which element of its window it was.

enum { BLOCK = 64 };

typedef struct {
    long n, c, h, w, oh, ow, kh, kw;
} shape;

static inline int least(long a, long b) { return (int)(a < b ? a : b); }

// Few channels fill no vector: each output looks at its window by itself.
#define NARROW(T)                                                                                                      \
    static void narrow_##T(const T *restrict top, T *restrict y, uint8_t *restrict place, const shape *s) {            \
        for (long q = 0; q < s->ow; q++)                                                                               \
            for (long c = 0; c < s->c; c++) {                                                                          \
                const T *at = top + q * s->kw * s->c + c;                                                              \
                float best = get_##T(*at);                                                                             \
                int which = 0, k = 0;                                                                                  \
                for (long i = 0; i < s->kh; i++)                                                                       \
                    for (long j = 0; j < s->kw; j++, k++) {                                                            \
                        float v = get_##T(at[(i * s->w + j) * s->c]);                                                  \
                        int take = (v > best) | (v != v);                                                              \
                        best = take ? v : best;                                                                        \
                        which = take ? k : which;                                                                      \
                    }                                                                                                  \
                y[q * s->c + c] = put_##T(best), place[q * s->c + c] = which;                                          \
            }                                                                                                          \
    }

#define KERNELS(T)                                                                                                     \
    void max_pool2d_##T(const T *restrict x, T *restrict y, uint8_t *restrict place, const shape *s, long threads) {   \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            for (long row = first; row < last; row++) {                                                                \
                const T *top = x + (row / s->oh * s->h + row % s->oh * s->kh) * s->w * s->c;                           \
                if (s->c < 4) {                                                                                        \
                    narrow_##T(top, y + row * s->ow * s->c, place + row * s->ow * s->c, s);                            \
                    continue;                                                                                          \
                }                                                                                                      \
                for (long q = 0; q < s->ow; q++)                                                                       \
                    for (long c = 0; c < s->c; c += BLOCK) {                                                           \
                        int count = least(BLOCK, s->c - c);                                                            \
                        const T *at = top + q * s->kw * s->c + c;                                                      \
                        long to = (row * s->ow + q) * s->c + c;                                                        \
                        float best[BLOCK];                                                                             \
                        int32_t which[BLOCK];                                                                          \
                        for (int b = 0; b < count; b++) best[b] = get_##T(at[b]), which[b] = 0;                        \
                        for (int k = 1; k < s->kh * s->kw; k++) {                                                      \
                            const T *element = at + (k / s->kw * s->w + k % s->kw) * s->c;                             \
                            for (int b = 0; b < count; b++) {                                                          \
                                float v = get_##T(element[b]);                                                         \
                                int take = (v > best[b]) | (v != v);                                                   \
                                best[b] = take ? v : best[b];                                                          \
                                which[b] = take ? k : which[b];                                                        \
                            }                                                                                          \
                        }                                                                                              \
                        for (int b = 0; b < count; b++) y[to + b] = put_##T(best[b]), place[to + b] = which[b];        \
                    }                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Every dy laid where its y came from, zeros everywhere else. */                                                  \
    void max_pool2d_backward_##T(const T *restrict dy, const uint8_t *restrict place, T *restrict dx,                  \
                                 const shape *s, long threads) {                                                       \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            for (long row = first; row < last; row++) {                                                                \
                T *top = dx + (row / s->oh * s->h + row % s->oh * s->kh) * s->w * s->c;                                \
                if (s->c < 16) {                                                                                       \
                    for (long r = 0; r < s->kh; r++) memset(top + r * s->w * s->c, 0, s->w * s->c * sizeof(T));        \
                    for (long q = 0; q < s->ow; q++)                                                                   \
                        for (long c = 0; c < s->c; c++) {                                                              \
                            long from = (row * s->ow + q) * s->c + c, k = place[from];                                 \
                            top[(k / s->kw * s->w + q * s->kw + k % s->kw) * s->c + c] = dy[from];                     \
                        }                                                                                              \
                } else                                                                                                 \
                for (int k = 0; k < s->kh * s->kw; k++)                                                                \
                    for (long q = 0; q < s->ow; q++) {                                                                 \
                        long from = (row * s->ow + q) * s->c;                                                          \
                        T *element = top + (k / s->kw * s->w + q * s->kw + k % s->kw) * s->c;                          \
                        for (long c = 0; c < s->c; c++) element[c] = place[from + c] == k ? dy[from + c] : 0;          \
                    }                                                                                                  \
                /* Beyond the last whole window nothing was pooled. */                                                 \
                for (long r = 0; r < s->kh; r++)                                                                       \
                    memset(top + (r * s->w + s->ow * s->kw) * s->c, 0, (s->w - s->ow * s->kw) * s->c * sizeof(T));     \
                if (row % s->oh == s->oh - 1)                                                                          \
                    memset(top + s->kh * s->w * s->c, 0, (s->h - s->oh * s->kh) * s->w * s->c * sizeof(T));            \
            }                                                                                                          \
        }                                                                                                              \
    }

NARROW(float)
NARROW(bfloat16)
KERNELS(float)
KERNELS(bfloat16)
