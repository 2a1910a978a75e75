// e^x in a form that compilers turn into vector code.

// For x <= 0: 2^k 2^f with k whole and |f| <= 1/2, 2^f by a polynomial of degree 6 (relative error 2e-9). Below e^-87
// it is 0.
static inline float exp_below(float x) {
    // x log2(e) - k in two steps, so that the digits before the point do not cost those behind it.
    float bounded = x < -87.3f ? -87.3f : x;
    float k = (bounded * 1.44269504f + 12582912.0f) - 12582912.0f;
    float f = fmaf(k, -0.693147182f, bounded);
    f = fmaf(k, 1.90465421e-9f, f) * 1.44269504f;
    float y = 1.534581403e-04f;
    y = y * f + 1.339994389e-03f;
    y = y * f + 9.618489059e-03f;
    y = y * f + 5.550328747e-02f;
    y = y * f + 2.402264689e-01f;
    y = y * f + 6.931472058e-01f;
    y = y * f + 1.0f;
    y *= from_bits((uint32_t)((int32_t)k + 127) << 23);
    return x < -87.3f ? 0.0f : y;
}
