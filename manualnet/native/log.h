// Logarithms beside e^x, in a form that compilers turn into vector code. Needs exp.h.

// log(1 + e) for 0 <= e <= 1: 2 artanh(s) with s = e / (2 + e) <= 1/3, a polynomial of degree 4 in s^2 (relative error
// 4e-9).
static inline float log1p_within(float e) {
    float s = e / (2.0f + e), s2 = s * s, y = 2.817465727e-01f;
    y = y * s2 + 2.796141883e-01f;
    y = y * s2 + 4.002485372e-01f;
    y = y * s2 + 6.666631594e-01f;
    return s * (y * s2 + 2.000000008f);
}

// -log sigma(x) = max(0, -x) + log(1 + e^-|x|).
static inline float minus_log_sigmoid(float x) {
    return (x > 0.0f ? 0.0f : -x) + log1p_within(exp_below(-fabsf(x)));
}

static inline float sigmoid(float x) {
    float e = exp_below(-fabsf(x)), rest = 1.0f / (1.0f + e);
    return x < 0.0f ? e * rest : rest;
}
