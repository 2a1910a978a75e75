// Numbers in memory and in registers: half precision is computed with as float, and rounded once, to even.

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bfloat16;

static inline float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline uint32_t to_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline float get_float(float x) { return x; }
static inline float put_float(float x) { return x; }
static inline float get_bfloat16(bfloat16 x) { return from_bits((uint32_t)x << 16); }
static inline bfloat16 put_bfloat16(float x) {
    uint32_t bits = to_bits(x);
    return x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// 0 for NaN, as PyTorch has it.
static inline float sign(float x) { return (float)((x > 0.0f) - (x < 0.0f)); }

static inline long least(long a, long b) { return a < b ? a : b; }
