// Pictures with their three channels innermost, (n, places, 3), as planes, (n, 3, places).

#define PLANES(T)                                                                                                      \
    void planes_##T(const T *x, T *y, long n, long places, long threads) {                                             \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long i = 0; i < n; i++) {                                                                                 \
            const T *restrict from = x + i * places * 3;                                                               \
            T *restrict red = y + i * places * 3, *restrict green = red + places, *restrict blue = green + places;     \
            for (long p = 0; p < places; p++) {                                                                        \
                red[p] = from[3 * p];                                                                                  \
                green[p] = from[3 * p + 1];                                                                            \
                blue[p] = from[3 * p + 2];                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }

PLANES(float)
PLANES(bfloat16)
