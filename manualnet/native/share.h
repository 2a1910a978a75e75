// Rows divided evenly among threads.

#include <omp.h>

#define SHARE(ROWS)                                                                                  \
    long share = ((ROWS) + omp_get_num_threads() - 1) / omp_get_num_threads();                          \
    long first = omp_get_thread_num() * share, last = first + share < (ROWS) ? first + share : (ROWS);
