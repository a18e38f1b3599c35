/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of values inside a heap, sorted, each with an optional count: what distinct and top
 * keep. Sorted arrays rather than hash tables: no slack to store and log, a union is one linear
 * merge, and the bytes do not depend on a hash.
 *
 * A struct set names it for the time of one call; it holds no pointer that growth could move.
 * Pointers that set_entry and set_value give are dead after set_insert and set_merge.
 */
#ifndef WEIR_OPERATORS_AGGREGATES_SET_H
#define WEIR_OPERATORS_AGGREGATES_SET_H

#include <stddef.h>

#include "operators/aggregates/accumulator.h"

/* Texts of one set together: more makes it full, whatever its number of values. */
#define SET_TEXT_BYTES_MAX (1u << 20)

/* At the start of an accumulator. text and dead are there for FORM_BYTES only. */
struct set_head {
	struct blob
	        entries; /* key (8 or 16 bytes; a text's offset and length), count (0 or 8) */
	uint32_t full;   /* the owner's to use */
	struct blob text;
	uint32_t dead; /* bytes of text that no entry names */
};

#define SET_TEXT ((uint32_t)offsetof(struct set_head, text))

struct text_ref {
	uint32_t off, len; /* in the text blob */
};

struct set {
	struct heap *h;
	uint32_t off; /* of the struct set_head */
	enum form form;
	uint32_t stride;
};

/* Bytes of a head; also starts a spec's blobs. */
uint16_t set_head_bytes(enum form f);
void set_spec(struct agg_spec *s);

struct set set_of(const struct agg_spec *s, struct heap *h, uint32_t off, bool counted);

static inline struct set_head *set_head(const struct set *t)
{
	return heap_at(t->h, t->off);
}

static inline uint32_t set_len(const struct set *t)
{
	return set_head(t)->entries.len / t->stride;
}

static inline uint8_t *set_entry(const struct set *t, uint32_t i)
{
	return heap_blob(t->h, t->off) + (size_t)i * t->stride;
}

/* FORM_BYTES: an entry's text. */
static inline struct slice set_text(const struct set *t, const uint8_t *entry)
{
	struct text_ref ref;
	memcpy(&ref, entry, sizeof ref);
	return (struct slice){heap_blob(t->h, t->off + SET_TEXT) + ref.off, ref.len};
}

static inline struct value set_value(const struct set *t, uint32_t i)
{
	const uint8_t *entry = set_entry(t, i);
	if (t->form == FORM_BYTES)
		return (struct value){.bytes = set_text(t, entry)};
	return form_load(t->form, entry);
}

static inline uint64_t set_count(const struct set *t, uint32_t i)
{
	uint64_t count;
	memcpy(&count, set_entry(t, i) + t->stride - 8, 8);
	return count;
}

static inline void set_count_put(const struct set *t, uint32_t i, uint64_t count)
{
	memcpy(set_entry(t, i) + t->stride - 8, &count, 8);
}

/* Bytes of text in use. */
uint32_t set_text_bytes(const struct set *t);

/* Whether v is there; *pos is its place or where it belongs. */
bool set_find(const struct set *t, const struct value *v, uint32_t *pos);
/* Whether set_insert of v would keep to max values and SET_TEXT_BYTES_MAX. */
bool set_has_room(const struct set *t, const struct value *v, uint32_t max);
/* Puts v (not in the set, not in the heap) at pos, with count 0. */
void set_insert(struct set *t, uint32_t pos, const struct value *v);
/* Adds src's values and counts; src is in the same heap and stays as it is. False, and nothing
 * done, when the union has more than max values or SET_TEXT_BYTES_MAX of text. max 0: no
 * limit but that each part keeps. */
bool set_merge(struct set *t, const struct set *src, uint32_t max);
/* Takes `by` from every count and drops what has nothing left. */
void set_lower(struct set *t, uint64_t by);
/* Empties it and gives its memory back. */
void set_clear(struct set *t);

#endif
