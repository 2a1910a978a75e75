// A convolution of 3 columns without groups, stride or dilation in bfloat16: y[n][p][q][o] is b[o] plus the sum over i, j, c
// of x[n][p + i][q + j][c] times w[o][i][j][c].
//
// A product of tiles is 16 places by 16 output channels, summed over 32 channels. The places are the same one in 16
// pictures, or in bands of fewer pictures, so every place is a tile of its own. The sums of up to three neighbours and of
// two blocks of output channels stay in registers while the taps of 32 channels run: what these need stays in the first
// cache, and the next 32 go on from sums in memory.

// What input and weights taken together may fill of the second cache, and a place's sums.
enum { INPUT = 1024 * 1024, WEIGHTS = 640 * 1024, SUMS = 2 * SIDE * SIDE };

// `rows` rows of taps for one, two or three places. The sums go on from `from`, which for each place lies `step` further.
#define PLACES(COUNT, FROM, TAP, TO)                                                                                   \
    static void places##COUNT(const uint16_t *x, const uint16_t *w, const float *from, long step, float *sums,         \
                              long rows, long x_row) {                                                                 \
        settle(x);                                                                                                     \
        FROM                                                                                                           \
        for (long i = 0; i < rows; i++, x += x_row, w += 6 * TILE) {TAP(0) TAP(1) TAP(2)}                              \
        TO                                                                                                             \
    }
#define FROM(PLACE, ONE, OTHER)                                                                                        \
    _tile_loadd(ONE, from + PLACE * step, 4 * SIDE);                                                                   \
    _tile_loadd(OTHER, from + PLACE * step + SIDE * SIDE, 4 * SIDE);
#define TO(PLACE, ONE, OTHER)                                                                                          \
    _tile_stored(ONE, sums + PLACE * SUMS, 4 * SIDE);                                                                  \
    _tile_stored(OTHER, sums + PLACE * SUMS + SIDE * SIDE, 4 * SIDE);
#define X(T, PLACE) _tile_loadd(T, x + (PLACE) * TILE, 2 * DEEP);
#define W(T, COUNT) _tile_loadd(T, w + (COUNT) * TILE, 2 * DEEP);
#define TIMES(T, X, W) _tile_dpbf16ps(T, X, W);
#define TAP1(J) W(6, 2 * J) W(7, 2 * J + 1) X(4, J) TIMES(0, 4, 6) TIMES(1, 4, 7)
#define TAP2(J) TAP1(J) X(5, J + 1) TIMES(2, 5, 6) TIMES(3, 5, 7)
// Six sums leave two registers: the places go by twice.
#define TAP3(J)                                                                                                        \
    W(6, 2 * J) X(7, J) TIMES(0, 7, 6) X(7, J + 1) TIMES(2, 7, 6) X(7, J + 2) TIMES(4, 7, 6)                           \
    W(6, 2 * J + 1) TIMES(5, 7, 6) X(7, J + 1) TIMES(3, 7, 6) X(7, J) TIMES(1, 7, 6)

PLACES(1, FROM(0, 0, 1), TAP1, TO(0, 0, 1))
PLACES(2, FROM(0, 0, 1) FROM(1, 2, 3), TAP2, TO(0, 0, 1) TO(1, 2, 3))
PLACES(3, FROM(0, 0, 1) FROM(1, 2, 3) FROM(2, 4, 5), TAP3, TO(0, 0, 1) TO(1, 2, 3) TO(2, 4, 5))

typedef void (*places)(const uint16_t *, const uint16_t *, const float *, long, float *, long, long);
static const places places_of[] = {places1, places2, places3};

static inline __mmask32 first_of(long count, long most) { return count >= most ? (1ull << most) - 1 : (1ul << count) - 1; }

// `rows` rows with `border` zeros beside, and rows of zeros, which `seen` tells apart, where there are none; each block of
// 32 channels is a plane. Of what was pooled by windows of 2 x 2, numbers from x on, each goes to the place in its window
// that was `chosen`, and zeros to the others.
static inline void pack_input(const lanes *all, const uint16_t *x, const uint8_t *chosen, const shape *s, long rows,
                              uint16_t *to, long plane, uint8_t *seen, const int pooled) {
    const long h = s->h >> pooled, w = s->w >> pooled, c = s->c;
    for (long p = 0; p < rows; p++) {
        const uint16_t *row[SIDE];
        uint8_t below[SIDE];
        uint32_t inside = row_of(all, SIDE, p, h, w * c, pooled, row, below);
        seen[p] = inside != 0;
        for (long q = -s->pw; q < s->w + s->pw; q++, to += TILE)
            for (long b = 0; b * DEEP < c; b++)
                for (int l = 0; l < SIDE; l++) {
                    __mmask32 there = inside >> l & 1 && q >= 0 && q >> pooled < w ? first_of(c - b * DEEP, DEEP) : 0;
                    const uint16_t *at = row[l] + (q >> pooled) * c + b * DEEP;
                    if (pooled)
                        there = _mm256_mask_cmpeq_epi8_mask(there, _mm256_maskz_loadu_epi8(there, chosen + (at - x)),
                                                            _mm256_set1_epi8(2 * below[l] + (q & 1)));
                    _mm512_store_si512(to + b * plane + l * DEEP, _mm512_maskz_loadu_epi16(there, at));
                }
    }
}

// A tile of weights: pairs of input channels, and in each 16 output channels.
static void pack_weight(const uint16_t *w, const long *strides, long outputs, long inputs, uint16_t *to) {
    const __mmask16 all = outputs > 0 ? first_of(outputs, SIDE) : 0;
    if (strides[0] == 1)
        for (long c = 0; c < DEEP; c += 2, w += 2 * strides[1], to += DEEP)
            _mm512_store_si512(to, (__m512i)(channels(w, c < inputs ? all : 0) |
                                             channels(w + strides[1], c + 1 < inputs ? all : 0) << 16));
    else if (strides[1] == 1 && inputs >= DEEP) {
        __m512i at[2];
        for (int i = 0; i < 2; i++) {
            __m512i o = _mm512_add_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(8 * i));
            at[i] = _mm512_mullo_epi64(o, _mm512_set1_epi64(strides[0]));
        }
        for (long c = 0; c < DEEP; c += 2, to += DEEP)
            for (int i = 0; i < 2; i++)
                _mm256_store_si256((__m256i *)to + i, _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), all >> 8 * i,
                                                                                   at[i], w + c, 2));
    } else {
        memset(to, 0, TILE * 2);
        for (long o = 0; o < least(outputs, SIDE); o++)
            for (long c = 0; c < least(inputs, DEEP); c++)
                to[c / 2 * DEEP + 2 * o + c % 2] = w[o * strides[0] + c * strides[1]];
    }
}

// The tiles of 32 output channels from o and of 32 input channels from c on, in the order in which they are multiplied.
static void pack_weights(const uint16_t *w, const shape *s, const long *strides, long o, long c, uint16_t *to) {
    for (long i = 0; i < s->kh; i++)
        for (long j = 0; j < 3; j++)
            for (long at = o; at < o + DEEP; at += SIDE, to += TILE)
                pack_weight(w + at * strides[0] + c * strides[1] + i * strides[2] + j * strides[3], strides, s->o - at,
                            s->c - c, to);
}

// The bias of 32 output channels from o on, in every row of two tiles.
static void pack_bias(const uint16_t *bias, const shape *s, long o, float *to) {
    for (long i = 0; i < SUMS; i++) {
        long at = o + i / (SIDE * SIDE) * SIDE + i % SIDE;
        to[i] = bias && at < s->o ? get_bfloat16(bias[at]) : 0;
    }
}

// Sums rounded, of 32 channels in one lane; whether any is not finite.
static inline int rounded(const float *sums, int l, __m512i *to) {
    enum { INFINITE = 0x18, NAN_ = 0x81 };
    __m512 low = _mm512_load_ps(sums + l * SIDE), high = _mm512_load_ps(sums + (SIDE + l) * SIDE);
    *to = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    return _mm512_fpclass_ps_mask(low, INFINITE | NAN_) | _mm512_fpclass_ps_mask(high, INFINITE | NAN_);
}

// A place's sums, to the lanes that are there.
static int round_off(const float *sums, uint16_t *const *row, uint32_t inside, long offset, __mmask32 there) {
    int bad = 0;
    for (int l = 0; l < SIDE; l++) {
        __m512i numbers;
        if (!(inside >> l & 1)) continue;
        bad |= rounded(sums, l, &numbers);
        _mm512_mask_storeu_epi16(row[l] + offset, there, numbers);
    }
    return bad;
}

// The largest of four places' sums, the first at a tie, and which it was: `chosen` lies as y does.
static int pool_off(const float *sums, uint16_t *const *row, const uint16_t *y, uint8_t *chosen, uint32_t inside, long offset,
                    __mmask32 there) {
    int bad = 0;
    for (int l = 0; l < SIDE; l++) {
        __m512i largest, best, which = _mm512_setzero_si512();
        if (!(inside >> l & 1)) continue;
        for (int i = 0; i < 4; i++) {
            __m512i numbers;
            bad |= rounded(sums + i * SUMS, l, &numbers);
            // Whole numbers in the same order, and one zero.
            __m512i size = _mm512_and_si512(numbers, _mm512_set1_epi16(0x7fff));
            __m512i order = _mm512_mask_sub_epi16(size, _mm512_movepi16_mask(numbers), _mm512_setzero_si512(), size);
            __mmask32 larger = i ? _mm512_cmpgt_epi16_mask(order, best) : 0xffffffff;
            best = i ? _mm512_max_epi16(order, best) : order;
            largest = i ? _mm512_mask_mov_epi16(largest, larger, numbers) : numbers;
            which = _mm512_mask_mov_epi16(which, larger, _mm512_set1_epi16(i));
        }
        _mm512_mask_storeu_epi16(row[l] + offset, there, largest);
        _mm256_mask_storeu_epi8(chosen + (row[l] - y) + offset, there, _mm512_cvtepi16_epi8(which));
    }
    return bad;
}

// Weights are at w[o strides[0] + c strides[1] + i strides[2] + j strides[3]]. With `chosen`, x is a cotangent of pooled
// numbers, by windows of 2 x 2; with `chooses` y is pooled so, whatever whole windows there are, and says there what it
// chose. 1 where memory is short, 2 where a result is not finite: a border of zeros meets infinite weights, too.
int conv2d_tiles(const uint16_t *x, const uint8_t *chosen, const uint16_t *w, const uint16_t *bias, uint16_t *y,
                 uint8_t *chooses, const shape *s, const long *strides, long threads) {
    if (!permitted()) return 1;
    const int in = chosen != 0, out = chooses != 0;
    long oh = s->oh >> out << out, ow = s->ow >> out << out;
    long c_all = parts(s->c, DEEP), o_all = parts(s->o, DEEP), width = s->w + 2 * s->pw;
    long band = parts(band_of(s, SIDE, threads), 1 + out) << out, bands = parts(oh, band);
    long units = parts(s->n * bands, SIDE), tall = band;
    while (tall > 1 + out && (tall + s->kh - 1) * width * c_all * TILE * 2 > INPUT) tall -= 1 + out;
    long x_row = width * TILE, x_plane = (tall + s->kh - 1) * x_row, w_row = 6 * TILE, w_block = s->kh * c_all * w_row;
    long o_group = WEIGHTS / (w_block * 2);
    o_group = o_group < 1 ? 1 : o_group;
    uint16_t *weights = aligned_alloc(64, o_all * w_block * 2);
    float *biases = aligned_alloc(64, o_all * SUMS * sizeof(float));
    int failed = !weights || !biases, infinite = 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        uint16_t *xs = failed ? 0 : aligned_alloc(64, c_all * x_plane * 2);
        float *sums = failed ? 0 : aligned_alloc(64, (ow << out) * SUMS * sizeof(float));
        uint8_t *seen = failed ? 0 : malloc(tall + s->kh - 1);
        int bad = 0;
#pragma omp barrier
        if (!xs || !sums || !seen) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp barrier
        if (!failed) {
#pragma omp for
            for (long i = 0; i < o_all * c_all; i++) {
                long o = i / c_all, c = i % c_all;
                pack_weights(w, s, strides, o * DEEP, c * DEEP, weights + o * w_block + c * s->kh * w_row);
                if (c == 0) pack_bias(bias, s, o * DEEP, biases + o * SUMS);
            }
            configure();
#pragma omp for
            for (long unit = 0; unit < units; unit++) {
                lanes from = lanes_of(x, s->n, s->h >> in, s->w >> in, s->c, unit * SIDE, SIDE, bands, band, s->ph);
                lanes to = lanes_of(y, s->n, oh >> out, ow >> out, s->o, unit * SIDE, SIDE, bands, band, 0);
                for (long first = 0; first < band; first += tall) {
                    long rows = least(tall, band - first);
                    if (in)
                        pack_input(&from, x, chosen, s, rows + s->kh - 1, xs, x_plane, seen, 1);
                    else
                        pack_input(&from, x, chosen, s, rows + s->kh - 1, xs, x_plane, seen, 0);
                    for (long og = 0; og < o_all; og += o_group)
                        for (long p = 0; p < rows; p += 1 + out) {
                            const uint16_t *row[SIDE];
                            uint8_t below[SIDE];
                            uint32_t inside = row_of(&to, SIDE, p, oh >> out, (ow >> out) * s->o, out, row, below);
                            for (long o = og; o < least(og + o_group, o_all); o++)
                                for (long b = 0; b < c_all; b++)
                                    for (long q = 0, many; q < ow; q += many) {
                                        float *sum = sums + (q << out) * SUMS;
                                        many = ow - q == 3 ? 3 : least(2, ow - q);
                                        for (long r = p; r <= p + out; r++, sum += many * SUMS) {
                                            // The kernel's rows that meet more than zeros.
                                            long top = 0, last = s->kh;
                                            while (top < last && !seen[r + top]) top++;
                                            while (top < last && !seen[r + last - 1]) last--;
                                            places_of[many - 1](xs + b * x_plane + (r + top) * x_row + q * TILE,
                                                                weights + o * w_block + (b * s->kh + top) * w_row,
                                                                b ? sum : biases + o * SUMS, b ? SUMS : 0, sum, last - top,
                                                                x_row);
                                        }
                                        if (b < c_all - 1) continue;
                                        sum = sums + (q << out) * SUMS;
                                        long offset = (q >> out) * s->o + o * DEEP;
                                        __mmask32 there = first_of(s->o - o * DEEP, DEEP);
                                        uint16_t *const *at = (uint16_t *const *)row;
                                        if (out)
                                            bad |= pool_off(sum, at, y, chooses, inside, offset, there);
                                        else
                                            for (long m = 0; m < many; m++)
                                                bad |= round_off(sum + m * SUMS, at, inside, offset + m * s->o, there);
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
        free(sums);
        free(seen);
    }
    free(weights);
    free(biases);
    return failed ? 1 : infinite ? 2 : 0;
}
