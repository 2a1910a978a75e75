// The weight gradient of a convolution in bfloat16, on processors that multiply tiles (AMX): dw[o][i][j][c] is the sum over
// n, p, q of g[n][p][q][o] times x[n][p s + i d][q s + j d][c], with stride s and dilation d of each axis, group by group.
//
// A product of tiles sums over 32 numbers: here the same place in 32 pictures, or in bands of fewer pictures. With them
// innermost every place is a tile of its own, for each of the kernel's taps, and the border is tiles of zeros. Three taps,
// a stride apart, slide along a row of the input, so that each step loads two tiles and multiplies three times.

// Blocks of channels taken together, and what they may fill of the second cache.
enum { GROUP = 16, CACHE = 1 << 20 };

// Rows of places, for one, two or three taps: each sum += g's tile times x's at the place, at the next, at the one after.
#define TAPS(COUNT, LOAD, FIRST, PLACES, STORE)                                                                        \
    static void taps##COUNT(const uint16_t *x, const uint16_t *g, float *sum, long rows, long columns, long x_row,     \
                            long x_step, long tap) {                                                                   \
        settle(x);                                                                                                     \
        LOAD                                                                                                           \
        for (long p = 0; p < rows; p++, x += x_row) {                                                                  \
            const uint16_t *at = x + (COUNT - 1) * x_step;                                                             \
            FIRST                                                                                                      \
            for (long q = 0;;) {PLACES}                                                                                \
        }                                                                                                              \
        STORE                                                                                                          \
    }
#define SUM(DO, T) _tile_##DO(T, sum + T * tap, 4 * SIDE);
#define PLACE(LAST, PRODUCTS)                                                                                          \
    _tile_loadd(LAST, at, 4 * SIDE);                                                                                   \
    _tile_loadd(6, g, 4 * SIDE);                                                                                       \
    PRODUCTS at += x_step, g += TILE;                                                                                  \
    if (++q == columns) break;
#define TIMES(T, X) _tile_dpbf16ps(T, 6, X);

TAPS(1, SUM(loadd, 0), , PLACE(3, TIMES(0, 3)), SUM(stored, 0))
TAPS(2, SUM(loadd, 0) SUM(loadd, 1), _tile_loadd(3, x, 4 * SIDE);
     , PLACE(4, TIMES(0, 3) TIMES(1, 4)) PLACE(3, TIMES(0, 4) TIMES(1, 3)), SUM(stored, 0) SUM(stored, 1))
TAPS(3, SUM(loadd, 0) SUM(loadd, 1) SUM(loadd, 2), _tile_loadd(3, x, 4 * SIDE); _tile_loadd(4, x + x_step, 4 * SIDE);
     , PLACE(5, TIMES(0, 3) TIMES(1, 4) TIMES(2, 5)) PLACE(3, TIMES(0, 4) TIMES(1, 5) TIMES(2, 3))
           PLACE(4, TIMES(0, 5) TIMES(1, 3) TIMES(2, 4)),
     SUM(stored, 0) SUM(stored, 1) SUM(stored, 2))

typedef void (*taps)(const uint16_t *, const uint16_t *, float *, long, long, long, long, long);
static const taps taps_of[] = {taps1, taps2, taps3};

// `rows` rows with `border` zeros beside and rows of zeros where there are none; blocks of the c channels from `first` to
// `last`, each a plane, of pixels `step` apart. With `pooled`, two rows and columns make one of memory, from `start` on: the
// number there goes to the one place of the four that was `chosen`, and zeros to the others. With `sum` each channel's numbers
// are added up there.
static inline void pack_rows(const lanes *all, long h, long w, long c, long step, long rows, long border, long first,
                             long last, uint16_t *to, long plane, int turned, const uint16_t *start, const uint8_t *chosen,
                             const int pooled, floats *sum) {
    for (long p = 0; p < rows; p++) {
        const uint16_t *row[DEEP];
        uint8_t below[DEEP];
        uint32_t inside = row_of(all, DEEP, p, h >> pooled, (w >> pooled) * step, pooled, row, below);
        for (long q = -border; q < w + border; q++, to += TILE)
            for (long b = first; b < last; b++) {
                long offset = (q >> pooled) * step + b * SIDE;
                __mmask16 kept[DEEP];
                if (!inside || q < 0 || q >= w) {
                    memset(to + (b - first) * plane, 0, TILE * 2);
                    continue;
                }
                keep(inside, c - b * SIDE, kept);
                for (int l = 0; l < DEEP && pooled; l++)
                    kept[l] = _mm_mask_cmpeq_epi8_mask(
                        kept[l], _mm_maskz_loadu_epi8(kept[l], chosen + (row[l] + offset - start)),
                        _mm_set1_epi8(2 * below[l] + (q & 1)));
                pack(row, kept, offset, to + (b - first) * plane, turned, sum ? sum + b * SIDE : 0);
            }
    }
}

// dw is (o, kh, kw, c), and db, the sums of g, (o) or not wanted. With `chosen`, g is a cotangent of pooled numbers, and places
// in no window are not counted.
static int one_group(const uint16_t *x, const uint16_t *g, const uint8_t *chosen, uint16_t *dw, uint16_t *db,
                     const shape *s, long threads) {
    const int pooled = chosen != 0;
    const long x_step = s->groups * s->c, g_step = s->groups * s->o;
    const long oh = s->oh >> pooled << pooled, ow = s->ow >> pooled << pooled;
    long band = band_of(s, DEEP, threads), bands = parts(oh, band);
    long c_all = parts(s->c, SIDE), o_all = parts(s->o, SIDE), c_group = least(GROUP, c_all), o_group = least(GROUP, o_all);
    // Rows of outputs at a time, so that they and the rows of input that they see stay in the cache.
    long width = s->w + 2 * s->pw, reach = (s->kh - 1) * s->dh + 1, tall = band;
#define SEEN (((tall - 1) * s->sh + reach) * width)
    while (tall > 1 && (SEEN * c_group + tall * ow * o_group) * TILE * 2 > CACHE) tall--;
    // Taps so far apart see at a place what the one before sees at the next: of others none does.
    const long hop = s->sw % s->dw ? s->kw : s->sw / s->dw;
    long x_block = SEEN * TILE, g_block = tall * ow * TILE;
    long tap = o_all * c_all * SIDE * SIDE, size = s->kh * s->kw * tap, units = parts(s->n * bands, DEEP);
    float *sums = aligned_alloc(64, threads * size * sizeof(float));
    floats *all_g = aligned_alloc(64, threads * o_all * SIDE * sizeof(floats));
    int failed = !sums || !all_g;
    if (failed) {
        free(sums);
        free(all_g);
        return 1;
    }
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        // Perhaps fewer threads came than were asked for.
        float *sum = sums + omp_get_thread_num() * size;
        floats *sum_g = all_g + omp_get_thread_num() * o_all * SIDE;
        for (long t = omp_get_thread_num(); t < threads; t += omp_get_num_threads()) {
            memset(sums + t * size, 0, size * sizeof(float));
            memset(all_g + t * o_all * SIDE, 0, o_all * SIDE * sizeof(floats));
        }
        uint16_t *xs = aligned_alloc(64, c_group * x_block * 2), *gs = aligned_alloc(64, o_group * g_block * 2);
        if (!xs || !gs) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp barrier
        configure();
#pragma omp for schedule(static)
        for (long unit = 0; unit < (failed ? 0 : units); unit++) {
            lanes xl = lanes_of(x, s->n, s->h, s->w, x_step, unit * DEEP, DEEP, bands, band * s->sh, s->ph);
            lanes gl = lanes_of(g, s->n, oh >> pooled, ow >> pooled, g_step, unit * DEEP, DEEP, bands, band, 0);
            for (long first = 0; first < band; first += tall) {
                long rows = least(tall, band - first);
                for (long cg = 0; cg < c_all; cg += c_group) {
                    long c_last = least(cg + c_group, c_all);
                    pack_rows(&xl, s->h, s->w, s->c, x_step, (rows - 1) * s->sh + reach, s->pw, cg, c_last, xs, x_block, 0,
                              x, 0, 0, 0);
                    for (long og = 0; og < o_all; og += o_group) {
                        long o_last = least(og + o_group, o_all);
                        if (pooled)
                            pack_rows(&gl, oh, ow, s->o, g_step, rows, 0, og, o_last, gs, g_block, 1, g, chosen, 1, 0);
                        else
                            pack_rows(&gl, oh, ow, s->o, g_step, rows, 0, og, o_last, gs, g_block, 1, g, 0, 0,
                                      db && !cg ? sum_g : 0);
                        for (long o = og; o < o_last; o++)
                            for (long c = cg; c < c_last; c++)
                                for (long i = 0; i < s->kh; i++)
                                    for (long from = 0; from < least(hop, s->kw); from++)
                                        for (long j = from, many; j < s->kw; j += many * hop) {
                                            many = least(3, parts(s->kw - j, hop));
                                            taps_of[many - 1](
                                                xs + (c - cg) * x_block + (i * s->dh * width + j * s->dw) * TILE,
                                                gs + (o - og) * g_block,
                                                sum + (i * s->kw + j) * tap + (o * c_all + c) * SIDE * SIDE, rows, ow,
                                                s->sh * width * TILE, s->sw * TILE, hop * tap);
                                        }
                    }
                }
                for (int l = 0; l < DEEP; l++) xl.top[l] += rows * s->sh, gl.top[l] += rows;
            }
        }
        _tile_release();
        free(xs);
        free(gs);
#pragma omp for
        for (long o = 0; o < s->o; o++)
            for (long i = 0; i < s->kh * s->kw; i++)
                for (long c = 0; c < s->c; c += SIDE) {
                    const float *from = sums + i * tap + (o / SIDE * c_all + c / SIDE) * SIDE * SIDE + o % SIDE * SIDE;
                    float all[SIDE] = {0};
                    for (long t = 0; t < threads; t++)
                        for (int l = 0; l < SIDE; l++) all[l] += from[t * size + l];
                    for (int l = 0; l < least(SIDE, s->c - c); l++)
                        dw[(o * s->kh * s->kw + i) * s->c + c + l] = put_bfloat16(all[l]);
                }
#pragma omp for
        for (long o = 0; o < (db ? s->o : 0); o++) {
            double all = 0.0;
            for (long t = 0; t < threads; t++)
                for (int l = 0; l < SIDE; l++) all += all_g[t * o_all * SIDE + o][l];
            db[o] = put_bfloat16((float)all);
        }
    }
    free(sums);
    free(all_g);
    return failed;
}

int conv2d_weight_tiles(const uint16_t *x, const uint16_t *g, const uint8_t *chosen, uint16_t *dw, uint16_t *db,
                        const shape *s, long threads) {
    const long size = s->o * s->kh * s->kw * s->c;
    int failed = !permitted();
    for (long i = 0; i < s->groups && !failed; i++)
        failed = one_group(x + i * s->c, g + i * s->o, chosen ? chosen + i * s->o : 0, dw + i * size,
                           db ? db + i * s->o : 0, s, threads);
    return failed;
}
