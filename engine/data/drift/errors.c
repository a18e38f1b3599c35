// SPDX-License-Identifier: Apache-2.0
//
// Scores against labels. A row is a classifier's when its label is 0 or 1 and its score lies in
// [0, 1]; one row beyond makes all of them a regression's, so both kinds of error are kept.
#include "data/drift/errors.h"

#include <math.h>

static bool fits_classifier(double score, double label)
{
	return score >= 0 && score <= 1 && (label == 0 || label == 1);
}

void errors_add(struct errors *x, double score, double label)
{
	if (!isfinite(score) || !isfinite(label) || !isfinite(score - label)) {
		x->skipped++;
		return;
	}
	double off = score - label;
	moments_add(&x->absolute, fabs(off));
	moments_add(&x->squared, off * off);
	if (!fits_classifier(score, label)) {
		x->beyond++;
		return;
	}
	int i = (int)(score * ERRORS_BINS);
	struct errors_bin *bin = &x->bins[i < ERRORS_BINS ? i : ERRORS_BINS - 1];
	bin->n++;
	bin->score += score;
	bin->label += label;
}

void errors_merge(struct errors *x, const struct errors *other)
{
	x->skipped += other->skipped;
	x->beyond += other->beyond;
	moments_merge(&x->absolute, &other->absolute);
	moments_merge(&x->squared, &other->squared);
	for (int i = 0; i < ERRORS_BINS; i++) {
		x->bins[i].n += other->bins[i].n;
		x->bins[i].score += other->bins[i].score;
		x->bins[i].label += other->bins[i].label;
	}
}

void errors_pack(const struct errors *x, struct buf *out)
{
	buf_byte(out, ERRORS_VERSION);
	buf_varint(out, (int64_t)x->skipped);
	buf_varint(out, (int64_t)x->beyond);
	moments_pack(&x->absolute, out);
	moments_pack(&x->squared, out);
	for (int i = 0; i < ERRORS_BINS; i++) {
		buf_varint(out, (int64_t)x->bins[i].n);
		if (!x->bins[i].n)
			continue;
		buf_double(out, x->bins[i].score);
		buf_double(out, x->bins[i].label);
	}
}

bool errors_unpack(struct errors *x, struct reader *r)
{
	*x = (struct errors){0};
	if (reader_byte(r) != ERRORS_VERSION)
		return false;
	x->skipped = (uint64_t)reader_varint(r);
	x->beyond = (uint64_t)reader_varint(r);
	moments_unpack(&x->absolute, r);
	moments_unpack(&x->squared, r);
	for (int i = 0; i < ERRORS_BINS; i++) {
		x->bins[i].n = (uint64_t)reader_varint(r);
		if (!x->bins[i].n)
			continue;
		x->bins[i].score = reader_double(r);
		x->bins[i].label = reader_double(r);
	}
	return !r->failed;
}

bool errors_classifier(const struct errors *x)
{
	return x->squared.n && !x->beyond;
}

double errors_ece(const struct errors *x)
{
	if (!errors_classifier(x))
		return NAN;
	double sum = 0;
	for (int i = 0; i < ERRORS_BINS; i++)
		sum += fabs(x->bins[i].score - x->bins[i].label);
	return sum / (double)x->squared.n;
}

double errors_brier(const struct errors *x)
{
	return errors_classifier(x) ? moments_mean(&x->squared) : NAN;
}

double errors_mae(const struct errors *x)
{
	return x->absolute.n ? moments_mean(&x->absolute) : NAN;
}
