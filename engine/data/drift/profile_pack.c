// SPDX-License-Identifier: Apache-2.0
//
// A profile as bytes: version, the baseline column's id, then counts as varints, of the sparse
// ones only those that are not zero, each behind its distance from the one before. What a
// broken or foreign row says is never believed: every number is checked against the baseline.
#include <stdlib.h>
#include <string.h>

#include "data/drift/profile.h"

static void pack_counts(const uint64_t *counts, uint32_t n, struct buf *out)
{
	uint32_t used = 0, last = 0;
	for (uint32_t i = 0; i < n; i++)
		used += counts[i] != 0;
	buf_varint(out, used);
	for (uint32_t i = 0; i < n; i++) {
		if (!counts[i])
			continue;
		buf_varint(out, i - last);
		buf_varint(out, (int64_t)counts[i]);
		last = i;
	}
}

static bool unpack_counts(uint64_t *counts, uint32_t n, struct reader *r)
{
	int64_t used = reader_varint(r), at = 0;
	if (used < 0 || used > n)
		return false;
	for (int64_t i = 0; i < used; i++) {
		int64_t gap = reader_varint(r);
		if (gap < 0 || gap >= n || at + gap >= n)
			return false;
		at += gap;
		counts[at] = (uint64_t)reader_varint(r);
	}
	return !r->failed;
}

void profile_pack(const struct profile *p, struct buf *out)
{
	const struct baseline_column *c = p->base;
	buf_byte(out, PROFILE_VERSION);
	buf_be64(out, c->id);
	buf_varint(out, (int64_t)p->rows);
	buf_varint(out, (int64_t)p->nulls);
	buf_varint(out, (int64_t)p->non_finite);
	if (c->kind == DRIFT_NUMBER) {
		moments_pack(&p->moments, out);
		buf_double(out, p->below);
		buf_double(out, p->above);
		pack_counts(p->cells, 2 * c->ngrid + 1, out);
		pack_counts(p->width, c->nwidth, out);
		return;
	}
	pack_counts(p->counts, c->ncategories, out);
	buf_varint(out, p->nfresh);
	for (uint32_t i = 0; i < p->nfresh; i++) {
		buf_bytes(out, buf_view(&p->fresh[i].value));
		buf_varint(out, (int64_t)p->fresh[i].count);
	}
	buf_varint(out, (int64_t)p->other);
}

static bool unpack_fresh(struct profile *p, struct reader *r)
{
	int64_t n = reader_varint(r);
	if (n < 0 || n > PROFILE_NEW_MAX)
		return false;
	if (n && !p->fresh)
		p->fresh = xcalloc(PROFILE_NEW_MAX, sizeof *p->fresh);
	for (int64_t i = 0; i < n && !r->failed; i++) {
		struct slice value = reader_bytes(r);
		if (value.len > BASELINE_CATEGORY_BYTES_MAX)
			return false;
		p->fresh[i].value.len = 0;
		buf_slice(&p->fresh[i].value, value);
		p->fresh[i].count = (uint64_t)reader_varint(r);
		p->nfresh++;
	}
	return !r->failed;
}

bool profile_unpack(struct profile *p, struct reader *r)
{
	const struct baseline_column *c = p->base;
	profile_reset(p);
	if (reader_byte(r) != PROFILE_VERSION || reader_be64(r) != c->id)
		return false;
	p->rows = (uint64_t)reader_varint(r);
	p->nulls = (uint64_t)reader_varint(r);
	p->non_finite = (uint64_t)reader_varint(r);
	if (c->kind == DRIFT_NUMBER) {
		moments_unpack(&p->moments, r);
		p->below = reader_double(r);
		p->above = reader_double(r);
		return unpack_counts(p->cells, 2 * c->ngrid + 1, r) &&
		       unpack_counts(p->width, c->nwidth, r);
	}
	if (!unpack_counts(p->counts, c->ncategories, r) || !unpack_fresh(p, r))
		return false;
	p->other = (uint64_t)reader_varint(r);
	return !r->failed;
}
