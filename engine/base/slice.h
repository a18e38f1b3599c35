/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed run of bytes. Not NUL-terminated; the owner decides how long it lives.
 */
#ifndef WEIR_BASE_SLICE_H
#define WEIR_BASE_SLICE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	uint32_t len;
};

static inline struct slice slice_of(const char *s)
{
	return (struct slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Bytewise order, a prefix before what it begins. */
static inline int slice_cmp(struct slice a, struct slice b)
{
	uint32_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
