// The weight gradient of a linear layer in bfloat16, on processors that multiply tiles (AMX), summed and handed on in
// float32: dw[j][i] is the sum over rows n of g[n][j] x[n][i].
//
// A product of tiles sums over 32 rows. Two blocks of 16 columns of x are packed at a time and stay in the first cache, while
// all of g goes by.

// What the columns of x taken together may fill of the second cache, and the most of them.
enum { CACHE = 1 << 20, GROUP = 512 };

// Part p of the rows, 32 of them, as far as there are any: a tile for every 16 columns from `first` to `last`.
static void pack_part(const uint16_t *from, long rows, long columns, long p, long first, long last, uint16_t *to, int turned) {
    const uint16_t *row[DEEP];
    long part = parts(rows, DEEP), count = least(DEEP, rows - p * DEEP);
    for (long l = 0; l < DEEP; l++) row[l] = from + (p * DEEP + least(l, count - 1)) * columns;
    for (long c = first; c < last; c += SIDE) {
        __mmask16 kept[DEEP];
        keep((uint32_t)((1ull << count) - 1), columns - c, kept);
        pack(row, kept, c, to + ((c - first) / SIDE * part + p) * TILE, turned, 0);
    }
}

// `part` tiles of two blocks of g and of x, one block behind the other: four tiles of sums.
static void four(const uint16_t *g, const uint16_t *x, float *sums, long part) {
    settle(g);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (long p = 0; p < part; p++) {
        _tile_loadd(4, g + p * TILE, 2 * DEEP);
        _tile_loadd(5, g + (part + p) * TILE, 2 * DEEP);
        _tile_loadd(6, x + p * TILE, 2 * DEEP);
        _tile_loadd(7, x + (part + p) * TILE, 2 * DEEP);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        if (p % (AWAKE / 4) == AWAKE / 4 - 1) _tile_stored(7, sums, 4 * SIDE);
    }
    _tile_stored(0, sums, 8 * SIDE);
    _tile_stored(1, sums + SIDE, 8 * SIDE);
    _tile_stored(2, sums + 2 * SIDE * SIDE, 8 * SIDE);
    _tile_stored(3, sums + 2 * SIDE * SIDE + SIDE, 8 * SIDE);
}

int linear_weight_tiles(const uint16_t *g, const uint16_t *x, float *dw, long n, long o, long i, long threads) {
    if (!permitted()) return 1;
    long part = parts(n, DEEP), pairs = parts(o, 2 * SIDE);
    long group = least(GROUP, CACHE / (part * TILE * 2) * SIDE / DEEP * DEEP);
    group = group < DEEP ? DEEP : group;
    uint16_t *gs = aligned_alloc(64, pairs * 2 * part * TILE * 2);
    int failed = !gs;
    if (failed) return 1;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        uint16_t *xs = aligned_alloc(64, group / SIDE * part * TILE * 2);
        float sums[4 * SIDE * SIDE] __attribute__((aligned(64)));
        if (!xs) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for
        for (long p = 0; p < part; p++) {
            pack_part(g, n, o, p, 0, o, gs, 1);
            if (parts(o, SIDE) % 2) memset(gs + (parts(o, SIDE) * part + p) * TILE, 0, 2 * TILE);
        }
        if (!failed) {
            configure();
#pragma omp for
            for (long start = 0; start < i; start += group) {
                long last = least(start + group, i);
                for (long p = 0; p < part; p++) pack_part(x, n, i, p, start, last, xs, 0);
                for (long pair = 0; pair < pairs; pair++)
                    for (long c = start; c < last; c += 2 * SIDE) {
                        four(gs + pair * 2 * part * TILE, xs + (c - start) / SIDE * part * TILE, sums, part);
                        for (long j = 0; j < least(2 * SIDE, o - pair * 2 * SIDE); j++)
                            memcpy(dw + (pair * 2 * SIDE + j) * i + c, sums + j * 2 * SIDE, least(2 * SIDE, i - c) * sizeof(float));
                    }
            }
            _tile_release();
        }
        free(xs);
    }
    free(gs);
    return failed;
}
