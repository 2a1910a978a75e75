// Pictures as planes, (n, c, places), laid out with their channels innermost, (n, places, c), and back.

// A number of a plane and one of the next, where two fill a register's.
#define LAID_float 1
#define LAID_bfloat16 2

// Some places of a plane, or of two, as numbers of 32 bits.
static inline vector get_planes_float(const float *x, long apart, long count) {
    (void)apart;
    vector v = {0};
    memcpy(&v, x, count * sizeof(float));
    return v;
}

static inline vector get_planes_bfloat16(const bfloat16 *x, long apart, long count) {
    lanes v = {0};
    for (long l = 0; l < count; l++) v[l] = x[l] | (uint32_t)x[apart + l] << 16;
    return (vector)v;
}

static inline void put_planes_float(vector v, float *y, long apart, long count) {
    (void)apart;
    memcpy(y, &v, count * sizeof(float));
}

static inline void put_planes_bfloat16(vector v, bfloat16 *y, long apart, long count) {
    const lanes both = (lanes)v;
    for (long l = 0; l < count; l++) y[l] = (bfloat16)both[l];
    for (long l = 0; l < count && apart; l++) y[apart + l] = (bfloat16)((uint32_t)both[l] >> 16);
}

// Every picture in blocks of places by channels that fill registers: where it begins in either layout, and how far it is
// from channel to channel.
#define PICTURES(NAME, T, BLOCK, IN, IN_STEP, OUT, OUT_STEP)                                                           \
    void NAME##_##T(const T *x, T *y, long n, long c, long size, long threads) {                                       \
        enum { CHANNELS = LAID_##T * LANES };                                                                          \
        const long blocks = (size + LANES - 1) / LANES;                                                                \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long unit = 0; unit < n * blocks; unit++) {                                                               \
            const long i = unit / blocks, from = unit % blocks * LANES, count = least(LANES, size - from);             \
            const long in_planes = i * c * size + from, in_pixels = (i * size + from) * c;                             \
            for (long k = 0; k < c; k += CHANNELS)                                                                     \
                if (count == LANES && k + CHANNELS <= c)                                                               \
                    BLOCK##_##T(x + IN + k * IN_STEP, y + OUT + k * OUT_STEP, c, size, CHANNELS, LANES);               \
                else                                                                                                   \
                    BLOCK##_##T(x + IN + k * IN_STEP, y + OUT + k * OUT_STEP, c, size, least(CHANNELS, c - k), count); \
        }                                                                                                              \
    }

#define PIXELS(T)                                                                                                      \
    static inline void block_##T(const T *x, T *y, long c, long size, long channels, long count) {                     \
        vector rows[LANES];                                                                                            \
        for (long i = 0; i < LANES; i++) {                                                                             \
            const long k = LAID_##T * i, next = k + 1 < channels ? size : 0;                                           \
            rows[i] = k < channels ? get_planes_##T(x + k * size, next, count) : (vector){0};                          \
        }                                                                                                              \
        turn(rows);                                                                                                    \
        for (long p = 0; p < count; p++) memcpy(y + p * c, &rows[p], channels * sizeof(T));                            \
    }                                                                                                                  \
                                                                                                                       \
    PICTURES(pixels, T, block, in_planes, size, in_pixels, 1)                                                          \
                                                                                                                       \
    static inline void block_back_##T(const T *x, T *y, long c, long size, long channels, long count) {                \
        vector rows[LANES] = {{0}};                                                                                    \
        for (long p = 0; p < count; p++) memcpy(&rows[p], x + p * c, channels * sizeof(T));                            \
        turn(rows);                                                                                                    \
        for (long i = 0; i * LAID_##T < channels; i++) {                                                               \
            const long k = LAID_##T * i, next = k + 1 < channels ? size : 0;                                           \
            put_planes_##T(rows[i], y + k * size, next, count);                                                        \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    PICTURES(planes, T, block_back, in_pixels, 1, in_planes, size)                                                     \
                                                                                                                       \
    /* Of three channels, which would leave a register nearly empty. */                                                \
    void colors_##T(const T *x, T *y, long n, long c, long size, long threads) {                                       \
        (void)c;                                                                                                       \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long i = 0; i < n; i++) {                                                                                 \
            const T *restrict from = x + i * size * 3;                                                                 \
            T *restrict red = y + i * size * 3, *restrict green = red + size, *restrict blue = green + size;           \
            for (long p = 0; p < size; p++) {                                                                          \
                red[p] = from[3 * p];                                                                                  \
                green[p] = from[3 * p + 1];                                                                            \
                blue[p] = from[3 * p + 2];                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }

PIXELS(float)
PIXELS(bfloat16)
