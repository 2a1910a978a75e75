// Batch normalisation, alone or with ReLU or GELU after it, of planes: x is `rows` pictures of `channels` planes of
// `width` numbers each.
//
// A thread does a channel from the first pass to the last, so that its numbers stay in the cache; of small planes
// several channels at once, so that memory is read, and vectors are filled, in long stretches. Sums are taken in float
// over a short part of a plane or a few short planes, and beyond that in double.

enum { MOST = 2048, LONG = 128, SHORT = 512, MANY = 16, FEW = 16, SAMPLE = 64 };

// The channels from c on, `count` of them at a time.
#define CHANNELS(...)                                                                                                  \
    _Pragma("omp parallel num_threads(s->threads) if(s->threads > 1)") {                                               \
        const long together = least(MANY, 1 + (LONG - 1) / s->width);                                                  \
        SHARE(s->channels)                                                                                             \
        for (long c = first; c < last; c += together) {                                                                \
            const long count = least(together, last - c);                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

// A stretch has `length` numbers from `at` on: these channels' planes in one picture, or a part of a long one.
#define STRETCH                                                                                                        \
    for (long row = 0; row < s->rows; row++)                                                                           \
        for (long from = 0, all = count * s->width, at, length;                                                        \
             from < all && (at = (row * s->channels + c) * s->width + from, length = least(MOST, all - from));         \
             from += MOST)

// A number of channel c + k beside every number of a stretch.
#define COLUMN(NAME, VALUE)                                                                                            \
    for (long k = 0; k < count; k++) {                                                                                 \
        const float value = (float)(VALUE);                                                                            \
        for (long i = 0; i < least(s->width, MOST); i++) NAME[k * s->width + i] = value;                               \
    }

// Two sums down some rows of stretches, number by number, where planes are too short to be summed along.
#define DOWN(TERMS, ...)                                                                                               \
    _Pragma("omp simd") for (long i = 0; i < length; i++) {                                                            \
        float one, two;                                                                                                \
        TERMS;                                                                                                         \
        down1[i] += one;                                                                                               \
        down2[i] += two;                                                                                               \
        __VA_ARGS__;                                                                                                   \
    }

// Two sums over some of a stretch: `TERMS` sets `one` and `two` for its element i, and what follows is done with them.
#define SUM(TERMS, ...)                                                                                                \
    _Pragma("omp simd reduction(+ : add1, add2)") for (long i = start; i < end; i++) {                                 \
        float one, two;                                                                                                \
        TERMS;                                                                                                         \
        add1 += one;                                                                                                   \
        add2 += two;                                                                                                   \
        __VA_ARGS__;                                                                                                   \
    }

// The same over each channel: `FIRST` is done with a stretch before; where `USED`, `USE` is done with its elements, and
// `LAST` with the stretch after.
#define SUMS(FIRST, TERMS, USED, USE, LAST)                                                                            \
    double sum1[MANY] = {0}, sum2[MANY] = {0};                                                                         \
    float down1[2 * LONG] = {0}, down2[2 * LONG] = {0};                                                                \
    STRETCH {                                                                                                          \
        FIRST;                                                                                                         \
        if (count > 1) {                                                                                               \
            if (USED) {                                                                                                \
                DOWN(TERMS, USE)                                                                                       \
            } else {                                                                                                   \
                DOWN(TERMS, )                                                                                          \
            }                                                                                                          \
            if (row % FEW == FEW - 1 || row == s->rows - 1)                                                            \
                for (long i = 0; i < length; i++) {                                                                    \
                    sum1[i / s->width] += down1[i];                                                                    \
                    sum2[i / s->width] += down2[i];                                                                    \
                    down1[i] = down2[i] = 0.0f;                                                                        \
                }                                                                                                      \
        } else                                                                                                         \
            for (long start = 0; start < length; start += SHORT) {                                                     \
                const long end = least(start + SHORT, length);                                                         \
                float add1 = 0.0f, add2 = 0.0f;                                                                        \
                if (USED) {                                                                                            \
                    SUM(TERMS, USE)                                                                                    \
                } else {                                                                                               \
                    SUM(TERMS, )                                                                                       \
                }                                                                                                      \
                *sum1 += add1;                                                                                         \
                *sum2 += add2;                                                                                         \
            }                                                                                                          \
        if (USED) LAST;                                                                                                \
    }

#define MOMENTS(T)                                                                                                     \
    static void moments_##T(const T *x, float *mean, float *v, long c, long count, const shape *s) {                   \
        /* Counted from the mean of a few, a channel's sum of squares loses no digits to its mean. They come from */   \
        /* everywhere, an odd step apart, so that they are not all from one picture or one column. */                  \
        float shift[MANY] = {0};                                                                                       \
        const long step = s->pixels / SAMPLE | 1, sampled = (s->pixels + step - 1) / step;                             \
        for (long k = 0; k < count; k++) {                                                                             \
            for (long p = 0; p < s->pixels; p += step)                                                                 \
                shift[k] += get_##T(x[(p / s->width * s->channels + c + k) * s->width + p % s->width]) / sampled;      \
            if (!isfinite(shift[k])) shift[k] = 0.0f;                                                                  \
        }                                                                                                              \
        float centre[MOST];                                                                                            \
        COLUMN(centre, shift[k])                                                                                       \
        SUMS(, one = get_##T(x[at + i]) - centre[i]; two = one * one, 0, , )                                           \
        for (long k = 0; k < count; k++) set_moments(s, shift[k], sum1[k], sum2[k], mean + c + k, v + c + k);          \
    }

#define KERNELS(T, ACTIVATION)                                                                                         \
    /* y from given mean and v; with `training` they are computed first. */                                            \
    void batch_norm_planes_##ACTIVATION##_##T(const T *x, T *y, const void *weight, const void *bias, float *mean,     \
                                              float *v, long training, const shape *s) {                               \
        CHANNELS({                                                                                                     \
            if (training) moments_##T(x, mean, v, c, count, s);                                                        \
            float centre[MOST], scale[MOST], shift[MOST], apart[MOST];                                                 \
            COLUMN(centre, mean[c + k])                                                                                \
            COLUMN(scale, scale_of(s, weight, v, c + k))                                                               \
            COLUMN(shift, shift_of(s, bias, c + k))                                                                    \
            STRETCH ACTIVATION##_stretch_##T(x + at, y + at, apart, centre, scale, shift, length);                     \
        })                                                                                                             \
    }                                                                                                                  \
                                                                                                                       \
    /* dx (unless null), dweight and dbias; d_mean and d_v (or null) are the cotangents of the statistics. Without */  \
    /* `training` the statistics are constants, and only the direct path to dx is left. */                             \
    void batch_norm_planes_##ACTIVATION##_backward_##T(const T *dy, const T *x, T *dx, const void *weight,             \
                                                       const void *bias, const float *mean, const float *v,            \
                                                       const float *d_mean, const float *d_v, void *dweight,           \
                                                       void *dbias, long training, const shape *s) {                   \
        /* What takes long waits in dx for the second pass, if it is not rounded there. */                             \
        const int keep = dx && ACTIVATION##_takes_long && sizeof(T) == sizeof(float);                                  \
        const double m = (double)s->pixels;                                                                            \
        /* And where dx needs no sums, the first pass is all. */                                                       \
        const int direct = dx && !training;                                                                            \
        CHANNELS({                                                                                                     \
            float centre[MOST], scale[MOST], shift[MOST], mean_dz[MOST], slope[MOST], lift[MOST];                      \
            float own[MOST], apart[MOST];                                                                              \
            COLUMN(centre, mean[c + k])                                                                                \
            COLUMN(scale, scale_of(s, weight, v, c + k))                                                               \
            COLUMN(shift, shift_of(s, bias, c + k))                                                                    \
            SUMS(float *to = direct && sizeof(T) == sizeof(float) ? (float *)dx + at : apart;                          \
                 float *dz = keep ? (float *)dx + at : own; if (ACTIVATION##_takes_long)                               \
                     ACTIVATION##_dz_##T(dy + at, x + at, dz, centre, scale, shift, 1, length),                        \
                 float centred = get_##T(x[at + i]) - centre[i];                                                       \
                 one = ACTIVATION##_takes_long ? dz[i]                                                                 \
                                               : ACTIVATION##_back(get_##T(dy[at + i]), centred * scale[i] + shift[i]);\
                 two = one * centred, direct, to[i] = one * scale[i], narrow_##T(to, dx + at, length))                 \
            double squared[MANY];                                                                                      \
            for (long k = 0; k < count; k++) {                                                                         \
                squared[k] = (double)v[c + k] + s->eps;                                                                \
                set_parameter(s, dweight, c + k, sum2[k] / sqrt(squared[k]));                                          \
                set_parameter(s, dbias, c + k, sum1[k]);                                                               \
            }                                                                                                          \
            if (!dx || direct) continue;                                                                               \
            COLUMN(mean_dz, sum1[k] / m)                                                                               \
            COLUMN(lift, d_mean ? d_mean[c + k] / m : 0.0)                                                             \
            COLUMN(slope, ((d_v ? 2.0 * d_v[c + k] : 0.0) - scale[k * s->width] * sum2[k] / squared[k]) / m)           \
            STRETCH ACTIVATION##_dx_##T(dy + at, x + at, dx + at, keep, centre, scale, shift, mean_dz, slope, lift,    \
                                        length);                                                                       \
        })                                                                                                             \
    }

MOMENTS(float)
MOMENTS(bfloat16)
KERNELS(float, none)
KERNELS(bfloat16, none)
KERNELS(float, relu)
KERNELS(bfloat16, relu)
KERNELS(float, gelu)
KERNELS(bfloat16, gelu)
