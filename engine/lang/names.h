/* SPDX-License-Identifier: Apache-2.0
 *
 * A small set of names with their numbers: hostile files have many, so look-ups are hashed.
 */
#ifndef WEIR_LANG_NAMES_H
#define WEIR_LANG_NAMES_H

#include "base/arena.h"
#include "base/slice.h"

struct names {
	struct slice *words; /* borrowed */
	uint32_t *slots, nslots;
};

/* Room for n names, numbered 0..n-1. */
void names_init(struct names *s, uint32_t n, struct arena *a);
/* The first of equal names wins. */
void names_add(struct names *s, uint32_t number, struct slice word);
int names_find(const struct names *s, struct slice word); /* -1: not there */

#endif
