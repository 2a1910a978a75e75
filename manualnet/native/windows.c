// Pictures (rows, w, c), where all rows of all pictures follow one another: every element shared out to a window of
// its own.

#define SPREAD(T)                                                                                                      \
    void spread_##T(const T *restrict x, T *restrict y, const long *size, double divisor, long threads) {               \
        const long rows = size[0], w = size[1], c = size[2], kh = size[3], kw = size[4], length = w * kw * c;          \
        const float d = (float)divisor;                                                                                \
        _Pragma("omp parallel for num_threads(threads) if(threads > 1)")                                               \
        for (long row = 0; row < rows; row++) {                                                                        \
            const T *from = x + row * w * c;                                                                           \
            T *top = y + row * kh * length;                                                                            \
            for (long q = 0; q < w; q++) {                                                                             \
                T *first = top + q * kw * c;                                                                           \
                for (long k = 0; k < c; k++) first[k] = put_##T(get_##T(from[q * c + k]) / d);                         \
                for (long j = 1; j < kw; j++)                                                                          \
                    for (long k = 0; k < c; k++) first[j * c + k] = first[k];                                          \
            }                                                                                                          \
            for (long i = 1; i < kh; i++) memcpy(top + i * length, top, length * sizeof(T));                           \
        }                                                                                                              \
    }

SPREAD(float)
SPREAD(bfloat16)
