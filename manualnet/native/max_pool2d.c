// Max pooling of channels-last pictures.
//
// x (n, h, w, c) has windows of kh x kw; y (n, oh, ow, c) is the largest of each, the first of equals, NaN above all,
// and `place` says in a byte which element of its window it was. Padding is smaller than every number.
//
// A block of outputs is computed at a time: of few channels several windows side by side, so that vectors are filled.
// On the way back this pays where whole vectors of bytes are. A window that fills vectors by itself is alone.

#include <stdlib.h>

// SECOND is which of two neighbours has the upper bits of the pair.
enum { BLOCK = 128, FULL = 32, DENSE = 16, SECOND = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ };

typedef uint32_t __attribute__((may_alias)) bits_float;
typedef uint16_t __attribute__((may_alias)) bits_bfloat16;
typedef uint64_t __attribute__((may_alias, aligned(4))) pair_float;
typedef uint32_t __attribute__((may_alias, aligned(2))) pair_bfloat16;

typedef struct {
    long n, c, h, w, oh, ow, kh, kw, sh, sw, ph, pw;
} shape;

// Elements side by side, as many as a register holds: of wider vectors compilers compare one element after another.
#if defined(__AVX512F__)
enum { SIDE = 16 };
#else
enum { SIDE = 8 };
#endif
enum { PARTS = 16 / SIDE };
typedef float floats __attribute__((vector_size(4 * SIDE)));
typedef int32_t ints __attribute__((vector_size(4 * SIDE)));
typedef bfloat16 halves __attribute__((vector_size(2 * SIDE)));
typedef uint8_t bytes __attribute__((vector_size(SIDE)));
typedef int16_t shorts __attribute__((vector_size(2 * SIDE)));

// As many whole numbers as wide as a type's.
typedef ints ints_float;
typedef shorts ints_bfloat16;

static inline floats side_float(const float *x) {
    floats v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline floats side_bfloat16(const bfloat16 *x) {
    halves v;
    memcpy(&v, x, sizeof v);
    return (floats)(__builtin_convertvector(v, ints) << 16);
}

// The same back; the largest of some numbers is one of them.
static inline void lay_side_float(float *x, floats v) { memcpy(x, &v, sizeof v); }

static inline void lay_side_bfloat16(bfloat16 *x, floats v) {
    const halves h = __builtin_convertvector((ints)v >> 16, halves);
    memcpy(x, &h, sizeof h);
}

// The largest so far and which it was, after another element of each: its place is k.
static inline void take(floats *best, ints *which, floats v, ints k) {
    const ints taken = (v > *best) | (v != v);
    *best = (floats)((taken & (ints)v) | (~taken & (ints)*best));
    *which = (taken & k) | (~taken & *which);
}

// Windows that share no element, without padding.
static inline int apart(const shape *s) { return s->sh == s->kh && s->sw == s->kw && !s->ph && !s->pw; }

// Windows of whole rows of a plane, which fill a vector, within the picture.
static inline int stretches(const shape *s) {
    const int within = !s->ph && !s->pw && (s->oh - 1) * s->sh + s->kh <= s->h;
    return s->c == 1 && s->kw == s->w && s->kh * s->kw >= SIDE && within;
}

// Element k of a window, counted from its first.
static inline long element(const shape *s, long k) { return (k / s->kw * s->w + k % s->kw) * s->c; }

#define KERNELS(T)                                                                                                     \
    /* One element of each window of a row, side by side; where it lies in the padding, less than every number. */     \
    static inline void collect_##T(const T *restrict x, float *restrict to, long column, long windows, long channels,  \
                                   const shape *s) {                                                                   \
        const long step = s->sw * s->c, begin = least(windows, column < 0 ? (s->sw - 1 - column) / s->sw : 0);         \
        const long end = column + (windows - 1) * s->sw < s->w ? windows                                               \
                         : column < s->w                        ? (s->w - 1 - column) / s->sw + 1                      \
                                                                : 0;                                                   \
        for (long b = 0; b < begin * channels; b++) to[b] = -INFINITY;                                                 \
        if (channels == 1 && step == 2)                                                                                \
            for (long q = begin; q < end; q++) to[q] = get_##T(x[2 * q]);                                              \
        else if (channels == step)                                                                                     \
            for (long b = begin * step; b < end * step; b++) to[b] = get_##T(x[b]);                                    \
        else if (channels == 1)                                                                                        \
            for (long q = begin; q < end; q++) to[q] = get_##T(x[q * step]);                                           \
        else                                                                                                           \
            for (long q = begin; q < end; q++)                                                                         \
                for (long c = 0; c < channels; c++) to[q * channels + c] = get_##T(x[q * step + c]);                   \
        for (long b = (end > begin ? end : begin) * channels; b < windows * channels; b++) to[b] = -INFINITY;          \
    }                                                                                                                  \
                                                                                                                       \
    /* The windows of a row, of channels innermost that fill vectors: some channels of one after another. */           \
    static inline void pixels_##T(const T *restrict x, T *restrict y, uint8_t *restrict place, long row,               \
                                  const shape *s) {                                                                    \
        const long top = row % s->oh * s->sh - s->ph, first = top < 0 ? -top : 0, last = least(s->kh, s->h - top);     \
        const T *from = x + ((row / s->oh * s->h + top) * s->w - s->pw) * s->c;                                        \
        for (long q = 0, to = row * s->ow * s->c; q < s->ow; q++, from += s->sw * s->c) {                              \
            const long left = q * s->sw - s->pw, begin = left < 0 ? -left : 0, end = least(s->kw, s->w - left);        \
            for (long c = 0; c < s->c; c += PARTS * SIDE, to += PARTS * SIDE) {                                        \
                floats best[PARTS];                                                                                    \
                ints which[PARTS];                                                                                     \
                for (int l = 0; l < PARTS; l++) {                                                                      \
                    best[l] = (floats){0} - INFINITY;                                                                  \
                    which[l] = (ints){0} + (int32_t)(first * s->kw + begin);                                           \
                }                                                                                                      \
                for (long i = first; i < last; i++)                                                                    \
                    for (long j = begin; j < end; j++)                                                                 \
                        for (int l = 0; l < PARTS; l++) {                                                              \
                            const floats v = side_##T(from + (i * s->w + j) * s->c + c + l * SIDE);                    \
                            take(best + l, which + l, v, (ints){0} + (int32_t)(i * s->kw + j));                        \
                        }                                                                                              \
                for (int l = 0; l < PARTS; l++) {                                                                      \
                    lay_side_##T(y + to + l * SIDE, best[l]);                                                          \
                    const bytes places = __builtin_convertvector(which[l], bytes);                                     \
                    memcpy(place + to + l * SIDE, &places, SIDE);                                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* A window that is one stretch of memory: the largest of every SIDE-th element, and then of those. The last ones */\
    /* may be seen twice. */                                                                                           \
    static inline void stretch_##T(const T *restrict x, int count, T *y, uint8_t *place) {                             \
        floats best = {0};                                                                                             \
        ints which, at;                                                                                                \
        for (int l = 0; l < SIDE; l++) best[l] = -INFINITY, which[l] = count, at[l] = l;                               \
        for (int i = 0; i < count; i += SIDE) {                                                                        \
            const int from = least(i, count - SIDE);                                                                   \
            take(&best, &which, side_##T(x + from), at + from);                                                        \
        }                                                                                                              \
        float most = -INFINITY;                                                                                        \
        int first = count, nan = -1;                                                                                   \
        _Pragma("omp simd reduction(max : most, nan)") for (int l = 0; l < SIDE; l++) {                                \
            const int no_number = best[l] != best[l] ? which[l] : -1;                                                  \
            most = best[l] > most ? best[l] : most;                                                                    \
            nan = no_number > nan ? no_number : nan;                                                                   \
        }                                                                                                              \
        _Pragma("omp simd reduction(min : first)") for (int l = 0; l < SIDE; l++) {                                    \
            const int equal = best[l] == most ? which[l] : count;                                                      \
            first = equal < first ? equal : first;                                                                     \
        }                                                                                                              \
        /* Of several that are no number the last one counts; where all are the least of numbers, the first. */        \
        *place = (uint8_t)(nan >= 0 ? nan : first < count ? first : 0);                                                \
        *y = x[*place];                                                                                                \
    }                                                                                                                  \
                                                                                                                       \
    void max_pool2d_##T(const T *restrict x, T *restrict y, uint8_t *restrict place, const shape *s, long threads) {   \
        /* Of short rows several make a block. */                                                                      \
        const long several = s->ow * s->c < BLOCK ? BLOCK / (s->ow * s->c) : 1, many = s->c < BLOCK ? BLOCK / s->c : 1;\
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            if (stretches(s)) {                                                                                        \
                for (long row = first; row < last; row++)                                                              \
                    stretch_##T(x + (row / s->oh * s->h + row % s->oh * s->sh) * s->w, (int)(s->kh * s->kw), y + row,  \
                                place + row);                                                                          \
                last = first;                                                                                          \
            }                                                                                                          \
            if (s->c % (PARTS * SIDE) == 0) {                                                                          \
                for (long row = first; row < last; row++) pixels_##T(x, y, place, row, s);                             \
                last = first;                                                                                          \
            }                                                                                                          \
            for (long row = first; row < last; row += several)                                                         \
            for (long q = 0; q < s->ow; q += many)                                                                     \
            for (long c = 0; c < s->c; c += BLOCK) {                                                                   \
                const long rows = least(several, last - row), windows = least(many, s->ow - q);                        \
                const long channels = least(BLOCK, s->c - c), line = windows * channels, left = q * s->sw - s->pw;     \
                const long to = (row * s->ow + q) * s->c + c;                                                          \
                float best[BLOCK], v[BLOCK];                                                                           \
                int32_t which[BLOCK];                                                                                  \
                long tops[BLOCK], pictures[BLOCK];                                                                     \
                for (long r = 0; r < rows; r++) {                                                                      \
                    tops[r] = (row + r) % s->oh * s->sh - s->ph;                                                       \
                    pictures[r] = (row + r) / s->oh * s->h;                                                            \
                }                                                                                                      \
                for (long b = 0; b < rows * line; b++) best[b] = -INFINITY, which[b] = 0;                              \
                /* The first element in the picture: nothing but the least of all numbers may be there. */             \
                for (long r = 0, b = 0; r < rows && s->ph + s->pw; r++)                                                \
                    for (long i = 0; i < windows; i++) {                                                               \
                        const long column = left + i * s->sw;                                                          \
                        const long at = (tops[r] < 0 ? -tops[r] * s->kw : 0) + (column < 0 ? -column : 0);             \
                        for (long end = b + channels; b < end; b++) which[b] = (int32_t)at;                            \
                    }                                                                                                  \
                for (long k = 0; k < s->kh * s->kw; k++) {                                                             \
                    const long column = left + k % s->kw, line_of_window = k / s->kw;                                  \
                    for (long r = 0; r < rows; r++) {                                                                  \
                        const long down = tops[r] + line_of_window;                                                    \
                        if (down < 0 || down >= s->h)                                                                  \
                            for (long b = 0; b < line; b++) v[r * line + b] = -INFINITY;                               \
                        else                                                                                           \
                            collect_##T(x + ((pictures[r] + down) * s->w + column) * s->c + c,                         \
                                        v + r * line, column, windows, channels, s);                                   \
                    }                                                                                                  \
                    for (long b = 0; b < rows * line; b++) {                                                           \
                        int take = (v[b] > best[b]) | (v[b] != v[b]);                                                  \
                        best[b] = take ? v[b] : best[b];                                                               \
                        which[b] = take ? (int32_t)k : which[b];                                                       \
                    }                                                                                                  \
                }                                                                                                      \
                for (long b = 0; b < rows * line; b++) y[to + b] = put_##T(best[b]);                                   \
                for (long b = 0; b < rows * line; b++) place[to + b] = (uint8_t)which[b];                              \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* A row of windows of 2 x 2 in a plane: each dy is half of a pair of neighbours, in the upper or lower row. */    \
    static inline void squares_##T(const bits_##T *restrict dy, const uint8_t *restrict place,                         \
                                   pair_##T *restrict top, pair_##T *restrict below, long windows) {                   \
        for (long q = 0; q < windows; q++) {                                                                           \
            /* Without a branch, which would be guessed wrong every other time. */                                     \
            const pair_##T pair = (pair_##T)dy[q] << ((place[q] % 2 == SECOND) * 8 * sizeof(T));                       \
            const pair_##T upper = (pair_##T)(place[q] / 2) - 1;                                                       \
            top[q] = pair & upper;                                                                                     \
            below[q] = pair & ~upper;                                                                                  \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Each dy whose y came from element k, zeros for the others: comparing bytes, moving bits. */                     \
    static inline void keep_##T(const T *dy, const uint8_t *place, int k, T *to) {                                     \
        bytes places;                                                                                                  \
        ints_##T kept;                                                                                                 \
        memcpy(&places, place, sizeof places);                                                                         \
        memcpy(&kept, dy, sizeof kept);                                                                                \
        kept &= __builtin_convertvector(places == (uint8_t)k, ints_##T);                                               \
        memcpy(to, &kept, sizeof kept);                                                                                \
    }                                                                                                                  \
                                                                                                                       \
    /* Every dy laid where its y came from, zeros everywhere else. */                                                  \
    static void lay_##T(const T *restrict dy, const uint8_t *restrict place, T *restrict dx, const long *elements,     \
                        const shape *s, long threads) {                                                                \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n * s->oh)                                                                                        \
            const int wide = s->c % FULL == 0 && s->kh * s->kw <= DENSE, squares = s->c == 1 && s->kh == 2 && s->kw == 2;\
            for (long row = first; row < last; row++) {                                                                \
                T *top = dx + (row / s->oh * s->h + row % s->oh * s->kh) * s->w * s->c;                                \
                /* Beyond the last whole window, or everywhere. */                                                     \
                const long done = s->ow * s->kw;                                                                       \
                if (!wide && !squares)                                                                                 \
                    memset(top, 0, s->kh * s->w * s->c * sizeof(T));                                                   \
                else if (done < s->w)                                                                                  \
                    for (long r = 0; r < s->kh; r++)                                                                   \
                        memset(top + (r * s->w + done) * s->c, 0, (s->w - done) * s->c * sizeof(T));                   \
                if (row % s->oh == s->oh - 1)                                                                          \
                    memset(top + s->kh * s->w * s->c, 0, (s->h - s->oh * s->kh) * s->w * s->c * sizeof(T));            \
                if (squares) {                                                                                         \
                    squares_##T((const void *)(dy + row * s->ow), place + row * s->ow, (void *)top,                    \
                                (void *)(top + s->w), s->ow);                                                          \
                    continue;                                                                                          \
                }                                                                                                      \
                for (long q = 0, b = row * s->ow * s->c; q < s->ow; q++, b += s->c, top += s->kw * s->c)               \
                    if (wide)                                                                                          \
                        for (int k = 0; k < s->kh * s->kw; k++)                                                        \
                            for (long c = 0; c < s->c; c += SIDE)                                                      \
                                keep_##T(dy + b + c, place + b + c, k, top + elements[k] + c);                         \
                    else                                                                                               \
                        for (long c = 0; c < s->c; c++) top[elements[place[b + c]] + c] = dy[b + c];                   \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Every dy added where its y came from, picture by picture. Ends with 1 if there is no memory. */                 \
    static int add_##T(const T *restrict dy, const uint8_t *restrict place, T *restrict dx, const long *elements,      \
                       const shape *s, long threads) {                                                                 \
        const long size = s->h * s->w * s->c;                                                                          \
        /* Floats are summed where they belong. */                                                                     \
        const int there = sizeof(T) == sizeof(float);                                                                  \
        float *sums = there ? (float *)dx : malloc(threads * size * sizeof(float));                                    \
        if (!sums) return 1;                                                                                           \
        _Pragma("omp parallel num_threads(threads) if(threads > 1)") {                                                 \
            SHARE(s->n)                                                                                                \
            for (long i = first; i < last; i++) {                                                                      \
                float *restrict sum = sums + (there ? i : omp_get_thread_num()) * size;                                \
                memset(sum, 0, size * sizeof(float));                                                                  \
                for (long row = 0, b = i * s->oh * s->ow * s->c; row < s->oh; row++)                                   \
                    for (long q = 0; q < s->ow; q++, b += s->c) {                                                      \
                        const long top = ((row * s->sh - s->ph) * s->w + q * s->sw - s->pw) * s->c;                    \
                        for (long c = 0; c < s->c; c++) sum[top + elements[place[b + c]] + c] += get_##T(dy[b + c]);   \
                    }                                                                                                  \
                for (long k = 0; k < size && !there; k++) dx[i * size + k] = put_##T(sum[k]);                          \
            }                                                                                                          \
        }                                                                                                              \
        if (!there) free(sums);                                                                                        \
        return 0;                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    int max_pool2d_backward_##T(const T *dy, const uint8_t *place, T *dx, const shape *s, long threads) {              \
        long elements[256];                                                                                            \
        for (long k = 0; k < s->kh * s->kw; k++) elements[k] = element(s, k);                                          \
        if (!apart(s) || s->oh != s->h / s->kh || s->ow != s->w / s->kw)                                               \
            return add_##T(dy, place, dx, elements, s, threads);                                                       \
        lay_##T(dy, place, dx, elements, s, threads);                                                                  \
        return 0;                                                                                                      \
    }

KERNELS(float)
KERNELS(bfloat16)
