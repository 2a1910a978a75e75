// A convolution of 3 columns without groups, stride or dilation in bfloat16: y[n][p][q][o] is b[o] plus the sum over i, j, c
// of x[n][p + i][q + j][c] times w[o][i][j][c].
//
// A product of tiles is 16 places by 16 output channels, summed over 32 channels. The places are the same one in 16
// pictures, or in bands of fewer pictures, so every place is a tile of its own. The sums of two neighbours and of two blocks of
// output channels stay in registers while taps and channels run.

// What input and weights taken together may fill of the second cache, and the neighbours.
enum { INPUT = 1024 * 1024, WEIGHTS = 640 * 1024, PAIR = 2 };

// Tiles 0 and 1 are the first place's sums, 2 and 3 the second's; 4 and 5 are weights, 6 and 7 input.
static void two_by_two(const uint16_t *x, const uint16_t *w, const float *bias, float *sums, long blocks, long rows,
                       long x_row) {
    long step = blocks * TILE, since = 0;
    settle(x);
    _tile_loadd(0, bias, 4 * SIDE);
    _tile_loadd(1, bias + SIDE * SIDE, 4 * SIDE);
    _tile_loadd(2, bias, 4 * SIDE);
    _tile_loadd(3, bias + SIDE * SIDE, 4 * SIDE);
    for (long i = 0; i < rows; i++)
        for (long b = 0; b < blocks; b++, w += 6 * TILE) {
            const uint16_t *at = x + i * x_row + b * TILE;
#define TAP(J, FIRST, SECOND)                                                                                          \
    _tile_loadd(4, w + 2 * J * TILE, 2 * DEEP);                                                                        \
    _tile_loadd(5, w + (2 * J + 1) * TILE, 2 * DEEP);                                                                  \
    _tile_loadd(SECOND, at + (J + 1) * step, 2 * DEEP);                                                                \
    _tile_dpbf16ps(0, FIRST, 4);                                                                                       \
    _tile_dpbf16ps(1, FIRST, 5);                                                                                       \
    _tile_dpbf16ps(2, SECOND, 4);                                                                                      \
    _tile_dpbf16ps(3, SECOND, 5);
            _tile_loadd(6, at, 2 * DEEP);
            TAP(0, 6, 7)
            TAP(1, 7, 6)
            TAP(2, 6, 7)
            if ((since += 12) % AWAKE == 0) _tile_stored(7, sums, 4 * SIDE);
        }
    _tile_stored(0, sums, 4 * SIDE);
    _tile_stored(1, sums + SIDE * SIDE, 4 * SIDE);
    _tile_stored(2, sums + 2 * SIDE * SIDE, 4 * SIDE);
    _tile_stored(3, sums + 3 * SIDE * SIDE, 4 * SIDE);
}

static inline __mmask32 first_of(long count, long most) { return count >= most ? (1ull << most) - 1 : (1ul << count) - 1; }

// `rows` rows with `border` zeros beside and rows of zeros where there are none; a place's blocks of 32 channels lie
// side by side.
static void pack_input(const lanes *all, long h, long w, long c, long rows, long border, uint16_t *to) {
    for (long p = 0; p < rows; p++) {
        const uint16_t *row[SIDE];
        uint32_t inside = row_of(all, SIDE, p, h, w * c, row);
        for (long q = -border; q < w + border; q++)
            for (long b = 0; b * DEEP < c; b++, to += TILE)
                for (int l = 0; l < SIDE; l++) {
                    __mmask32 there = inside >> l & 1 && q >= 0 && q < w ? first_of(c - b * DEEP, DEEP) : 0;
                    _mm512_store_si512(to + l * DEEP, _mm512_maskz_loadu_epi16(there, row[l] + q * c + b * DEEP));
                }
    }
}

// A tile of weights: pairs of input channels, and in each 16 output channels.
static void pack_weight(const uint16_t *w, const long *strides, long outputs, long inputs, uint16_t *to) {
    memset(to, 0, TILE * 2);
    for (long o = 0; o < least(outputs, SIDE); o++)
        for (long c = 0; c < least(inputs, DEEP); c++) to[c / 2 * DEEP + 2 * o + c % 2] = w[o * strides[0] + c * strides[1]];
}

// The tiles of 32 output channels from o on, in the order in which they are multiplied; the bias in every row of two tiles.
static void pack_weights(const uint16_t *w, const uint16_t *bias, const shape *s, const long *strides, long o, uint16_t *to,
                         float *biases) {
    for (long i = 0; i < s->kh; i++)
        for (long c = 0; c < s->c; c += DEEP)
            for (long j = 0; j < 3; j++)
                for (long at = o; at < o + DEEP; at += SIDE, to += TILE)
                    pack_weight(w + at * strides[0] + c * strides[1] + i * strides[2] + j * strides[3], strides, s->o - at,
                                s->c - c, to);
    for (long i = 0; i < 2 * SIDE * SIDE; i++) {
        long at = o + i / (SIDE * SIDE) * SIDE + i % SIDE;
        biases[i] = bias && at < s->o ? get_bfloat16(bias[at]) : 0;
    }
}

// A place's sums rounded, to the lanes that are there; whether any is not finite.
static int round_off(const float *sums, uint16_t *const *row, uint32_t inside, long offset, __mmask32 there) {
    int bad = 0;
    for (int l = 0; l < SIDE; l++) {
        if (!(inside >> l & 1)) continue;
        __m512 low = _mm512_load_ps(sums + l * SIDE), high = _mm512_load_ps(sums + (SIDE + l) * SIDE);
        enum { INFINITE = 0x18, NAN_ = 0x81 };
        bad |= _mm512_fpclass_ps_mask(low, INFINITE | NAN_) | _mm512_fpclass_ps_mask(high, INFINITE | NAN_);
        _mm512_mask_storeu_epi16(row[l] + offset, there, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
    return bad;
}

// Weights are at w[o strides[0] + c strides[1] + i strides[2] + j strides[3]]. 1 where memory is short, 2 where a result is
// not finite: a border of zeros meets infinite weights, too.
int conv2d_tiles(const uint16_t *x, const uint16_t *w, const uint16_t *bias, uint16_t *y, const shape *s, const long *strides,
                 long threads) {
    if (!permitted()) return 1;
    long c_all = parts(s->c, DEEP), o_all = parts(s->o, DEEP), width = s->w + 2 * s->pw;
    long band = band_of(s, SIDE, threads), bands = parts(s->oh, band), units = parts(s->n * bands, SIDE), tall = band;
    while (tall > 1 && (tall + s->kh - 1) * width * c_all * TILE * 2 > INPUT) tall--;
    long x_row = width * c_all * TILE, w_block = s->kh * 3 * c_all * 2 * TILE;
    long o_group = WEIGHTS / (w_block * 2);
    o_group = o_group < 1 ? 1 : o_group;
    uint16_t *weights = aligned_alloc(64, o_all * w_block * 2);
    float *biases = aligned_alloc(64, o_all * 2 * SIDE * SIDE * sizeof(float));
    int failed = !weights || !biases, infinite = 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        uint16_t *xs = failed ? 0 : aligned_alloc(64, ((tall + s->kh - 1) * x_row + c_all * TILE) * 2);
        float sums[2 * PAIR * SIDE * SIDE] __attribute__((aligned(64)));
        int bad = 0;
#pragma omp barrier
        if (!xs) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp barrier
        if (!failed) {
#pragma omp for
            for (long o = 0; o < o_all; o++)
                pack_weights(w, bias, s, strides, o * DEEP, weights + o * w_block, biases + o * 2 * SIDE * SIDE);
            configure();
#pragma omp for
            for (long unit = 0; unit < units; unit++) {
                lanes from = lanes_of(x, s->n, s->h, s->w, s->c, unit * SIDE, SIDE, bands, band, s->ph);
                lanes to = lanes_of(y, s->n, s->oh, s->ow, s->o, unit * SIDE, SIDE, bands, band, 0);
                for (long first = 0; first < band; first += tall) {
                    long rows = least(tall, band - first);
                    pack_input(&from, s->h, s->w, s->c, rows + s->kh - 1, s->pw, xs);
                    for (long og = 0; og < o_all; og += o_group)
                        for (long p = 0; p < rows; p++) {
                            const uint16_t *row[SIDE];
                            uint32_t inside = row_of(&to, SIDE, p, s->oh, s->ow * s->o, row);
                            for (long pair = 0; pair < s->ow; pair += PAIR) {
                                long q = s->ow > 1 ? least(pair, s->ow - PAIR) : 0;
                                for (long o = og; o < least(og + o_group, o_all); o++) {
                                    two_by_two(xs + p * x_row + q * c_all * TILE, weights + o * w_block,
                                               biases + o * 2 * SIDE * SIDE, sums, c_all, s->kh, x_row);
                                    __mmask32 there = first_of(s->o - o * DEEP, DEEP);
                                    for (long m = 0; m < least(PAIR, s->ow); m++)
                                        bad |= round_off(sums + m * 2 * SIDE * SIDE, (uint16_t *const *)row, inside,
                                                         (q + m) * s->o + o * DEEP, there);
                                }
                            }
                        }
                    for (int l = 0; l < SIDE; l++) from.top[l] += rows, to.top[l] += rows;
                }
            }
            _tile_release();
            if (bad) {
#pragma omp atomic write
                infinite = 1;
            }
        }
        free(xs);
    }
    free(weights);
    free(biases);
    return failed ? 1 : infinite ? 2 : 0;
}
