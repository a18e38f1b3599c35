/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers to text and back, exactly: the shortest text that reads back to the same double
 * (std::to_chars, Ryu), and locale-free parsing.
 */
#ifndef WEIR_BASE_NUM_H
#define WEIR_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUM_MAX 32

/* Writes at most NUM_MAX bytes, no NUL; returns the length. Integral doubles below 1e15 print
 * without a point ("3"), NaN and infinities as "NaN", "Infinity", "-Infinity". */
size_t num_format_double(char *out, double v);
size_t num_format_int(char *out, int64_t v);

/* Whole input must be a number; false otherwise (also on overflow). No leading +, no blanks. */
bool num_parse_double(const char *p, size_t n, double *out);
bool num_parse_int(const char *p, size_t n, int64_t *out);

#ifdef __cplusplus
}
#endif

#endif
