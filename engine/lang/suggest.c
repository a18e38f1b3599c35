// SPDX-License-Identifier: Apache-2.0
//
// Spelling suggestions.
#include "lang/suggest.h"

#include <stddef.h>

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t m = a < b ? a : b;
	return m < c ? m : c;
}

uint32_t edit_distance(struct slice a, struct slice b)
{
	if (a.len > SUGGEST_WORD_MAX || b.len > SUGGEST_WORD_MAX)
		return UINT32_MAX;
	uint32_t rows[3][SUGGEST_WORD_MAX + 1];
	uint32_t *before = rows[0], *prev = rows[1], *now = rows[2];
	for (uint32_t j = 0; j <= b.len; j++)
		prev[j] = j;
	for (uint32_t i = 1; i <= a.len; i++) {
		now[0] = i;
		for (uint32_t j = 1; j <= b.len; j++) {
			uint8_t x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);
			now[j] = min3(prev[j] + 1, now[j - 1] + 1, prev[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b.p[j - 2]) &&
			        lower(a.p[i - 2]) == y && before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		uint32_t *recycled = before;
		before = prev;
		prev = now;
		now = recycled;
	}
	return prev[b.len];
}

static bool begins(struct slice word, struct slice start)
{
	if (start.len < 3 || start.len > word.len)
		return false;
	for (uint32_t i = 0; i < start.len; i++)
		if (lower(word.p[i]) != lower(start.p[i]))
			return false;
	return true;
}

struct suggest suggest_for(struct slice wrong)
{
	return (struct suggest){.wrong = wrong, .distance = UINT32_MAX};
}

void suggest_offer(struct suggest *s, const char *word)
{
	if (!word || s->wrong.len == 0 || s->offers++ >= SUGGEST_OFFERS_MAX)
		return;
	struct slice w = slice_of(word);
	uint32_t d = edit_distance(s->wrong, w);
	uint32_t longer = w.len > s->wrong.len ? w.len : s->wrong.len;
	uint32_t allowed = longer / 3 ? longer / 3 : 1;
	if (d == UINT32_MAX || d >= longer)
		return;
	if (d > allowed && !begins(w, s->wrong) && !begins(s->wrong, w))
		return;
	if (d > longer / 2)
		d += SUGGEST_WORD_MAX; /* a mere beginning never beats a near word */
	if (d < s->distance) {
		s->distance = d;
		s->best = word;
	}
}
