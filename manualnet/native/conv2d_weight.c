// The weight gradient of a convolution: dw[i][j][c][o] is the sum over n, p, q of g[n][p][q][o] times
// x[n][p s + i d][q s + j d][c], with stride s and dilation d of each axis, in each group of c and o channels.
//
// Nothing is unfolded. What a row of the kernel sees of a row of x are kw c numbers side by side, its run (c numbers, a column
// of the kernel at a time, where columns are dilated). A tile of some of them by vectors of output channels stays in
// registers while positions run; x is read by broadcasting one number, the cotangent a vector at a time. In bfloat16 a number
// is a pair where the processor multiplies and adds two in one step: the same place in two pictures. Where it does not,
// numbers are widened as they are packed. Sums are float32 throughout.

#include <stdlib.h>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

// As many sums as the registers hold: 24 of 32 with AVX-512, 12 of 16 with AVX2, 24 of 32 half as long with NEON.
#if defined(__AVX512F__)
enum { SUMS = 24, CACHE = 640 * 1024 };
#else
enum { SUMS = 12, CACHE = 320 * 1024 };
#endif
enum { TALL = 12, WIDE = 2 };

typedef struct {
    long n, c, h, w, o, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups;
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

// A tile of `tall` numbers of a run by `wide` vectors over all places of `units` pictures; from place to place x goes on by
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

#define BOTH(TYPE, TALL_) TILE(TYPE, TALL_, 1) TILE(TYPE, TALL_, 2)
#define NAMES(TYPE, TALL_) {tile_##TYPE##_##TALL_##_1, tile_##TYPE##_##TALL_##_2},
#define EACH(OF, TYPE)                                                                                                 \
    OF(TYPE, 1) OF(TYPE, 2) OF(TYPE, 3) OF(TYPE, 4) OF(TYPE, 5) OF(TYPE, 6)                                            \
    OF(TYPE, 7) OF(TYPE, 8) OF(TYPE, 9) OF(TYPE, 10) OF(TYPE, 11) OF(TYPE, 12)

typedef void (*tile)(const uint32_t *, const uint32_t *, float *, const shape *, long, long, long, long, long, long,
                     long);

// How many numbers of a run are taken at once beside so many vectors: 9 of 9, 5 and 5 of 10 where 6 is the most, since a few
// are too few to hide a sum's wait.
static long tall_of(long run, long wide) {
    long most = least(TALL, SUMS / wide), bands = (run + most - 1) / most;
    return (run + bands - 1) / bands;
}

// In numbers: a row of a picture as it is packed, with a border of zeros, the rows that a band of outputs sees, a place of its
// cotangent and all of the band's, a run, an output channel's sums and their vectors' width, and all sums of a group; and the
// columns that are not part of a run.
typedef struct {
    long row, x, place, g, run, size, wide, sums, columns;
} packed;

static packed packed_of(const shape *s, int in_place, long tall) {
    packed n;
    n.row = (s->w + 2 * s->pw) * s->c;
    n.x = ((tall - 1) * s->sh + (s->kh - 1) * s->dh + 1) * n.row;
    n.place = in_place ? s->groups * s->o : s->o;
    n.g = tall * s->ow * n.place;
    n.columns = s->dw == 1 ? 1 : s->kw;
    n.run = s->kw / n.columns * s->c;
    n.size = s->kh * s->kw * s->c;
    n.wide = (s->o + LANES - 1) / LANES * LANES;
    n.sums = n.size * n.wide;
    return n;
}

// The rows of outputs that are taken at a time: of a picture that does not stay in the cache as many as do, and of so few
// pictures that threads would wait, a part for each.
static long tall_band(const shape *s, int in_place, long pictures, long threads) {
    const packed n = packed_of(s, in_place, s->oh);
    const long fit = CACHE / 4 / (s->sh * n.row + s->ow * n.place), part = (s->oh + threads - 1) / threads;
    long tall = s->oh;
    if (n.x + n.g > CACHE / 4) tall = fit < 1 ? 1 : least(tall, fit);
    return pictures % threads && pictures < 4 * threads ? least(tall, part) : tall;
}

#define GRADIENT(TYPE, SIZE, TOGETHER)                                                                                 \
    EACH(BOTH, TYPE)                                                                                                   \
    static const tile tiles_##TYPE[TALL][WIDE] = {EACH(NAMES, TYPE)};                                                  \
                                                                                                                       \
    /* Some numbers of each place, places being `step` apart. */                                                       \
    static void pack_##TYPE(const char *a, const char *b, long from, long step, long places, long count,               \
                            uint32_t *to) {                                                                            \
        (void)b;                                                                                                       \
        if (step == count) count *= places, places = 1;                                                                \
        for (long p = 0; p < places; p++, from += step, to += count)                                                   \
            for (long i = 0; i < count; i++) to[i] = PACK_##TYPE(a, b, from + i);                                      \
    }                                                                                                                  \
                                                                                                                       \
    /* A group's channels of picture `unit` of those that are taken together: `rows` rows from `top` on. */            \
    static void pack_x_##TYPE(const char *x, long unit, long group, long top, long rows, uint32_t *to, const shape *s, \
                              const packed *n) {                                                                       \
        const long c_all = s->groups * s->c, first = unit * TOGETHER, size = s->h * s->w * c_all * SIZE;               \
        const char *a = x + first * size, *b = TOGETHER == 2 && first + 1 < s->n ? a + size : 0;                       \
        for (long p = top; p < top + rows; p++, to += n->row)                                                          \
            if (p < 0 || p >= s->h)                                                                                    \
                memset(to, 0, n->row * 4);                                                                             \
            else                                                                                                       \
                pack_##TYPE(a, b, p * s->w * c_all + group * s->c, c_all, s->w, s->c, to + s->pw * s->c);              \
    }                                                                                                                  \
                                                                                                                       \
    /* And of its cotangent. */                                                                                        \
    static void pack_g_##TYPE(const char *g, long unit, long group, long top, long rows, uint32_t *to,                 \
                              const shape *s) {                                                                        \
        const long o_all = s->groups * s->o, first = unit * TOGETHER, size = s->oh * s->ow * o_all * SIZE;             \
        const char *a = g + first * size, *b = TOGETHER == 2 && first + 1 < s->n ? a + size : 0;                       \
        pack_##TYPE(a, b, top * s->ow * o_all + group * s->o, o_all, rows * s->ow, s->o, to);                          \
    }                                                                                                                  \
                                                                                                                       \
    /* All tiles over some pictures. The last vector of a cotangent's channels goes on into the next place's, */       \
    /* and what comes of that is dropped. */                                                                           \
    static void add_##TYPE(const uint32_t *xs, const uint32_t *gs, float *sum, long units, const shape *s,             \
                           const packed *n) {                                                                          \
        for (long o = 0; o < s->o; o += WIDE * LANES) {                                                                \
            const long wide = least(WIDE, (n->wide - o) / LANES), tall = tall_of(n->run, wide);                        \
            for (long k = 0; k < n->run; k += tall)                                                                    \
                for (long i = 0; i < s->kh; i++)                                                                       \
                    for (long j = 0; j < n->columns; j++)                                                              \
                        tiles_##TYPE[least(tall, n->run - k) - 1][wide - 1](                                           \
                            xs + i * s->dh * n->row + j * s->dw * s->c + k, gs + o,                                    \
                            sum + ((i * n->columns + j) * n->run + k) * n->wide + o, s, units, n->x, n->g, n->row,     \
                            n->wide, s->sw * s->c, n->place);                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* The sums of a group's cotangents over some pictures, in the same way, where a number is none of a pair. */      \
    static void add_bias_##TYPE(const uint32_t *gs, float *sum, long units, const shape *s, const packed *n) {         \
        for (long o = 0; o < n->wide; o += TALL * LANES) {                                                             \
            const long many = least(TALL, (n->wide - o) / LANES);                                                      \
            vector part[TALL] = {{0}};                                                                                 \
            for (long u = 0; u < units; u++)                                                                           \
                for (long p = 0; p < s->oh * s->ow; p++)                                                               \
                    for (long v = 0; v < many; v++)                                                                    \
                        part[v] += *(const loose *)(gs + u * n->g + p * n->place + o + v * LANES);                     \
            for (long v = 0; v < many; v++) *(loose *)(sum + o + v * LANES) += part[v];                                \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* The threads' sums added up and rounded; from output channels innermost to output channels outermost. */         \
    static void finish_##TYPE(const float *sums, TYPE *dw, long threads, const shape *s, const packed *n) {            \
        const long blocks = n->wide / LANES;                                                                           \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long block = 0; block < s->groups * blocks; block++) {                                                    \
            const long group = block / blocks, o = block % blocks * LANES;                                             \
            for (long i = 0; i < n->size; i += LANES) {                                                                \
                const long count = least(LANES, n->size - i);                                                          \
                vector sum[LANES] = {{0}};                                                                             \
                for (long t = 0; t < threads; t++)                                                                     \
                    for (long k = 0; k < count; k++)                                                                   \
                        sum[k] += *(const loose *)(sums + (t * s->groups + group) * n->sums + (i + k) * n->wide + o);  \
                turn(sum);                                                                                             \
                for (long l = 0; l < least(LANES, s->o - o); l++) {                                                    \
                    TYPE *to = dw + (group * s->o + o + l) * n->size + i;                                              \
                    if (count == LANES)                                                                                \
                        for (int k = 0; k < LANES; k++) to[k] = put_##TYPE(sum[l][k]);                                 \
                    else                                                                                               \
                        for (long k = 0; k < count; k++) to[k] = put_##TYPE(sum[l][k]);                                \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* dw is (groups, o, kh, kw, c), and db, the sums of g, (groups, o) or not wanted. As many pictures are packed at a */\
    /* time as stay in the cache; a cotangent of floats that fill whole vectors is read where it lies. */              \
    int conv2d_weight_##TYPE(const char *x, const char *g, TYPE *dw, TYPE *db, const shape *s, long threads) {         \
        const int in_place = SIZE == 4 && s->o % LANES == 0;                                                           \
        const long all = (s->n + TOGETHER - 1) / TOGETHER, tall = tall_band(s, in_place, all, threads);                \
        const long bands = (s->oh + tall - 1) / tall;                                                                  \
        const packed n = packed_of(s, in_place, tall);                                                                 \
        const long most = bands > 1 ? 1 : CACHE / 4 / (n.x + n.g), batch = most < 1 ? 1 : least(most, all);            \
        threads = least(threads, all * bands);                                                                         \
        const long biases = db ? s->groups * n.wide : 0;                                                               \
        float *sums = calloc(threads * (s->groups * n.sums + biases), sizeof(float));                                  \
        float *bias_sums = sums + threads * s->groups * n.sums;                                                        \
        int failed = !sums || (db && TOGETHER > 1);                                                                    \
        if (failed) {                                                                                                  \
            free(sums);                                                                                                \
            return 1;                                                                                                  \
        }                                                                                                              \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(all * bands)                                                                                         \
            float *sum = sums + omp_get_thread_num() * s->groups * n.sums;                                             \
            /* Room for the last vector's end, in whole lines of the cache. */                                         \
            const long g_bytes = (in_place ? 0 : batch * n.g * 4) + 127;                                               \
            uint32_t *xs = calloc(batch * n.x, 4), *gs = aligned_alloc(64, g_bytes / 64 * 64);                         \
            if (!xs || !gs) {                                                                                          \
                _Pragma("omp atomic write") failed = 1;                                                                \
                last = first;                                                                                          \
            }                                                                                                          \
            for (long at = first; at < last; at += batch) {                                                            \
                const long unit = at / bands, top = at % bands * tall, units = least(batch, last - at);                \
                shape band = *s;                                                                                       \
                band.oh = least(tall, s->oh - top);                                                                    \
                const long seen = (band.oh - 1) * s->sh + (s->kh - 1) * s->dh + 1;                                     \
                for (long group = 0; group < s->groups; group++) {                                                     \
                    const long lies = (unit * s->oh + top) * s->ow * n.place + group * s->o;                           \
                    const uint32_t *from = in_place ? (const uint32_t *)g + lies : gs;                                 \
                    for (long u = 0; u < units; u++) {                                                                 \
                        pack_x_##TYPE(x, unit + u, group, top * s->sh - s->ph, seen, xs + u * n.x, s, &n);             \
                        if (!in_place) pack_g_##TYPE(g, unit + u, group, top, band.oh, gs + u * n.g, s);               \
                    }                                                                                                  \
                    if (db)                                                                                            \
                        add_bias_##TYPE(from, bias_sums + omp_get_thread_num() * biases + group * n.wide, units, &band,\
                                        &n);                                                                           \
                    add_##TYPE(xs, from, sum + group * n.sums, units, &band, &n);                                      \
                }                                                                                                      \
            }                                                                                                          \
            free(xs);                                                                                                  \
            free(gs);                                                                                                  \
        }                                                                                                              \
        if (!failed) finish_##TYPE(sums, dw, threads, s, &n);                                                          \
        for (long o = 0; o < (db ? s->groups * s->o : 0); o++) {                                                       \
            double all = 0.0;                                                                                          \
            for (long t = 0; t < threads; t++) all += bias_sums[t * biases + o / s->o * n.wide + o % s->o];            \
            db[o] = put_##TYPE((float)all);                                                                            \
        }                                                                                                              \
        free(sums);                                                                                                    \
        return failed;                                                                                                 \
    }

GRADIENT(float, 4, 1)

GRADIENT(bfloat16, 2, PAIR)

// The same for matrices: dw[c][o] is the sum over rows n of x[n][c] g[n][o], n even. The rows are the places of a picture
// one pixel high, or of two, the first half of them and the second. Threads share out the columns of g, so that nobody's sums
// have to be added up.
int linear_weight_bfloat16(const uint16_t *x, const uint16_t *g, float *dw, long n, long c, long o, long threads) {
    long places = n / PAIR, blocks = (o + WIDE * LANES - 1) / (WIDE * LANES), band = tall_of(c, WIDE);
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
        for (long first = 0; first < c; first += band) {
            long tall = least(band, c - first);
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
            for (long row = 0; row < c; row += band) {
                long tall = least(band, c - row);
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
    long band = tall_of(c, WIDE);
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
