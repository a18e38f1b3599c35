/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest valid word to a wrong one. Distance is Damerau-Levenshtein (optimal string
 * alignment: one insertion, deletion, substitution or swap of neighbours costs 1), case
 * ignored. A word is near enough at a distance of at most a third of the longer one's length
 * (at least 1), or when one of the two begins the other and has at least three letters.
 */
#ifndef WEIR_LANG_SUGGEST_H
#define WEIR_LANG_SUGGEST_H

#include <stdint.h>

#include "base/slice.h"

#define SUGGEST_WORD_MAX 64 /* longer words get no suggestion */

#define SUGGEST_OFFERS_MAX 2048 /* further words are not looked at */

struct suggest {
	struct slice wrong;
	uint32_t offers;
	const char *best; /* borrowed from what was offered; NULL: nothing near */
	uint32_t distance;
};

struct suggest suggest_for(struct slice wrong);
/* word may be NULL: nothing happens. The first of equally near words wins. */
void suggest_offer(struct suggest *s, const char *word);

uint32_t edit_distance(struct slice a, struct slice b);

#endif
