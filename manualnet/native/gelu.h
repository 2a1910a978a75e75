// The normal distribution, for float, in a form that compilers turn into vector code.

// phi(x) = e^(-x^2/2) / sqrt(2 pi), and Phi(x) from Mills' ratio: Phi(-a) = phi(a) R(a) for a >= 0, where R is a
// polynomial of degree 10 in 1 / (1 + 0.3 a), fitted on 0 ... 40 to a relative error of 3e-8. Small values of Phi keep
// their relative precision that way, which 1 + erf would lose.
static inline float normal(float x, float *density) {
    float a = fabsf(x), t = 1.0f / (1.0f + 0.3f * a), r = -4.304129256e-02f;
    *density = exp_below(-0.5f * x * x) * 0.39894228f;
    r = r * t + 2.385983932e-01f;
    r = r * t - 4.795682029e-01f;
    r = r * t + 3.700280831e-01f;
    r = r * t - 1.177065650e-01f;
    r = r * t + 2.031112832e-01f;
    r = r * t + 2.076400636e-01f;
    r = r * t + 2.743345591e-01f;
    r = r * t + 2.999156781e-01f;
    r = r * t + 3.000021706e-01f;
    r *= t * *density;
    return x < 0.0f ? r : 1.0f - r;
}

static inline float gelu(float x) {
    float density;
    return x * normal(x, &density);
}

static inline float gelu_slope(float x) {
    float density, share = normal(x, &density);
    return share + x * density;
}

// The slope of x (1 + t) / 2 with t = tanh(u), u = k (x + c x^3): 1 - t = 2 e^-2u / (1 + e^-2u) for u >= 0.
static inline float gelu_tanh_slope(float x) {
    float x2 = x * x, u = 0.79788456f * fabsf(x) * (1.0f + 0.044715f * x2);
    float e = exp_below(-2.0f * u), rest = 1.0f / (1.0f + e);
    // (1 + t) / 2 is the logistic function of 2u, and its slope 2 rest (e rest).
    float share = x < 0.0f ? e * rest : rest;
    return share + 2.0f * x * (e * rest) * rest * 0.79788456f * (1.0f + 0.134145f * x2);
}
