/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as people read them. Each writes into a caller's buffer of HUMAN_MAX bytes and
 * returns it, so that it can stand in a printf.
 */
#ifndef WEIR_BASE_HUMAN_H
#define WEIR_BASE_HUMAN_H

#include <stdint.h>

#define HUMAN_MAX 40

const char *human_count(char out[HUMAN_MAX], uint64_t n);    /* 12,431 */
const char *human_bytes(char out[HUMAN_MAX], uint64_t n);    /* 1.5 MB: powers of 1000 */
const char *human_duration(char out[HUMAN_MAX], int64_t ms); /* 850 ms, 40 s, 2 h 3 min, 5 d */
const char *human_time(char out[HUMAN_MAX], int64_t ms);     /* 2013-01-31 14:05:00Z */

#endif
