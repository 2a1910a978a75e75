// What batch normalisation of pixels and of planes share.
//
// z = (x - mean) scale + bias with scale = weight / sqrt(v + eps), and y = z, relu(z) or gelu(z). A stretch of numbers
// has its channels' mean and so on beside it, number by number.

#include <stdlib.h>

typedef struct {
    long rows, width, pixels, channels;
    double eps;
    long threads, narrow;
} shape;

// Weight and bias and their gradients are of bfloat16 where the shape is `narrow`, and else of float.
static inline float parameter(const shape *s, const void *from, long c) {
    return s->narrow ? get_bfloat16(((const bfloat16 *)from)[c]) : ((const float *)from)[c];
}

static inline void set_parameter(const shape *s, void *to, long c, double x) {
    if (s->narrow)
        ((bfloat16 *)to)[c] = put_bfloat16((float)x);
    else
        ((float *)to)[c] = (float)x;
}

static inline float scale_of(const shape *s, const void *weight, const float *v, long c) {
    return (float)((weight ? parameter(s, weight, c) : 1.0) / sqrt(v[c] + s->eps));
}

static inline float shift_of(const shape *s, const void *bias, long c) { return bias ? parameter(s, bias, c) : 0.0f; }

// A channel's mean and variance, from the sum of its numbers and of their squares, all counted from `shift`.
static inline void set_moments(const shape *s, float shift, double sum, double squares, float *mean, float *v) {
    double m1 = sum / s->pixels, variance = squares / s->pixels - m1 * m1;
    *mean = (float)(shift + m1);
    *v = variance < 0.0 ? 0.0f : (float)variance;
}

// An activation after it, and a cotangent brought back through it. Where that takes long it is done once, and kept.
enum { none_takes_long = 0, relu_takes_long = 0, gelu_takes_long = 1 };
static inline float none(float z) { return z; }
static inline float none_back(float g, float z) { return (void)z, g; }
static inline float relu(float z) { return z < 0.0f ? 0.0f : z; }
static inline float relu_back(float g, float z) { return z <= 0.0f ? 0.0f : g; }
static inline float gelu_back(float g, float z) { return g * gelu_slope(z); }

// Rounded in a loop of their own: where numbers change their size, compilers shuffle them. A float lies there already.
static inline void narrow_float(const float *wide, float *to, long count) { (void)wide, (void)to, (void)count; }
static inline void narrow_bfloat16(const float *restrict wide, bfloat16 *restrict to, long count) {
    for (long i = 0; i < count; i++) to[i] = put_bfloat16(wide[i]);
}

#define STRETCHES(T, ACTIVATION)                                                                                       \
    /* y of a stretch; `apart` has room for it in float, and is not used by floats. */                                 \
    static __attribute__((noinline)) void ACTIVATION##_stretch_##T(                                                    \
        const T *restrict x, T *restrict y, float *restrict apart, const float *restrict centre,                       \
        const float *restrict scale, const float *restrict shift, long count) {                                        \
        float *restrict wide = sizeof(T) == sizeof(float) ? (float *)y : apart;                                        \
        for (long i = 0; i < count; i++) wide[i] = ACTIVATION((get_##T(x[i]) - centre[i]) * scale[i] + shift[i]);      \
        narrow_##T(wide, y, count);                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    /* dz of a few stretches of the same channels: dy brought back through the activation. */                          \
    static __attribute__((noinline)) void ACTIVATION##_dz_##T(                                                         \
        const T *restrict dy, const T *restrict x, float *restrict dz, const float *restrict centre,                   \
        const float *restrict scale, const float *restrict shift, long rows, long count) {                             \
        for (long k = 0; k < rows; k++)                                                                                \
            for (long c = 0; c < count; c++) {                                                                         \
                const long i = k * count + c;                                                                          \
                dz[i] = ACTIVATION##_back(get_##T(dy[i]), (get_##T(x[i]) - centre[c]) * scale[c] + shift[c]);          \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* dx = (dz - mean_dz) scale + (x - mean) slope + lift of a stretch; with `kept` dx holds dz. */                   \
    static __attribute__((noinline)) void ACTIVATION##_dx_##T(                                                         \
        const T *restrict dy, const T *restrict x, T *restrict dx, int kept, const float *restrict centre,             \
        const float *restrict scale, const float *restrict shift, const float *restrict mean_dz,                       \
        const float *restrict slope, const float *restrict lift, long count) {                                         \
        if (kept)                                                                                                      \
            for (long i = 0; i < count; i++) {                                                                         \
                float centred = get_##T(x[i]) - centre[i];                                                             \
                dx[i] = put_##T((get_##T(dx[i]) - mean_dz[i]) * scale[i] + centred * slope[i] + lift[i]);              \
            }                                                                                                          \
        else                                                                                                           \
            for (long i = 0; i < count; i++) {                                                                         \
                float centred = get_##T(x[i]) - centre[i];                                                             \
                float dz = ACTIVATION##_back(get_##T(dy[i]), centred * scale[i] + shift[i]);                           \
                dx[i] = put_##T((dz - mean_dz[i]) * scale[i] + centred * slope[i] + lift[i]);                          \
            }                                                                                                          \
    }

STRETCHES(float, none)
STRETCHES(bfloat16, none)
STRETCHES(float, relu)
STRETCHES(bfloat16, relu)
STRETCHES(float, gelu)
STRETCHES(bfloat16, gelu)
