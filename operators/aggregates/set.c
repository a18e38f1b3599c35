// SPDX-License-Identifier: Apache-2.0
//
// Sorted sets in heap blobs.
//
// Invariants: entries are in strictly ascending order (texts bytewise); an entry's text lies
// inside the text blob; dead counts the text bytes that no entry names and is at most half of
// them after set_lower.
#include "operators/aggregates/set.h"

uint16_t set_head_bytes(enum form f)
{
	return f == FORM_BYTES ? sizeof(struct set_head) : SET_TEXT;
}

void set_spec(struct agg_spec *s)
{
	spec_blob(s, 0);
	if (s->form == FORM_BYTES)
		spec_blob(s, (uint16_t)SET_TEXT);
}

struct set set_of(const struct agg_spec *s, struct heap *h, uint32_t off, bool counted)
{
	uint32_t stride = form_bytes(s->form) + (counted ? 8 : 0);
	return (struct set){.h = h, .off = off, .form = s->form, .stride = stride};
}

uint32_t set_text_bytes(const struct set *t)
{
	return t->form == FORM_BYTES ? set_head(t)->text.len - set_head(t)->dead : 0;
}

static int64_t entry_i64(const uint8_t *entry)
{
	int64_t v;
	memcpy(&v, entry, sizeof v);
	return v;
}

static double entry_f64(const uint8_t *entry)
{
	double v;
	memcpy(&v, entry, sizeof v);
	return v;
}

static __int128 entry_i128(const uint8_t *entry)
{
	__int128 v;
	memcpy(&v, entry, sizeof v);
	return v;
}

/* The first entry that is not below v. The searches differ in the comparison alone; those of
 * numbers compile to code without a branch on it, which would be mispredicted every other
 * time. */
#define LOWER_BOUND(below)                                                                     \
	do {                                                                                   \
		while (len > 1) {                                                              \
			uint32_t half = len / 2;                                               \
			const uint8_t *at = set_entry(t, from + half - 1);                     \
			from += (below) ? half : 0;                                            \
			len -= half;                                                           \
		}                                                                              \
		if (len == 1) {                                                                \
			const uint8_t *at = set_entry(t, from);                                \
			from += (below);                                                       \
		}                                                                              \
	} while (0)

static uint32_t lower_bound(const struct set *t, const struct value *v)
{
	uint32_t from = 0, len = set_len(t);
	switch (t->form) {
	case FORM_I64:
		LOWER_BOUND(entry_i64(at) < v->i64);
		break;
	case FORM_F64:
		LOWER_BOUND(entry_f64(at) < v->f64);
		break;
	case FORM_I128:
		LOWER_BOUND(entry_i128(at) < v->i128);
		break;
	case FORM_BYTES:
		LOWER_BOUND(slice_cmp(set_text(t, at), v->bytes) < 0);
		break;
	}
	return from;
}

/* Order of entry a of one set and entry b of another. */
static int entries_cmp(
        const struct set *t, const uint8_t *a, const struct set *u, const uint8_t *b)
{
	switch (t->form) {
	case FORM_I64:
		return (entry_i64(a) > entry_i64(b)) - (entry_i64(a) < entry_i64(b));
	case FORM_F64:
		return (entry_f64(a) > entry_f64(b)) - (entry_f64(a) < entry_f64(b));
	case FORM_I128:
		return (entry_i128(a) > entry_i128(b)) - (entry_i128(a) < entry_i128(b));
	case FORM_BYTES:
		break;
	}
	return slice_cmp(set_text(t, a), set_text(u, b));
}

bool set_find(const struct set *t, const struct value *v, uint32_t *pos)
{
	*pos = lower_bound(t, v);
	if (*pos == set_len(t))
		return false;
	struct value at = set_value(t, *pos);
	return form_cmp(t->form, &at, v) == 0;
}

bool set_has_room(const struct set *t, const struct value *v, uint32_t max)
{
	if (set_len(t) >= max)
		return false;
	return t->form != FORM_BYTES ||
	       (uint64_t)set_text_bytes(t) + v->bytes.len <= SET_TEXT_BYTES_MAX;
}

/* Appends to the text blob, which has room, and writes the entry's reference. */
static void put_text(const struct set *t, uint8_t *entry, uint32_t at, struct slice text)
{
	struct text_ref ref = {at, text.len};
	if (text.len)
		memcpy(heap_blob(t->h, t->off + SET_TEXT) + at, text.p, text.len);
	memcpy(entry, &ref, sizeof ref);
}

void set_insert(struct set *t, uint32_t pos, const struct value *v)
{
	uint32_t n = set_len(t), at = 0;
	if (t->form == FORM_BYTES) {
		at = set_head(t)->text.len;
		heap_blob_resize(t->h, t->off + SET_TEXT, at + v->bytes.len);
	}
	heap_blob_resize(t->h, t->off, (n + 1) * t->stride);
	uint8_t *entry = set_entry(t, pos);
	memmove(entry + t->stride, entry, (size_t)(n - pos) * t->stride);
	memset(entry, 0, t->stride);
	if (t->form == FORM_BYTES)
		put_text(t, entry, at, v->bytes);
	else
		form_store(t->form, entry, v);
}

struct extra {
	uint32_t values, text;
};

/* What src has that t has not. */
static struct extra set_extra(const struct set *t, const struct set *src)
{
	struct extra more = {0};
	uint32_t i = 0, n = set_len(t), m = set_len(src);
	for (uint32_t j = 0; j < m; j++) {
		const uint8_t *theirs = set_entry(src, j);
		int c = 1;
		while (i < n && (c = entries_cmp(t, set_entry(t, i), src, theirs)) < 0)
			i++;
		if (i < n && c == 0)
			continue;
		more.values++;
		more.text += t->form == FORM_BYTES ? set_text(src, theirs).len : 0;
	}
	return more;
}

static void copy_entry(
        struct set *t, uint32_t to, const struct set *src, uint32_t from, uint32_t *text_end)
{
	uint8_t *entry = set_entry(t, to);
	memcpy(entry, set_entry(src, from), t->stride);
	if (t->form != FORM_BYTES)
		return;
	struct slice text = set_text(src, set_entry(src, from));
	put_text(t, entry, *text_end, text);
	*text_end += text.len;
}

/* Merges from the back, in place: t's blobs already have the union's length, n of t's entries
 * are at their front. */
static void merge_backward(struct set *t, const struct set *src, uint32_t n, uint32_t text_end)
{
	bool counted = t->stride > form_bytes(t->form);
	uint32_t i = n, j = set_len(src), w = set_len(t);
	while (j > 0) {
		int c = i == 0 ? -1
		               : entries_cmp(
		                         t, set_entry(t, i - 1), src, set_entry(src, j - 1));
		w--;
		if (c < 0) {
			copy_entry(t, w, src, --j, &text_end);
			continue;
		}
		memmove(set_entry(t, w), set_entry(t, --i), t->stride);
		if (c > 0)
			continue;
		j--;
		if (counted)
			set_count_put(t, w, set_count(t, w) + set_count(src, j));
	}
}

bool set_merge(struct set *t, const struct set *src, uint32_t max)
{
	struct extra more = set_extra(t, src);
	uint32_t n = set_len(t), text_end = 0;
	if (max && (n + more.values > max ||
	                   (uint64_t)set_text_bytes(t) + more.text > SET_TEXT_BYTES_MAX))
		return false;
	if (t->form == FORM_BYTES) {
		text_end = set_head(t)->text.len;
		heap_blob_resize(t->h, t->off + SET_TEXT, text_end + more.text);
	}
	heap_blob_resize(t->h, t->off, (n + more.values) * t->stride);
	merge_backward(t, src, n, text_end);
	return true;
}

/* Rewrites the live texts in the entries' order: first behind the old ones, then down. */
static void compact_text(struct set *t)
{
	uint32_t end = set_head(t)->text.len, live = end - set_head(t)->dead, at = end;
	heap_blob_resize(t->h, t->off + SET_TEXT, end + live);
	for (uint32_t i = 0; i < set_len(t); i++) {
		struct value v = set_value(t, i);
		put_text(t, set_entry(t, i), at, v.bytes);
		at += v.bytes.len;
	}
	uint8_t *text = heap_blob(t->h, t->off + SET_TEXT);
	memmove(text, text + end, live);
	heap_blob_resize(t->h, t->off + SET_TEXT, live);
	for (uint32_t i = 0; i < set_len(t); i++) {
		struct text_ref ref;
		memcpy(&ref, set_entry(t, i), sizeof ref);
		ref.off -= end;
		memcpy(set_entry(t, i), &ref, sizeof ref);
	}
	set_head(t)->dead = 0;
}

void set_lower(struct set *t, uint64_t by)
{
	uint32_t kept = 0, n = set_len(t);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t count = set_count(t, i);
		if (count <= by) {
			if (t->form == FORM_BYTES)
				set_head(t)->dead += set_value(t, i).bytes.len;
			continue;
		}
		memmove(set_entry(t, kept), set_entry(t, i), t->stride);
		set_count_put(t, kept++, count - by);
	}
	heap_blob_resize(t->h, t->off, kept * t->stride);
	if (t->form == FORM_BYTES && set_head(t)->dead > set_head(t)->text.len / 2)
		compact_text(t);
}

void set_clear(struct set *t)
{
	heap_blob_free(t->h, t->off);
	if (t->form != FORM_BYTES)
		return;
	heap_blob_free(t->h, t->off + SET_TEXT);
	set_head(t)->dead = 0;
}
