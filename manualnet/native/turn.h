// Rows in vectors, the last of which overlaps the one before. Rows that are too short for that are turned, and back:
// element j of row b at j * PLACES + b, so that vectors are filled by rows.

enum { PLACES = 128 };

// Elements to a vector: those of half precision fill it only as many as they are in memory.
#define VECTOR(T) (64 / (long)sizeof(T))

#define VECTORS(T)                                                                                                     \
    /* The sum of a vector, which is lost. */                                                                          \
    static inline float total_##T(float *part) {                                                                       \
        _Pragma("GCC unroll 8") for (long w = VECTOR(T) / 2; w > 0; w /= 2)                                            \
            for (long v = 0; v < w; v++) part[v] += part[v + w];                                                       \
        return part[0];                                                                                                \
    }

VECTORS(float)
VECTORS(bfloat16)

#define TURN(T)                                                                                                        \
    /* Rows that lie `apart`. */                                                                                       \
    static inline void turn_##T(const T *restrict rows, T *restrict columns, long count, long c, long apart) {         \
        for (long b = 0; b < count; b++)                                                                               \
            for (long j = 0; j < c; j++) columns[j * PLACES + b] = rows[b * apart + j];                                \
    }                                                                                                                  \
                                                                                                                       \
    static inline void turn_back_##T(const T *restrict columns, T *restrict rows, long count, long c) {                \
        for (long b = 0; b < count; b++)                                                                               \
            for (long j = 0; j < c; j++) rows[b * c + j] = columns[j * PLACES + b];                                    \
    }

TURN(float)
TURN(bfloat16)
