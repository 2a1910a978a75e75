// Floats side by side, as many as a register holds; loose ones lie anywhere in memory.

#if defined(__AVX512F__)
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4)));

typedef int32_t lanes __attribute__((vector_size(4 * LANES)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (lanes){__VA_ARGS__})
#if defined(__AVX512F__)
#define LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#else
#define LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#endif

// Rows and columns exchanged. Shuffled like the halves of a pack of cards, all bits of a number's place move up by one;
// after as many rounds as a row's number has bits, row and column have changed places.
static inline void turn(vector *rows) {
    for (int round = 1; round < LANES; round *= 2) {
        vector other[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            other[2 * i] = LOW(rows[i], rows[i + LANES / 2]);
            other[2 * i + 1] = HIGH(rows[i], rows[i + LANES / 2]);
        }
        memcpy(rows, other, sizeof other);
    }
}
