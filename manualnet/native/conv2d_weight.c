// The weight gradient of a convolution without groups: dw[i][j][c][o] is the sum over n, p, q of g[n][p][q][o] times
// x[n][p s + i d][q s + j d][c], with stride s and dilation d of each axis.
//
// Nothing is unfolded. A tile of 6 input channels by WIDE vectors of output channels stays in registers while positions
// run; the input is read by broadcasting one number, the cotangent a vector at a time. In bfloat16 a number is a pair
// where the processor multiplies and adds two in one step: the same place in two pictures. Where it does not, numbers
// are widened as they are packed. Sums are float32 throughout.

#include <stdlib.h>

#include <omp.h>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

// As many sums as the registers hold: 24 of 32 with AVX-512, 12 of 16 with AVX2, 24 of 32 half as long with NEON.
#if defined(__AVX512F__)
enum { LANES = 16, WIDE = 4, CACHE = 640 * 1024 };
#define EACH_WIDTH(TYPE, TALL_, OF) OF(TYPE, TALL_, 1) OF(TYPE, TALL_, 2) OF(TYPE, TALL_, 3) OF(TYPE, TALL_, 4)
#else
enum { LANES = 8, WIDE = 2, CACHE = 320 * 1024 };
#define EACH_WIDTH(TYPE, TALL_, OF) OF(TYPE, TALL_, 1) OF(TYPE, TALL_, 2)
#endif
enum { TALL = 6 };

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4)));
typedef struct {
    long n, c, h, w, o, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
} shape;

// One packed element: 32 bits, either a float or the bfloat16 of two pictures side by side.
#define PACK_float(a, b, i) (((const uint32_t *)(a))[i])
#if defined(__AVX512BF16__)
enum { PAIR = 2 };
#define PACK_bfloat16(a, b, i) (((const uint16_t *)(a))[i] | (b ? (uint32_t)((const uint16_t *)(b))[i] << 16 : 0))
#else
enum { PAIR = 1 };
#define PACK_bfloat16(a, b, i) ((uint32_t)((const uint16_t *)(a))[i] << 16)
#endif

static inline vector fma_float(vector sum, uint32_t x, const uint32_t *g) {
    float number;
    memcpy(&number, &x, 4);
    return sum + number * *(const loose *)g;
}

#if defined(__AVX512BF16__)
static inline vector fma_bfloat16(vector sum, uint32_t x, const uint32_t *g) {
    return (vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)_mm512_loadu_si512(g));
}
#else
#define fma_bfloat16 fma_float
#endif

// A tile of `tall` channels by `wide` vectors over all places of `units` pictures; from place to place the input goes on by
// `x_step` and the cotangent by `g_step`.
#define TILE(TYPE, TALL_, WIDE_)                                                                                       \
    static void tile_##TYPE##_##TALL_##_##WIDE_(const uint32_t *x, const uint32_t *g, float *dw, const shape *s,       \
                                                long units, long x_unit, long g_unit, long row, long dw_row,           \
                                                long x_step, long g_step) {                                            \
        vector sum[TALL_][WIDE_];                                                                                      \
        for (int t = 0; t < TALL_; t++)                                                                                \
            for (int v = 0; v < WIDE_; v++) sum[t][v] = (vector){0};                                                   \
        for (long u = 0; u < units; u++) {                                                                             \
            const uint32_t *gp = g + u * g_unit;                                                                       \
            for (long p = 0; p < s->oh; p++) {                                                                         \
                const uint32_t *xp = x + u * x_unit + p * s->sh * row;                                                 \
                for (long q = 0; q < s->ow; q++, xp += x_step, gp += g_step)                                           \
                    for (int t = 0; t < TALL_; t++)                                                                    \
                        for (int v = 0; v < WIDE_; v++) sum[t][v] = fma_##TYPE(sum[t][v], xp[t], gp + v * LANES);      \
            }                                                                                                          \
        }                                                                                                              \
        for (int t = 0; t < TALL_; t++)                                                                                \
            for (int v = 0; v < WIDE_; v++) *(loose *)(dw + t * dw_row + v * LANES) += sum[t][v];                      \
    }

#define NAME(TYPE, TALL_, WIDE_) tile_##TYPE##_##TALL_##_##WIDE_,
#define TILES_OF(TYPE, TALL_) EACH_WIDTH(TYPE, TALL_, TILE)
#define NAMES_OF(TYPE, TALL_) {EACH_WIDTH(TYPE, TALL_, NAME)}

typedef void (*tile)(const uint32_t *, const uint32_t *, float *, const shape *, long, long, long, long, long, long,
                     long);

// Channels are packed in blocks of 6, each block a plane of its own with its border of zeros; the rest is one block
// of fewer. Output channels likewise in blocks of WIDE vectors, filled up with zeros to whole vectors.
#define GRADIENT(TYPE, SIZE, TOGETHER)                                                                                 \
    TILES_OF(TYPE, 1) TILES_OF(TYPE, 2) TILES_OF(TYPE, 3) TILES_OF(TYPE, 4) TILES_OF(TYPE, 5) TILES_OF(TYPE, 6)        \
    static const tile tiles_##TYPE[TALL][WIDE] = {NAMES_OF(TYPE, 1), NAMES_OF(TYPE, 2), NAMES_OF(TYPE, 3),             \
                                                  NAMES_OF(TYPE, 4), NAMES_OF(TYPE, 5), NAMES_OF(TYPE, 6)};            \
                                                                                                                       \
    static void pack_x_##TYPE(const char *a, const char *b, uint32_t *to, const shape *s) {                            \
        long width = s->w + 2 * s->pw, plane = (s->h + 2 * s->ph) * width;                                             \
        for (long c = 0; c < s->c; c += TALL) {                                                                        \
            long tall = least(TALL, s->c - c);                                                                         \
            for (long p = 0; p < s->h; p++)                                                                            \
                for (long q = 0; q < s->w; q++) {                                                                      \
                    uint32_t *at = to + c * plane + ((p + s->ph) * width + q + s->pw) * tall;                          \
                    long from = (p * s->w + q) * s->c + c;                                                             \
                    if (tall == TALL)                                                                                  \
                        for (int t = 0; t < TALL; t++) at[t] = PACK_##TYPE(a, b, from + t);                            \
                    else                                                                                               \
                        for (long t = 0; t < tall; t++) at[t] = PACK_##TYPE(a, b, from + t);                           \
                }                                                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void pack_g_##TYPE(const char *a, const char *b, uint32_t *to, const shape *s) {                            \
        long places = s->oh * s->ow;                                                                                   \
        for (long o = 0; o < s->o; o += WIDE * LANES) {                                                                \
            long count = least(WIDE * LANES, s->o - o), wide = (count + LANES - 1) / LANES * LANES;                    \
            for (long p = 0; p < places; p++) {                                                                        \
                uint32_t *at = to + o * places + p * wide;                                                             \
                long from = p * s->o + o;                                                                              \
                for (long i = 0; i < count; i++) at[i] = PACK_##TYPE(a, b, from + i);                                  \
                for (long i = count; i < wide; i++) at[i] = 0;                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* The threads' sums added up and rounded; from output channels innermost to output channels outermost. */         \
    static void finish_##TYPE(const float *sums, TYPE *dw, const shape *s, long o_wide, long threads) {                \
        long size = s->kh * s->kw * s->c;                                                                              \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long o = 0; o < s->o; o += LANES)                                                                         \
            for (long i = 0; i < size; i++) {                                                                          \
                vector sum = *(const loose *)(sums + i * o_wide + o);                                                  \
                for (int t = 1; t < threads; t++) sum += *(const loose *)(sums + (t * size + i) * o_wide + o);         \
                for (long l = 0; l < least(LANES, s->o - o); l++) dw[(o + l) * size + i] = put_##TYPE(sum[l]);         \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* dw is (o, kh, kw, c). */                                                                                        \
    int conv2d_weight_##TYPE(const char *x, const char *g, TYPE *dw, const shape *s, long threads) {                   \
        long width = s->w + 2 * s->pw, plane = (s->h + 2 * s->ph) * width, places = s->oh * s->ow;                     \
        long o_wide = (s->o + LANES - 1) / LANES * LANES;                                                              \
        long x_unit = plane * s->c, g_unit = places * o_wide, dw_size = s->kh * s->kw * s->c * o_wide;                 \
        long all = (s->n + TOGETHER - 1) / TOGETHER, batch = CACHE / 4 / (x_unit + g_unit);                            \
        batch = batch < 1 ? 1 : least(batch, all);                                                                     \
        float *sums = calloc(threads * dw_size, sizeof(float));                                                        \
        int failed = !sums;                                                                                            \
        if (failed) return 1;                                                                                          \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            int thread = omp_get_thread_num();                                                                         \
            long share = (all + omp_get_num_threads() - 1) / omp_get_num_threads();                                    \
            long first = thread * share, last = least(all, first + share);                                             \
            float *sum = sums + thread * dw_size;                                                                      \
            uint32_t *xs = calloc(batch * x_unit, 4), *gs = malloc(batch * g_unit * 4);                                \
            if (!xs || !gs) {                                                                                          \
                _Pragma("omp atomic write") failed = 1;                                                                \
                last = first;                                                                                          \
            }                                                                                                          \
            for (long unit = first; unit < last; unit += batch) {                                                      \
                long units = least(batch, last - unit);                                                                \
                for (long u = 0; u < units; u++) {                                                                     \
                    long n = (unit + u) * TOGETHER, two = TOGETHER == 2 && n + 1 < s->n;                               \
                    const char *xn = x + n * s->h * s->w * s->c * SIZE, *gn = g + n * places * s->o * SIZE;            \
                    pack_x_##TYPE(xn, two ? xn + s->h * s->w * s->c * SIZE : 0, xs + u * x_unit, s);                   \
                    pack_g_##TYPE(gn, two ? gn + places * s->o * SIZE : 0, gs + u * g_unit, s);                        \
                }                                                                                                      \
                for (long o = 0; o < s->o; o += WIDE * LANES) {                                                        \
                    long wide = (least(WIDE * LANES, s->o - o) + LANES - 1) / LANES;                                   \
                    for (long c = 0; c < s->c; c += TALL) {                                                            \
                        long tall = least(TALL, s->c - c);                                                             \
                        tile run = tiles_##TYPE[tall - 1][wide - 1];                                                   \
                        for (long i = 0; i < s->kh; i++)                                                               \
                            for (long j = 0; j < s->kw; j++)                                                           \
                                run(xs + c * plane + (i * s->dh * width + j * s->dw) * tall, gs + o * places,          \
                                    sum + ((i * s->kw + j) * s->c + c) * o_wide + o, s, units, x_unit, g_unit,         \
                                    width * tall, o_wide, s->sw * tall, wide * LANES);                                 \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            free(xs);                                                                                                  \
            free(gs);                                                                                                  \
        }                                                                                                              \
        if (!failed) finish_##TYPE(sums, dw, s, o_wide, threads);                                                      \
        free(sums);                                                                                                    \
        return failed;                                                                                                 \
    }

GRADIENT(float, 4, 1)

GRADIENT(bfloat16, 2, PAIR)

// The same for matrices: dw[c][o] is the sum over rows n of x[n][c] g[n][o], n even. The rows are the places of a picture
// one pixel high, or of two, the first half of them and the second. Threads share out the columns of g, so that nobody's sums
// have to be added up.
int linear_weight_bfloat16(const uint16_t *x, const uint16_t *g, float *dw, long n, long c, long o, long threads) {
    long places = n / PAIR, blocks = (o + WIDE * LANES - 1) / (WIDE * LANES);
    shape s = {.oh = 1, .ow = places};
    uint32_t *xs = malloc(places * c * 4), *gs = malloc(places * o * 4);
    if (!xs || !gs) {
        free(xs);
        free(gs);
        return 1;
    }
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for nowait
        for (long block = 0; block < (c + TALL - 1) / TALL; block++) {
            long first = block * TALL, tall = least(TALL, c - first);
            for (long p = 0; p < places; p++)
                for (long t = 0; t < tall; t++)
                    xs[first * places + p * tall + t] = PACK_bfloat16(x, x + places * c, p * c + first + t);
        }
#pragma omp for
        for (long block = 0; block < blocks; block++) {
            long first = block * WIDE * LANES, wide = least(WIDE * LANES, o - first);
            for (long p = 0; p < places; p++)
                for (long i = 0; i < wide; i++)
                    gs[first * places + p * wide + i] = PACK_bfloat16(g, g + places * o, p * o + first + i);
        }
#pragma omp for
        for (long block = 0; block < blocks; block++) {
            long first = block * WIDE * LANES, wide = least(WIDE * LANES, o - first) / LANES;
            for (long row = 0; row < c; row += TALL) {
                long tall = least(TALL, c - row);
                for (long t = 0; t < tall; t++) memset(dw + (row + t) * o + first, 0, wide * LANES * sizeof(float));
                tiles_bfloat16[tall - 1][wide - 1](xs + row * places, gs + first * places, dw + row * o + first, &s, 1, 0, 0, 0, o,
                                                   tall, wide * LANES);
            }
        }
    }
    free(xs);
    free(gs);
    return 0;
}

// In float32, for few columns of x: both are read where they lie, because packing g would take as long as the products.
// What some hundred rows give is added up apart, so that no digits are lost to their number.
int linear_weight_float(const uint32_t *x, const uint32_t *g, float *dw, long n, long c, long o, long threads) {
    enum { ROWS = 512 };
    long bands = (c + TALL - 1) / TALL, band = (c + bands - 1) / bands;  // 5 and 5 of 10: 4 are too few to hide a sum's wait
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (long first = 0; first < o; first += WIDE * LANES) {
        long wide = least(WIDE * LANES, o - first) / LANES;
        for (long row = 0; row < c; row++) memset(dw + row * o + first, 0, wide * LANES * sizeof(float));
        for (long p = 0; p < n; p += ROWS) {
            shape s = {.oh = 1, .ow = least(ROWS, n - p)};
            for (long row = 0; row < c; row += band)
                tiles_float[least(band, c - row) - 1][wide - 1](x + p * c + row, g + p * o + first, dw + row * o + first,
                                                                &s, 1, 0, 0, 0, o, c, o);
        }
    }
    return 0;
}
