// Products of tiles of bfloat16 numbers (AMX), and pictures laid out for them: a lane is a picture or a band of its rows, and
// places are taken in all lanes together.

#include <immintrin.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <omp.h>

// Rows of a tile, the numbers in each, and in all; and products of tiles after which one should be stored, wherever it be:
// some 2,000 cycles after the last store the processor (Sapphire Rapids) takes another 1,000 for the next. Numbers ahead
// that memory is asked for.
enum { SIDE = 16, DEEP = 2 * SIDE, TILE = SIDE * DEEP, AWAKE = 96, AHEAD = 128 };

typedef uint32_t vector __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(64)));

typedef struct {
    long n, c, h, w, o, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups;
} shape;

// Where the lanes' rows begin: lane l is there if its bit is set, and goes on from row top[l] of picture[l].
typedef struct {
    const uint16_t *picture[DEEP];
    long top[DEEP];
    uint32_t there;
} lanes;

static inline long parts(long a, long b) { return (a + b - 1) / b; }

// Linux lends the tiles' registers on demand only.
static int permitted(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

// What was written there is in memory: the compiler does not know that a tile is read from it.
static inline void settle(const void *written) { __asm__ volatile("" ::"r"(written) : "memory"); }

static void configure(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } whole = {.palette = 1};
    for (int i = 0; i < 8; i++) whole.bytes[i] = 2 * DEEP, whole.rows[i] = SIDE;
    settle(&whole);
    _tile_loadconfig(&whole);
}

// The rows of output a lane takes: of few pictures as few as give every thread whole tiles.
static inline long band_of(const shape *s, long count, long threads) {
    return parts(s->oh, least(s->oh, parts(count * threads, s->n)));
}

// Lanes `first` to `first + count` of pictures (h, w, c), each of `band` rows that begin `step` rows apart.
static lanes lanes_of(const uint16_t *x, long n, long h, long w, long c, long first, long count, long bands, long step,
                      long border) {
    lanes all = {.there = 0};
    for (long l = 0; l < count; l++) {
        long exists = first + l < n * bands;
        all.there |= (uint32_t)exists << l;
        all.picture[l] = x + (exists ? (first + l) / bands : 0) * h * w * c;
        all.top[l] = (first + l) % bands * step - border;
    }
    return all;
}

// Where each lane's row lies, p rows on; the bits say which are in a picture, and the others may not be looked at. With
// `pooled` 1, two rows make one of memory, and `below` says which of them it is.
static inline uint32_t row_of(const lanes *all, int count, long p, long h, long width, int pooled, const uint16_t **row,
                              uint8_t *below) {
    uint32_t inside = 0;
    for (int l = 0; l < count; l++) {
        long at = all->top[l] + p;
        uint32_t there = all->there >> l & 1 && at >= 0 && at >> pooled < h;
        inside |= there << l;
        row[l] = all->picture[l] + (there ? (at >> pooled) * width : 0);
        below[l] = at & pooled;
    }
    return inside;
}

static inline vector channels(const uint16_t *from, __mmask16 there) {
    return (vector)_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, from));
}

// Which of `count` channels each lane has, if its bit in `there` is set.
static inline void keep(uint32_t there, long count, __mmask16 *kept) {
    __mmask16 all = count < SIDE ? (1 << count) - 1 : 0xffff;
    for (int l = 0; l < DEEP; l++) kept[l] = there >> l & 1 ? all : 0;
}

// A place of each lane: a row of the tile is two lanes side by side, or, turned over, a channel. Channels that are not kept
// are not looked at and count as zeros. The tile's rows are added to `sum` if there is one.
static inline void pack(const uint16_t *const *row, const __mmask16 *kept, long offset, uint16_t *to, int turned,
                        floats *sum) {
    static const vector low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
    static const vector high = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    vector tile[SIDE], other[SIDE];
    for (int l = 0; l < DEEP; l++) _mm_prefetch((const char *)(row[l] + offset + AHEAD), _MM_HINT_T0);
    for (int i = 0; i < SIDE; i++)
        tile[i] = channels(row[2 * i] + offset, kept[2 * i]) | channels(row[2 * i + 1] + offset, kept[2 * i + 1]) << 16;
#pragma GCC unroll 4
    for (int round = 0; round < 4 && turned; round++) {
        for (int i = 0; i < SIDE / 2; i++) {
            __m512i a = (__m512i)tile[i], b = (__m512i)tile[i + SIDE / 2];
            other[2 * i] = (vector)_mm512_permutex2var_epi32(a, (__m512i)low, b);
            other[2 * i + 1] = (vector)_mm512_permutex2var_epi32(a, (__m512i)high, b);
        }
        memcpy(tile, other, sizeof tile);
    }
    memcpy(to, tile, sizeof tile);
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (int i = 0; i < SIDE && sum; i++) sum[i] = (floats)_mm512_dpbf16_ps((__m512)sum[i], (__m512bh)tile[i], ones);
}
