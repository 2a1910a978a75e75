// Pictures as planes, (n, c, places), with their channels innermost, (n, places, c).

// A number of a plane and one of the next, where two fill a register's.
#define LAID_float 1
#define LAID_bfloat16 2

// Some places of a plane, or of two, as numbers of 32 bits.
static inline vector planes_float(const float *x, long apart, long count) {
    (void)apart;
    vector v = {0};
    memcpy(&v, x, count * sizeof(float));
    return v;
}

static inline vector planes_bfloat16(const bfloat16 *x, long apart, long count) {
    lanes v = {0};
    for (long l = 0; l < count; l++) v[l] = x[l] | (uint32_t)x[apart + l] << 16;
    return (vector)v;
}

#define PIXELS(T)                                                                                                      \
    static inline void block_##T(const T *x, T *y, long c, long size, long channels, long count) {                     \
        vector rows[LANES];                                                                                            \
        for (long i = 0; i < LANES; i++) {                                                                             \
            const long k = LAID_##T * i, next = k + 1 < channels ? size : 0;                                           \
            rows[i] = k < channels ? planes_##T(x + k * size, next, count) : (vector){0};                              \
        }                                                                                                              \
        turn(rows);                                                                                                    \
        for (long p = 0; p < count; p++) memcpy(y + p * c, &rows[p], channels * sizeof(T));                            \
    }                                                                                                                  \
                                                                                                                       \
    void pixels_##T(const T *x, T *y, long n, long c, long size, long threads) {                                       \
        enum { CHANNELS = LAID_##T * LANES };                                                                          \
        const long blocks = (size + LANES - 1) / LANES;                                                                \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long unit = 0; unit < n * blocks; unit++) {                                                               \
            const long i = unit / blocks, from = unit % blocks * LANES, count = least(LANES, size - from);             \
            const T *in = x + i * c * size + from;                                                                     \
            T *out = y + (i * size + from) * c;                                                                        \
            for (long k = 0; k < c; k += CHANNELS)                                                                     \
                if (count == LANES && k + CHANNELS <= c)                                                               \
                    block_##T(in + k * size, out + k, c, size, CHANNELS, LANES);                                       \
                else                                                                                                   \
                    block_##T(in + k * size, out + k, c, size, least(CHANNELS, c - k), count);                         \
        }                                                                                                              \
    }

PIXELS(float)
PIXELS(bfloat16)
