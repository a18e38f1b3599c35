// SPDX-License-Identifier: Apache-2.0
//
// Open addressing over XXH64; never more than half full.
#include "lang/names.h"

#include <xxhash.h>

void names_init(struct names *s, uint32_t n, struct arena *a)
{
	s->nslots = 16;
	while (s->nslots < 2 * n)
		s->nslots *= 2;
	s->slots = arena_calloc(a, s->nslots, sizeof *s->slots);
	s->words = arena_calloc(a, n + 1, sizeof *s->words);
}

static uint32_t slot_of(const struct names *s, struct slice word)
{
	uint32_t at = (uint32_t)XXH64(word.p, word.len, 0) & (s->nslots - 1);
	while (s->slots[at] && !slice_eq(s->words[s->slots[at] - 1], word))
		at = (at + 1) & (s->nslots - 1);
	return at;
}

void names_add(struct names *s, uint32_t number, struct slice word)
{
	uint32_t at = slot_of(s, word);
	s->words[number] = word;
	if (!s->slots[at])
		s->slots[at] = number + 1;
}

int names_find(const struct names *s, struct slice word)
{
	return s->nslots ? (int)s->slots[slot_of(s, word)] - 1 : -1;
}
