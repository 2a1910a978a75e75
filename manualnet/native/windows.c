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
// all of them in a picture (height, width, c). Rows and columns have their windows one after another: where each begins
// and ends in the picture, and the places that count.
typedef struct {
    long begin, end, places;
} window;

typedef struct {
    long n, h, w, c, height, width;
    const window *rows, *columns;
    double divisor;
} shape;

#define STAMP(T)                                                                                                       \
    /* A row of windows is summed along the picture's width into a line, and the line added to all rows it covers. */  \
    static inline void picture_##T(const T *restrict x, float *restrict to, float *restrict line, float *restrict v,   \
                                   const shape *s, long c) {                                                           \
        const long length = s->width * c;                                                                              \
        for (long p = 0; p < s->h; p++) {                                                                              \
            const window down = s->rows[p];                                                                            \
            memset(line, 0, length * sizeof(float));                                                                   \
            for (long q = 0; q < s->w; q++) {                                                                          \
                const window across = s->columns[q];                                                                   \
                const float divisor = s->divisor ? (float)s->divisor : (float)(down.places * across.places);           \
                for (long k = 0; k < c; k++) v[k] = get_##T(x[(p * s->w + q) * c + k]) / divisor;                      \
                for (long column = across.begin; column < across.end; column++)                                        \
                    for (long k = 0; k < c; k++) line[column * c + k] += v[k];                                         \
            }                                                                                                          \
            for (long row = down.begin; row < down.end; row++)                                                         \
                for (long i = 0; i < length; i++) to[row * length + i] += line[i];                                     \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Ends with 1 if there is no memory. */                                                                           \
    int stamp_##T(const T *x, T *y, const shape *s, long threads) {                                                    \
        const long size = s->height * s->width * s->c;                                                                 \
        /* Floats are summed where they belong. */                                                                     \
        const int there = sizeof(T) == sizeof(float);                                                                  \
        const long row = s->width * s->c, room = (there ? 0 : size) + row + s->c;                                      \
        float *sums = malloc(threads * room * sizeof(float));                                                          \
        if (!sums) return 1;                                                                                           \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n)                                                                                                \
            float *line = sums + omp_get_thread_num() * room, *own = line + row + s->c;                                \
            for (long i = first; i < last; i++) {                                                                      \
                const T *from = x + i * s->h * s->w * s->c;                                                            \
                float *to = there ? (float *)(y + i * size) : own;                                                     \
                memset(to, 0, size * sizeof(float));                                                                   \
                if (s->c == 1)                                                                                         \
                    picture_##T(from, to, line, line + row, s, 1);                                                     \
                else                                                                                                   \
                    picture_##T(from, to, line, line + row, s, s->c);                                                  \
                for (long k = 0; k < size && !there; k++) y[i * size + k] = put_##T(to[k]);                            \
            }                                                                                                          \
        }                                                                                                              \
        free(sums);                                                                                                    \
        return 0;                                                                                                      \
    }

SPREAD(float)
SPREAD(bfloat16)
STAMP(float)
STAMP(bfloat16)
