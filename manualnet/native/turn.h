// Rows of few elements turned, and back: element j of row b at j * PLACES + b, so that vectors are filled by rows.

enum { PLACES = 128, FEW = 32 };

#define TURN(T)                                                                                                        \
    static inline void turn_##T(const T *restrict rows, T *restrict columns, long count, long c) {                     \
        for (long b = 0; b < count; b++)                                                                               \
            for (long j = 0; j < c; j++) columns[j * PLACES + b] = rows[b * c + j];                                    \
    }                                                                                                                  \
                                                                                                                       \
    static inline void turn_back_##T(const T *restrict columns, T *restrict rows, long count, long c) {                \
        for (long b = 0; b < count; b++)                                                                               \
            for (long j = 0; j < c; j++) rows[b * c + j] = columns[j * PLACES + b];                                    \
    }

TURN(float)
TURN(bfloat16)
