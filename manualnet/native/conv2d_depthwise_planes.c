// The same gradient as conv2d_depthwise.c's of pictures whose channels have planes, without strides.
//
// A plane is laid out in float with its border of zeros, and its cotangent with zeros in the place of what the border adds
// to a row. Both are then one long row: tap k is the sum of the products of one with the other, moved by offset[k]. Some
// thousand numbers are summed in float, and beyond that in double. Where the zeros meet a number that is not finite the sum
// is not its own, and the function ends with 2; with 1 if there is no memory.

#include <stdlib.h>

// As many sums as the registers hold beside what is multiplied, and numbers that are summed in float.
enum { TAPS = 9, PLACES = 1 << 13 };

typedef struct {
    long n, c, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
} shape;

static inline void add(const float *x, const float *g, long length, const long *offset, double (*total)[LANES], const int count) {
    vector sum[TAPS];
    for (int k = 0; k < count; k++) sum[k] = (vector){0};
    for (long i = 0; i < length; i += LANES) {
        const vector gs = *(const loose *)(g + i);
        for (int k = 0; k < count; k++) sum[k] += gs * *(const loose *)(x + i + offset[k]);
    }
    for (int k = 0; k < count; k++)
        for (int l = 0; l < LANES; l++) total[k][l] += sum[k][l];
}

// The number of taps is known where it is compiled, so that their sums stay in registers.
static void add_some(const float *x, const float *g, long length, const long *offset, double (*total)[LANES], long count) {
#define CASE(COUNT)                                                                                                    \
    case COUNT:                                                                                                        \
        add(x, g, length, offset, total, COUNT);                                                                       \
        break;
    switch (count) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) }
}

#define KERNELS(T)                                                                                                     \
    static void lay_##T(const T *from, float *to, long rows, long count, long step) {                                  \
        for (long p = 0; p < rows; p++, from += count, to += step)                                                     \
            for (long q = 0; q < count; q++) to[q] = get_##T(from[q]);                                                 \
    }                                                                                                                  \
                                                                                                                       \
    /* dw is (c, kh, kw). */                                                                                           \
    int depthwise_planes_weight_##T(const T *x, const T *g, T *dw, const shape *s, long threads) {                     \
        const long width = s->w + 2 * s->pw, length = s->oh * width, taps = s->kh * s->kw;                             \
        const long x_size = (s->h + 2 * s->ph) * width + LANES, g_size = length + LANES;                               \
        int failed = 0;                                                                                                \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->c)                                                                                                \
            float *xs = calloc(x_size + g_size, sizeof(float)), *gs = xs + x_size;                                     \
            double(*total)[LANES] = malloc(taps * sizeof *total);                                                      \
            long *offset = malloc(taps * sizeof *offset);                                                              \
            int bad = !xs || !total || !offset;                                                                        \
            for (long k = 0; k < taps && !bad; k++) offset[k] = k / s->kw * s->dh * width + k % s->kw * s->dw;         \
            for (long c = first; c < last && !bad; c++) {                                                              \
                memset(total, 0, taps * sizeof *total);                                                                \
                for (long n = 0; n < s->n; n++) {                                                                      \
                    const long plane = n * s->c + c;                                                                   \
                    lay_##T(x + plane * s->h * s->w, xs + s->ph * width + s->pw, s->h, s->w, width);                   \
                    lay_##T(g + plane * s->oh * s->ow, gs, s->oh, s->ow, width);                                       \
                    for (long i = 0; i < length; i += PLACES)                                                          \
                        for (long k = 0; k < taps; k += TAPS)                                                          \
                            add_some(xs + i, gs + i, least(PLACES, length - i), offset + k, total + k,                 \
                                     least(TAPS, taps - k));                                                           \
                }                                                                                                      \
                for (long k = 0; k < taps; k++) {                                                                      \
                    double sum = 0.0;                                                                                  \
                    for (int l = 0; l < LANES; l++) sum += total[k][l];                                                \
                    if (!isfinite(sum)) bad = 2;                                                                       \
                    dw[c * taps + k] = put_##T((float)sum);                                                            \
                }                                                                                                      \
            }                                                                                                          \
            if (bad) {                                                                                                 \
                _Pragma("omp atomic write") failed = bad;                                                              \
            }                                                                                                          \
            free(xs);                                                                                                  \
            free(total);                                                                                               \
            free(offset);                                                                                              \
        }                                                                                                              \
        return failed;                                                                                                 \
    }

KERNELS(float)
KERNELS(bfloat16)
