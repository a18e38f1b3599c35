// SPDX-License-Identifier: Apache-2.0
//
// Welford's updates and the merge of Chan, Golub and LeVeque about an origin. Invariant: all
// zero while n is 0.
#include "data/drift/moments.h"

#include <math.h>

void moments_add(struct moments *m, double v)
{
	moments_add_all(m, &v, 1);
}

// The state stays in registers, and what is divided does not wait for the value before it.
void moments_add_all(struct moments *m, const double *v, uint32_t n)
{
	struct moments is = *m;
	if (is.n == 0 && n)
		is.origin = is.min = is.max = v[0];
	for (uint32_t i = 0; i < n; i++) {
		is.min = v[i] < is.min ? v[i] : is.min;
		is.max = v[i] > is.max ? v[i] : is.max;
		double x = v[i] - is.origin, delta = x - is.offset, part = 1 / (double)++is.n;
		is.offset += delta * part;
		is.m2 += delta * (x - is.offset);
	}
	*m = is;
}

double moments_difference(const struct moments *a, const struct moments *b)
{
	return (b->origin - a->origin) + (b->offset - a->offset);
}

void moments_merge(struct moments *m, const struct moments *other)
{
	if (other->n == 0)
		return;
	if (m->n == 0) {
		*m = *other;
		return;
	}
	double a = (double)m->n, b = (double)other->n, delta = moments_difference(m, other);
	m->n += other->n;
	m->offset += delta * (b / (a + b));
	m->m2 += other->m2 + delta * delta * (a * (b / (a + b)));
	m->min = fmin(m->min, other->min);
	m->max = fmax(m->max, other->max);
}

void moments_add_many(struct moments *m, double v, uint64_t times)
{
	if (times == 1)
		moments_add(m, v);
	else if (times)
		moments_merge(
		        m, &(struct moments){.n = times, .origin = v, .min = v, .max = v});
}

double moments_mean(const struct moments *m)
{
	return m->n == 0 ? NAN : m->origin + m->offset;
}

double moments_var(const struct moments *m)
{
	return m->n < 2 ? NAN : m->m2 / (double)(m->n - 1);
}

double moments_var_pop(const struct moments *m)
{
	return m->n == 0 ? NAN : m->m2 / (double)m->n;
}

void moments_pack(const struct moments *m, struct buf *out)
{
	buf_varint(out, (int64_t)m->n);
	if (m->n == 0)
		return;
	buf_double(out, m->origin);
	buf_double(out, m->offset);
	buf_double(out, m->m2);
	buf_double(out, m->min);
	buf_double(out, m->max);
}

void moments_unpack(struct moments *m, struct reader *r)
{
	*m = (struct moments){.n = (uint64_t)reader_varint(r)};
	if (m->n == 0)
		return;
	m->origin = reader_double(r);
	m->offset = reader_double(r);
	m->m2 = reader_double(r);
	m->min = reader_double(r);
	m->max = reader_double(r);
}
