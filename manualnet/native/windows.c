// Elements shared out to windows: of their own, or to those that overlap.

#include <stdlib.h>

// Pictures (rows, w, c), where all rows of all pictures follow one another: every element divided, in all places of a
// window of its own.

#define SPREAD(T)                                                                                                      \
    void spread_##T(const T *restrict x, T *restrict y, const long *size, double divisor, long threads) {              \
        const long rows = size[0], w = size[1], c = size[2], kh = size[3], kw = size[4], length = w * kw * c;          \
        const float d = (float)divisor;                                                                                \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long row = 0; row < rows; row++) {                                                                        \
            const T *from = x + row * w * c;                                                                           \
            T *top = y + row * kh * length;                                                                            \
            for (long q = 0; q < w; q++) {                                                                             \
                T *first = top + q * kw * c;                                                                           \
                for (long k = 0; k < c; k++) first[k] = put_##T(get_##T(from[q * c + k]) / d);                         \
                const T alone = first[0];                                                                              \
                for (long j = 1; j < kw && c == 1; j++) first[j] = alone;                                              \
                for (long j = 1; j < kw && c > 1; j++) memcpy(first + j * c, first, c * sizeof(T));                    \
            }                                                                                                          \
            for (long i = 1; i < kh; i++) memcpy(top + i * length, top, length * sizeof(T));                           \
        }                                                                                                              \
    }

// Pictures (n, h, w, c): every element, divided by `divisor` or, if that is 0, by the places of its window, added to
// all of them in a picture (height, width, c). Places in the padding count if `padded` is 1.
typedef struct {
    long n, h, w, c, height, width, kh, kw, sh, sw, ph, pw, padded;
    double divisor;
} shape;

static inline long most(long a, long b) { return a > b ? a : b; }

// The places along an axis of the window that starts at `start`.
static inline long places(long start, long kernel, long size, long padding, long padded) {
    return padded ? least(start + kernel, size + padding) - start : least(start + kernel, size) - most(start, 0);
}

#define STAMP(T)                                                                                                       \
    static inline void picture_##T(const T *restrict x, float *restrict to, float *restrict v, const shape *s,         \
                                   long c) {                                                                           \
        for (long p = 0; p < s->h; p++)                                                                                \
            for (long q = 0; q < s->w; q++) {                                                                          \
                const long top = p * s->sh - s->ph, left = q * s->sw - s->pw;                                          \
                const long bottom = least(top + s->kh, s->height), right = least(left + s->kw, s->width);              \
                const long high = places(top, s->kh, s->height, s->ph, s->padded);                                     \
                const long wide = places(left, s->kw, s->width, s->pw, s->padded);                                     \
                const float divisor = s->divisor ? (float)s->divisor : (float)(high * wide);                           \
                for (long k = 0; k < c; k++) v[k] = get_##T(x[(p * s->w + q) * c + k]) / divisor;                      \
                for (long row = most(top, 0); row < bottom; row++)                                                     \
                    for (long column = most(left, 0); column < right; column++)                                        \
                        for (long k = 0; k < c; k++) to[(row * s->width + column) * c + k] += v[k];                    \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* Ends with 1 if there is no memory. */                                                                           \
    int stamp_##T(const T *x, T *y, const shape *s, long threads) {                                                    \
        const long size = s->height * s->width * s->c;                                                                 \
        float *sums = malloc(threads * (size + s->c) * sizeof(float));                                                 \
        if (!sums) return 1;                                                                                           \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n)                                                                                                \
            float *to = sums + omp_get_thread_num() * (size + s->c);                                                   \
            for (long i = first; i < last; i++) {                                                                      \
                const T *from = x + i * s->h * s->w * s->c;                                                            \
                memset(to, 0, size * sizeof(float));                                                                   \
                if (s->c == 1)                                                                                         \
                    picture_##T(from, to, to + size, s, 1);                                                            \
                else                                                                                                   \
                    picture_##T(from, to, to + size, s, s->c);                                                         \
                for (long k = 0; k < size; k++) y[i * size + k] = put_##T(to[k]);                                      \
            }                                                                                                          \
        }                                                                                                              \
        free(sums);                                                                                                    \
        return 0;                                                                                                      \
    }

SPREAD(float)
SPREAD(bfloat16)
STAMP(float)
STAMP(bfloat16)
