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

static void product_add(struct neumaier *s, double a, double b)
{
	double product = a * b;
	neumaier_add(s, product);
	s->lost += fma(a, b, -product);
}

void errors_add(struct errors_sums *x, double score, double label)
{
	double off = fabs(score - label), square = off * off;
	if (!isfinite(score) || !isfinite(label) || !isfinite(off)) {
		x->skipped++;
		return;
	}
	x->least = x->n && x->least < off ? x->least : off;
	x->most = x->n && x->most > off ? x->most : off;
	x->n++;
	neumaier_add(&x->absolute, off);
	product_add(&x->squared, off, off);
	product_add(&x->fourth, square, square);
	if (!fits_classifier(score, label)) {
		x->beyond++;
		return;
	}
	int i = (int)(score * ERRORS_BINS);
	struct errors_sums_bin *bin = &x->bins[i < ERRORS_BINS ? i : ERRORS_BINS - 1];
	bin->n++;
	neumaier_add(&bin->score, score);
	bin->label += label;
}

void errors_merge(struct errors_sums *x, const struct errors_sums *other)
{
	x->skipped += other->skipped;
	x->beyond += other->beyond;
	if (other->n) {
		x->least = x->n ? fmin(x->least, other->least) : other->least;
		x->most = x->n ? fmax(x->most, other->most) : other->most;
	}
	x->n += other->n;
	neumaier_merge(&x->absolute, &other->absolute);
	neumaier_merge(&x->squared, &other->squared);
	neumaier_merge(&x->fourth, &other->fourth);
	for (int i = 0; i < ERRORS_BINS; i++) {
		x->bins[i].n += other->bins[i].n;
		neumaier_merge(&x->bins[i].score, &other->bins[i].score);
		x->bins[i].label += other->bins[i].label;
	}
}

static void sum_pack(const struct neumaier *sum, struct buf *out)
{
	buf_double(out, sum->sum);
	buf_double(out, sum->lost);
}

void errors_pack(const struct errors_sums *x, struct buf *out)
{
	buf_byte(out, ERRORS_VERSION);
	buf_varint(out, (int64_t)x->skipped);
	buf_varint(out, (int64_t)x->beyond);
	buf_varint(out, (int64_t)x->n);
	buf_double(out, x->least);
	buf_double(out, x->most);
	sum_pack(&x->absolute, out);
	sum_pack(&x->squared, out);
	sum_pack(&x->fourth, out);
	for (int i = 0; i < ERRORS_BINS; i++) {
		buf_varint(out, (int64_t)x->bins[i].n);
		if (!x->bins[i].n)
			continue;
		sum_pack(&x->bins[i].score, out);
		buf_double(out, x->bins[i].label);
	}
}

static void sum_unpack(struct neumaier *sum, struct reader *r)
{
	sum->sum = reader_double(r);
	sum->lost = reader_double(r);
}

bool errors_unpack(struct errors_sums *x, struct reader *r)
{
	*x = (struct errors_sums){0};
	if (reader_byte(r) != ERRORS_VERSION)
		return false;
	x->skipped = (uint64_t)reader_varint(r);
	x->beyond = (uint64_t)reader_varint(r);
	x->n = (uint64_t)reader_varint(r);
	x->least = reader_double(r);
	x->most = reader_double(r);
	sum_unpack(&x->absolute, r);
	sum_unpack(&x->squared, r);
	sum_unpack(&x->fourth, r);
	for (int i = 0; i < ERRORS_BINS; i++) {
		x->bins[i].n = (uint64_t)reader_varint(r);
		if (!x->bins[i].n)
			continue;
		sum_unpack(&x->bins[i].score, r);
		x->bins[i].label = reader_double(r);
	}
	return !r->failed;
}

/* Of n values: sum of (v - mean)^2 = sum of v^2 - 2 mean sum of v + n mean^2, in twice a double's
 * digits, for the first two cancel the third. */
static struct moments moments_of(uint64_t n, const struct neumaier *sum,
        const struct neumaier *squares, double min, double max)
{
	if (!n)
		return (struct moments){0};
	double mean = neumaier_mean(sum, (double)n), whole = mean * (double)n;
	struct neumaier about = *squares;
	product_add(&about, -2 * mean, sum->sum);
	product_add(&about, -2 * mean, sum->lost);
	product_add(&about, mean, whole);
	product_add(&about, mean, fma(mean, (double)n, -whole));
	double m2 = neumaier_total(&about);
	return (struct moments){
	        .n = n, .origin = mean, .m2 = m2 < 0 ? 0 : m2, .min = min, .max = max};
}

struct errors errors_total(const struct errors_sums *x)
{
	struct errors is = {.skipped = x->skipped,
	        .beyond = x->beyond,
	        .absolute = moments_of(x->n, &x->absolute, &x->squared, x->least, x->most),
	        .squared = moments_of(x->n, &x->squared, &x->fourth, x->least * x->least,
	                x->most * x->most)};
	for (int i = 0; i < ERRORS_BINS; i++)
		is.bins[i] = (struct errors_bin){x->bins[i].n,
		        neumaier_total(&x->bins[i].score), x->bins[i].label};
	return is;
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
