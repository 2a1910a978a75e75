// Convolutions with a kernel of 3 x 3, and their weight gradients, by Winograd's minimal filtering. A tile of M x M outputs
// is read off the product of two polynomials, which is computed by its values at N = M + 2 points: instead of 9 M M
// products there are N N. With d the N x N inputs of a tile, w the kernel, g the cotangent of its M x M outputs, and .
// the product of values at one place, summed over channels or tiles,
//
//     y  = At [(G w Gt) . (B d Bt)] A
//     dw = Gt [(B d Bt) . (A g At)] G
//
// A, B and G (t: transposed) stand before this text, with M, N and the type `number` of what is read and written. At each
// of the N N places the sum is a matrix product, in float. Channels lie innermost, and everything outside of a picture is
// zero.

#include <stdlib.h>

#include <omp.h>

// Rows of a block of sums that stays in registers; it is two vectors wide.
#if defined(__AVX512F__)
enum { TALL = 12 };
#else
enum { TALL = 6 };
#endif
// Tiles at a time, so that the values of a few channels stay in the second cache, and, of 32 or 64 channels, not a whole
// page apart; channels that are transformed at once; and what keeps rows from falling on the same lines of the first cache.
enum { FEW = 12, MANY = 108, SLICE = 8, WIDE = 2 * LANES, SKEW = 16, PLACES = N * N };

typedef float slice __attribute__((vector_size(4 * SLICE)));
typedef float loose_slice __attribute__((vector_size(4 * SLICE), aligned(4)));
typedef struct {
    long n, c, h, w, o, oh, ow, ph, pw;
} shape;

static inline long whole(long a, long b) { return (a + b - 1) / b; }

#define INLINE static inline __attribute__((always_inline))

#if HALF
typedef uint16_t halves __attribute__((vector_size(2 * SLICE), aligned(2)));
typedef uint32_t words __attribute__((vector_size(4 * SLICE)));

INLINE slice slice_at(const number *from) {
    return (slice)(__builtin_convertvector(*(const halves *)from, words) << 16);
}

// Of finite numbers, to even.
INLINE void put_slice(number *to, slice x) {
    words bits = (words)x;
    *(halves *)to = __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, halves);
}

#define get get_bfloat16
#define put put_bfloat16
#else
INLINE slice slice_at(const number *from) { return *(const loose_slice *)from; }
INLINE void put_slice(number *to, slice x) { *(loose_slice *)to = x; }
#define get get_float
#define put put_float
#endif

#define UNROLL _Pragma("GCC unroll 8")

// out[i] = the sum over j of matrix(i, j) in[j]. All is known to the compiler: zeros of the matrix cost nothing.
#define APPLY(NAME, ROWS, COLUMNS, MATRIX)                                                                             \
    INLINE void NAME##_once(const slice *in, long in_step, slice *out, long out_step) {                                \
        UNROLL for (int i = 0; i < ROWS; i++) {                                                                        \
            slice sum = {0};                                                                                           \
            UNROLL for (int j = 0; j < COLUMNS; j++) if (MATRIX != 0.0f) sum += MATRIX * in[j * in_step];              \
            out[i * out_step] = sum;                                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    /* On both axes: the matrix times `in` times the matrix transposed. */                                             \
    INLINE void NAME(const slice *in, slice *out) {                                                                    \
        slice half[ROWS * COLUMNS];                                                                                    \
        UNROLL for (int j = 0; j < COLUMNS; j++) NAME##_once(in + j, COLUMNS, half + j, COLUMNS);                      \
        UNROLL for (int i = 0; i < ROWS; i++) NAME##_once(half + i * COLUMNS, 1, out + i * ROWS, 1);                   \
    }

APPLY(values_of_input, N, N, B[i][j])
APPLY(values_of_kernel, N, 3, G[i][j])
APPLY(values_of_cotangent, N, M, A[i][j])
APPLY(output_of, M, N, A[j][i])
APPLY(gradient_of, 3, N, G[j][i])

// out[t][l] (+)= the sum over s of a[t a_row + s a_step] b[s][l].
INLINE void product(long depth, const float *a, long a_row, long a_step, const float *b, float *out, long out_row, int add) {
    vector sum[TALL][2];
    for (int t = 0; t < TALL; t++)
        for (int v = 0; v < 2; v++) sum[t][v] = (vector){0};
    for (long s = 0; s < depth; s++, a += a_step, b += WIDE)
        for (int t = 0; t < TALL; t++)
            for (int v = 0; v < 2; v++) sum[t][v] += a[t * a_row] * *(const loose *)(b + v * LANES);
    for (int t = 0; t < TALL; t++)
        for (int v = 0; v < 2; v++) {
            loose *to = (loose *)(out + t * out_row + v * LANES);
            *to = add ? *to + sum[t][v] : sum[t][v];
        }
}

// Where the pixels of a tile lie whose first is (top, left); those outside of the picture lie in `outside`.
INLINE void locate(number **at, int side, number *picture, long h, long w, long c, long top, long left, number *outside) {
    for (long p = top; p < top + side; p++)
        for (long q = left; q < left + side; q++)
            *at++ = p >= 0 && p < h && q >= 0 && q < w ? picture + (p * w + q) * c : outside;
}

typedef struct {
    long n, top, left;
} corner;

INLINE corner corner_of(long tile, const shape *s) {
    long down = whole(s->oh, M), across = whole(s->ow, M);
    return (corner){tile / (down * across), tile / across % down * M, tile % across * M};
}

static long tiles_of(const shape *s) { return s->n * whole(s->oh, M) * whole(s->ow, M); }

// The values of a tile of inputs, all its channels: a row of v, whose places are `place` apart.
static void input_tile(number *x, float *v, long place, corner at, const shape *s, number *zeros) {
    number *from[N * N];
    locate(from, N, x + at.n * s->h * s->w * s->c, s->h, s->w, s->c, at.top - s->ph, at.left - s->pw, zeros);
    for (long c = 0; c < s->c; c += SLICE) {
        slice in[N * N], out[PLACES];
        for (int i = 0; i < N * N; i++) in[i] = slice_at(from[i] + c);
        values_of_input(in, out);
        for (int f = 0; f < PLACES; f++) *(loose_slice *)(v + f * place + c) = out[f];
    }
}

// The same of cotangents, whose channels are dealt out to blocks of WIDE, `block` apart.
static void cotangent_tile(number *g, float *v, long place, long block, corner at, const shape *s, number *zeros) {
    number *from[M * M];
    locate(from, M, g + at.n * s->oh * s->ow * s->o, s->oh, s->ow, s->o, at.top, at.left, zeros);
    for (long o = 0; o < s->o; o += SLICE) {
        slice in[M * M], out[PLACES];
        for (int i = 0; i < M * M; i++) in[i] = slice_at(from[i] + o);
        values_of_cotangent(in, out);
        for (int f = 0; f < PLACES; f++) *(loose_slice *)(v + f * place + o / WIDE * block + o % WIDE) = out[f];
    }
}

// A tile of outputs from its sums; what was not finite ends as NaN in the result.
static slice output_tile(const float *sums, long place, const number *bias, number *y, corner at, const shape *s, number *waste) {
    number *to[M * M];
    slice check = {0};
    locate(to, M, y + at.n * s->oh * s->ow * s->o, s->oh, s->ow, s->o, at.top, at.left, waste);
    for (long o = 0; o < s->o; o += SLICE) {
        slice in[PLACES], out[M * M], b = {0};
        if (bias) b = slice_at(bias + o);
        for (int f = 0; f < PLACES; f++) in[f] = *(const loose_slice *)(sums + f * place + o);
        output_of(in, out);
        for (int i = 0; i < M * M; i++) {
            put_slice(to[i] + o, out[i] + b);
            check += out[i] * 0;
        }
    }
    return check;
}

static int spoilt(slice check) {
    int any = 0;
    for (int i = 0; i < SLICE; i++) any |= check[i] != 0;
    return any;
}

// The kernel's values: u is (place, block of outputs, channel, WIDE), w is (o, c, 3, 3) with any strides.
static void kernel_values(const number *w, const long *strides, float *u, const shape *s, long threads) {
    long blocks = whole(s->o, WIDE);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (long o = 0; o < blocks * WIDE; o += SLICE)
        for (long c = 0; c < s->c; c++) {
            slice in[9] = {0}, out[PLACES];
            for (long l = 0; l < least(SLICE, s->o - o); l++)
                for (int i = 0; i < 3; i++)
                    for (int j = 0; j < 3; j++)
                        in[i * 3 + j][l] = get(w[(o + l) * strides[0] + c * strides[1] + i * strides[2] + j * strides[3]]);
            values_of_kernel(in, out);
            for (int f = 0; f < PLACES; f++)
                *(loose_slice *)(u + ((f * blocks + o / WIDE) * s->c + c) * WIDE + o % WIDE) = out[f];
        }
}

// y is (n, oh, ow, o), x is (n, h, w, c), both numbers of channels multiples of SLICE. Not 0 where memory is short or an
// output not finite: what meets an infinite number here is more than what does by definition.
int winograd(number *x, const number *w, const number *bias, number *y, const shape *s, const long *strides, long threads) {
    long tiles = tiles_of(s), blocks = whole(s->o, WIDE), row = s->c + SKEW, sum_row = blocks * WIDE + SKEW;
    float *u = malloc(PLACES * blocks * s->c * WIDE * sizeof(float));
    int failed = !u;
    if (failed) return 1;
    kernel_values(w, strides, u, s, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *v = calloc(PLACES * FEW * row, sizeof(float)), *sums = malloc(PLACES * FEW * sum_row * sizeof(float));
        number *zeros = calloc(s->c + s->o, sizeof(number)), *waste = zeros + s->c;
        int bad = !v || !sums || !zeros;
        slice check = {0};
#pragma omp for schedule(dynamic)
        for (long first = 0; first < tiles; first += FEW) {
            if (bad) continue;
            long count = least(FEW, tiles - first);
            for (long t = 0; t < count; t++) input_tile(x, v + t * row, FEW * row, corner_of(first + t, s), s, zeros);
            for (long f = 0; f < PLACES; f++)
                for (long block = 0; block < blocks; block++)
                    for (long t = 0; t < count; t += TALL)
                        product(s->c, v + (f * FEW + t) * row, row, 1, u + (f * blocks + block) * s->c * WIDE,
                                sums + (f * FEW + t) * sum_row + block * WIDE, sum_row, 0);
            for (long t = 0; t < count; t++)
                check += output_tile(sums + t * sum_row, FEW * sum_row, bias, y, corner_of(first + t, s), s, waste);
        }
        if (bad || spoilt(check)) {
#pragma omp atomic write
            failed = 1;
        }
        free(v);
        free(sums);
        free(zeros);
    }
    free(u);
    return failed;
}

// dw is (o, 3, 3, c). Threads share out the tiles as values are computed, and then the places, so that nobody's sums have
// to be added up.
int winograd_weight(number *x, number *g, number *dw, const shape *s, long threads) {
    long tiles = tiles_of(s), blocks = whole(s->o, WIDE), tall = whole(s->c, TALL) * TALL, row = tall + SKEW;
    long sum_row = blocks * WIDE, block_size = MANY * WIDE;
    float *v = calloc(PLACES * MANY * row, sizeof(float)), *h = calloc(PLACES * blocks * block_size, sizeof(float));
    float *sums = calloc(PLACES * tall * sum_row, sizeof(float));
    number *zeros = calloc(s->c + s->o, sizeof(number));
    int failed = !v || !h || !sums || !zeros;
    if (!failed) {
#pragma omp parallel num_threads(threads) if (threads > 1)
        {
            slice check = {0};
            for (long first = 0; first < tiles; first += MANY) {
                long count = least(MANY, tiles - first);
#pragma omp for
                for (long t = 0; t < count; t++) {
                    corner at = corner_of(first + t, s);
                    input_tile(x, v + t * row, MANY * row, at, s, zeros);
                    cotangent_tile(g, h + t * WIDE, blocks * block_size, block_size, at, s, zeros);
                }
#pragma omp for
                for (long f = 0; f < PLACES; f++)
                    for (long c = 0; c < tall; c += TALL)
                        for (long block = 0; block < blocks; block++)
                            product(count, v + f * MANY * row + c, 1, row, h + (f * blocks + block) * block_size,
                                    sums + (f * tall + c) * sum_row + block * WIDE, sum_row, 1);
            }
#pragma omp for
            for (long o = 0; o < s->o; o += SLICE)
                for (long c = 0; c < s->c; c++) {
                    slice in[PLACES], out[9];
                    for (int f = 0; f < PLACES; f++) in[f] = *(const loose_slice *)(sums + (f * tall + c) * sum_row + o);
                    gradient_of(in, out);
                    for (int i = 0; i < 9; i++) {
                        check += out[i] * 0;
                        for (int l = 0; l < SLICE; l++) dw[((o + l) * 9 + i) * s->c + c] = put(out[i][l]);
                    }
                }
            if (spoilt(check)) {
#pragma omp atomic write
                failed = 1;
            }
        }
    }
    free(v);
    free(h);
    free(sums);
    free(zeros);
    return failed;
}
