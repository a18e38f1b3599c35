// SPDX-License-Identifier: Apache-2.0
//
// Appends ".0" to every integer of a JSON text that does not fit 64 bits, then loads it. Longs
// keep all their digits, which JSON_DECODE_INT_AS_REAL would take.
#include "cli/wide_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LONG_DIGITS 18 /* always fit */

static bool number_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c && strchr("+-.eE", c));
}

static bool is_wide(const uint8_t *p, size_t n)
{
	char text[64];
	if (n <= LONG_DIGITS || memchr(p, '.', n) || memchr(p, 'e', n) || memchr(p, 'E', n))
		return false;
	if (n >= sizeof text)
		return true;
	memcpy(text, p, n);
	text[n] = 0;
	errno = 0;
	strtoll(text, NULL, 10);
	return errno == ERANGE;
}

/* The end of the string that starts at i. */
static size_t string_end(struct slice s, size_t i)
{
	for (i++; i < s.len && s.p[i] != '"'; i++)
		if (s.p[i] == '\\')
			i++;
	return i < s.len ? i + 1 : s.len;
}

json_t *wide_json(struct slice s)
{
	struct buf b = {0};
	for (size_t i = 0, end; i < s.len; i = end) {
		end = i + 1;
		if (s.p[i] == '"')
			end = string_end(s, i);
		else if (number_byte(s.p[i]))
			while (end < s.len && number_byte(s.p[end]))
				end++;
		buf_slice(&b, (struct slice){s.p + i, (uint32_t)(end - i)});
		if (number_byte(s.p[i]) && is_wide(s.p + i, end - i))
			buf_str(&b, ".0");
	}
	json_t *j =
	        json_loadb((const char *)b.p, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	buf_release(&b);
	return j;
}
