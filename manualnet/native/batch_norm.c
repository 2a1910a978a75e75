// Batch normalisation, alone or with ReLU or GELU after it, over pixels of channels: x is (pixels, c), and each pass
// reads it once.
//
// Several pixels make one row where that fills whole vectors: `width` is channels times the pixels of a row. Sums are
// taken in float over a few rows, and beyond that in double.

enum { FEW = 16, TOGETHER = 4, SAMPLE = 64 };

// Numbers for every place of a row: `count` vectors of `width`, each a channel's number repeated.
static float *repeated(const shape *s, int count) { return calloc(count * s->width, sizeof(float)); }

static void repeat(float *row, const shape *s) {
    for (long i = s->channels; i < s->width; i++) row[i] = row[i - s->channels];
}

static void affine(const shape *s, const void *weight, const void *bias, const float *v, float *scale, float *shift) {
    for (long c = 0; c < s->channels; c++) {
        scale[c] = scale_of(s, weight, v, c);
        shift[c] = shift_of(s, bias, c);
    }
    repeat(scale, s);
    repeat(shift, s);
}

// The sums of all threads and of all pixels of a row: two for every channel, in the first thread's place.
static void gather(double *sums, const shape *s) {
    for (long k = 0; k < 2; k++)
        for (long c = 0; c < s->channels; c++) {
            double total = 0.0;
            for (int thread = 0; thread < s->threads; thread++)
                for (long i = c; i < s->width; i += s->channels) total += sums[(2 * thread + k) * s->width + i];
            sums[k * s->width + c] = total;
        }
}

// Two sums down every column. A few rows go by together, each read from end to end, as memory likes it: `FIRST` is done
// with them, then `TERMS` sets `one` and `two` for element i, which lies in column c, and `LAST` comes after all of them.
#define ROWS(COUNT, FIRST, TERMS, LAST)                                                                                \
    {                                                                                                                  \
        const long count = COUNT, start = row * s->width;                                                              \
        FIRST;                                                                                                         \
        for (long c = 0; c < s->width; c++) {                                                                          \
            float add1 = 0.0f, add2 = 0.0f;                                                                            \
            for (long k = 0; k < count; k++) {                                                                         \
                const long i = start + k * s->width + c;                                                               \
                float one, two;                                                                                        \
                TERMS;                                                                                                 \
                add1 += one;                                                                                           \
                add2 += two;                                                                                           \
            }                                                                                                          \
            sum1[c] += add1;                                                                                           \
            sum2[c] += add2;                                                                                           \
        }                                                                                                              \
        LAST;                                                                                                          \
    }

#define SUMS(FIRST, TERMS, LAST)                                                                                       \
    double *sums = calloc(2 * s->threads * s->width, sizeof(double));                                                  \
    _Pragma("omp parallel num_threads(s->threads) if(s->threads > 1)") {                                               \
        SHARE(s->rows)                                                                                                 \
        double *restrict sum = sums + omp_get_thread_num() * 2 * s->width;                                             \
        float *restrict sum1 = repeated(s, 2 + TOGETHER), *restrict sum2 = sum1 + s->width, *own = sum2 + s->width;    \
        for (long row = first; row < last;) {                                                                          \
            const long to = row + FEW < last ? row + FEW : last;                                                       \
            for (; row + TOGETHER <= to; row += TOGETHER) ROWS(TOGETHER, FIRST, TERMS, LAST)                           \
            for (; row < to; row++) ROWS(1, FIRST, TERMS, LAST)                                                        \
            for (long c = 0; c < s->width; c++) {                                                                      \
                sum[c] += sum1[c];                                                                                     \
                sum[s->width + c] += sum2[c];                                                                          \
                sum1[c] = sum2[c] = 0.0f;                                                                              \
            }                                                                                                          \
        }                                                                                                              \
        (void)own; /* rows for whoever needs them */                                                                   \
        free(sum1);                                                                                                    \
    }                                                                                                                  \
    gather(sums, s);

#define MOMENTS(T)                                                                                                     \
    static void moments_##T(const T *x, float *mean, float *v, const shape *s) {                                       \
        /* Counted from the mean of a few, a channel's sum of squares loses no digits to its mean. They come from */   \
        /* everywhere, an odd step apart, so that they are not all from one picture or one column. */                  \
        float *restrict shift = repeated(s, 1);                                                                        \
        long step = s->pixels / SAMPLE | 1, sampled = (s->pixels + step - 1) / step;                                   \
        float part = 1.0f / sampled;                                                                                   \
        for (long p = 0; p < s->pixels; p += step)                                                                     \
            for (long c = 0; c < s->channels; c++) shift[c] += get_##T(x[p * s->channels + c]) * part;                 \
        for (long c = 0; c < s->channels; c++)                                                                         \
            if (!isfinite(shift[c])) shift[c] = 0.0f;                                                                  \
        repeat(shift, s);                                                                                              \
        SUMS(, float centred = get_##T(x[i]) - shift[c]; one = centred; two = centred * centred, )                     \
        for (long c = 0; c < s->channels; c++)                                                                         \
            set_moments(s, shift[c], sums[c], sums[s->width + c], mean + c, v + c);                                    \
        free(sums);                                                                                                    \
        free(shift);                                                                                                   \
    }

#define KERNELS(T, ACTIVATION)                                                                                         \
    /* y from given mean and v; with `training` they are computed first. */                                            \
    void batch_norm_##ACTIVATION##_##T(const T *x, T *y, const void *weight, const void *bias, float *mean,            \
                                       float *v, long training, const shape *s) {                                      \
        if (training) moments_##T(x, mean, v, s);                                                                      \
        float *restrict centre = repeated(s, 3), *restrict scale = centre + s->width;                                  \
        float *restrict shift = scale + s->width;                                                                      \
        memcpy(centre, mean, s->channels * sizeof(float));                                                             \
        repeat(centre, s);                                                                                             \
        affine(s, weight, bias, v, scale, shift);                                                                      \
        _Pragma("omp parallel num_threads(s->threads) if(s->threads > 1)") {                                           \
            SHARE(s->rows)                                                                                             \
            float *apart = sizeof(T) == sizeof(float) ? NULL : repeated(s, 1);                                         \
            for (long row = first; row < last; row++) {                                                                \
                const long at = row * s->width;                                                                        \
                ACTIVATION##_stretch_##T(x + at, y + at, apart, centre, scale, shift, s->width);                       \
            }                                                                                                          \
            free(apart);                                                                                               \
        }                                                                                                              \
        free(centre);                                                                                                  \
    }                                                                                                                  \
                                                                                                                       \
    /* dx = dz scale of a few stretches, in evaluation; `dz` is there where it takes long. */                          \
    static __attribute__((noinline)) void ACTIVATION##_direct_##T(                                                     \
        const T *restrict dy, const T *restrict x, T *dx, const float *dz, const float *restrict centre,               \
        const float *restrict scale, const float *restrict shift, long rows, long count) {                             \
        for (long k = 0; k < rows; k++, dy += count, x += count, dz += count, dx += count)                             \
            for (long c = 0; c < count; c++) {                                                                         \
                const float z = (get_##T(x[c]) - centre[c]) * scale[c] + shift[c];                                     \
                dx[c] = put_##T((ACTIVATION##_takes_long ? dz[c] : ACTIVATION##_back(get_##T(dy[c]), z)) * scale[c]);  \
            }                                                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    /* dx (unless null), dweight and dbias; d_mean and d_v (or null) are the cotangents of the statistics. Without */  \
    /* `training` the statistics are constants, and only the direct path to dx is left. */                             \
    void batch_norm_##ACTIVATION##_backward_##T(const T *dy, const T *x, T *dx, const void *weight,                    \
                                                const void *bias, const float *mean, const float *v,                   \
                                                const float *d_mean, const float *d_v, void *dweight, void *dbias,     \
                                                long training, const shape *s) {                                       \
        float *restrict centre = repeated(s, 6), *restrict scale = centre + s->width;                                  \
        float *restrict shift = scale + s->width, *restrict mean_dz = shift + s->width;                                \
        float *restrict slope = mean_dz + s->width, *restrict lift = slope + s->width;                                 \
        memcpy(centre, mean, s->channels * sizeof(float));                                                             \
        repeat(centre, s);                                                                                             \
        affine(s, weight, bias, v, scale, shift);                                                                      \
        /* The sums of dz and of dz (x - mean). What takes long waits in dx for the second pass, if it is not */       \
        /* rounded there. */                                                                                           \
        const int keep = dx && ACTIVATION##_takes_long && sizeof(T) == sizeof(float);                                  \
        /* And where dx needs no sums, the first pass is all. */                                                       \
        const int direct = dx && !training;                                                                            \
        SUMS(float *dz = keep ? (float *)dx + start : own; if (ACTIVATION##_takes_long)                                \
                 ACTIVATION##_dz_##T(dy + start, x + start, dz, centre, scale, shift, count, s->width),                \
             float centred = get_##T(x[i]) - centre[c];                                                                \
             one = ACTIVATION##_takes_long ? dz[i - start]                                                             \
                                           : ACTIVATION##_back(get_##T(dy[i]), centred * scale[c] + shift[c]);         \
             two = one * centred,                                                                                      \
             if (direct) ACTIVATION##_direct_##T(dy + start, x + start, dx + start, dz, centre, scale, shift, count,   \
                                                 s->width))                                                            \
        double m = (double)s->pixels;                                                                                  \
        for (long c = 0; c < s->channels; c++) {                                                                       \
            double squared = (double)v[c] + s->eps, sum_dz = sums[c], sum_dzc = sums[s->width + c];                    \
            set_parameter(s, dweight, c, sum_dzc / sqrt(squared));                                                     \
            set_parameter(s, dbias, c, sum_dz);                                                                        \
            mean_dz[c] = (float)(sum_dz / m);                                                                          \
            slope[c] = (float)(((d_v ? 2.0 * d_v[c] : 0.0) - scale[c] * sum_dzc / squared) / m);                       \
            lift[c] = d_mean ? (float)(d_mean[c] / m) : 0.0f;                                                          \
        }                                                                                                              \
        free(sums);                                                                                                    \
        if (dx && !direct) {                                                                                           \
            repeat(mean_dz, s);                                                                                        \
            repeat(slope, s);                                                                                          \
            repeat(lift, s);                                                                                           \
            _Pragma("omp parallel num_threads(s->threads) if(s->threads > 1)") {                                       \
                SHARE(s->rows)                                                                                         \
                for (long at = first * s->width; at < last * s->width; at += s->width)                                 \
                    ACTIVATION##_dx_##T(dy + at, x + at, dx + at, keep, centre, scale, shift, mean_dz, slope, lift,    \
                                        s->width);                                                                     \
            }                                                                                                          \
        }                                                                                                              \
        free(centre);                                                                                                  \
    }

#define TRACK(T)                                                                                                       \
    void batch_norm_track_##T(T *running_mean, T *running_v, const float *mean, const float *v, long channels,         \
                              double momentum, double share) {                                                         \
        const float rest = (float)(1.0 - momentum), of_mean = (float)momentum, of_v = (float)share;                    \
        for (long c = 0; c < channels; c++) {                                                                          \
            running_mean[c] = put_##T(rest * get_##T(running_mean[c]) + of_mean * mean[c]);                            \
            running_v[c] = put_##T(rest * get_##T(running_v[c]) + of_v * v[c]);                                        \
        }                                                                                                              \
    }

TRACK(float)
TRACK(bfloat16)
MOMENTS(float)
MOMENTS(bfloat16)
KERNELS(float, none)
KERNELS(bfloat16, none)
KERNELS(float, relu)
KERNELS(bfloat16, relu)
KERNELS(float, gelu)
KERNELS(bfloat16, gelu)
