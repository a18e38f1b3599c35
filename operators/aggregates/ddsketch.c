// SPDX-License-Identifier: Apache-2.0
//
// DDSketch with one sorted list of (bucket, count) over negative values, zero and positive
// ones.
//
// A bucket holds the values whose magnitude lies in (l, u] with u / l <= 1.02, so its middle in
// the relative sense, 2lu / (l + u), is within 1 / 101 of them all. Instead of the logarithm
// the buckets are cut by a cubic in the significand, as in the authors' own implementations: 1
// % more buckets, several times faster, and made of additions and multiplications only, while a
// library's log may differ in its last bit between machines and so put a value elsewhere.
//
// Up to DDSKETCH_EXACT_MAX values are kept as a sorted list: no larger than buckets, and exact.
//
// With more than DDSKETCH_BUCKETS_MAX buckets in use the lowest are folded into the lowest that
// stays, as in the paper: quantiles above them keep their bound, those below are too high.
// Values of one sign must span a factor of 1e17, each step of it in use, before that happens.
//
// Invariant: the state is a function of the multiset of values alone, for any order and
// grouping: whether there are buckets depends on how many values there are, and a part never
// folds a bucket that the whole keeps, since the whole's largest DDSKETCH_BUCKETS_MAX buckets
// are among the largest of the parts.
#include "operators/aggregates/ddsketch.h"

#include <float.h>
#include <math.h>

#define PER_OCTAVE 35.348844854290725 /* 0.7 / ln 1.02: 10/7 is the cubic's least slope */
#define CUBIC_A (6.0 / 35)
#define CUBIC_B (-3.0 / 5)
#define CUBIC_C (10.0 / 7)
#define NEWTON_ROUNDS 4

/* A bucket and its count in one word, so that words sort by bucket. */
#define COUNT_BITS 46
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)
#define KEY_ZERO (1 << 17) /* below: negative values, above: positive */
#define KEY_SHIFT 38000    /* more than the index of the smallest double, negated */

struct buckets {
	uint64_t n;         /* values */
	uint64_t entries[]; /* ascending */
};

static double cubic(double s)
{
	return s * (CUBIC_C + s * (CUBIC_B + s * CUBIC_A));
}

/* v = (1 + *s) * 2^exponent, v normal. */
static int split(double v, double *s)
{
	uint64_t bits;
	memcpy(&bits, &v, 8);
	int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
	bits = (bits & 0xfffffffffffff) | 0x3ff0000000000000;
	memcpy(s, &bits, 8);
	*s -= 1;
	return exponent;
}

static uint64_t key_of(double v)
{
	double size = fabs(v), s;
	if (size == 0)
		return KEY_ZERO;
	int exponent = size < DBL_MIN ? split(size * 0x1p60, &s) - 60 : split(size, &s);
	double f = (exponent + cubic(s)) * PER_OCTAVE;
	int index = (int)f;
	index += f > index;
	return (uint64_t)(v > 0 ? KEY_ZERO + KEY_SHIFT + index : KEY_ZERO - KEY_SHIFT - index);
}

/* The s in [0, 1) with cubic(s) = y, by Newton's method from s = y, which is off by at most
 * 0.09: four rounds reach the last bit. */
static double cubic_inverse(double y)
{
	double s = y;
	for (int i = 0; i < NEWTON_ROUNDS; i++)
		s -= (cubic(s) - y) / (CUBIC_C + s * (2 * CUBIC_B + s * 3 * CUBIC_A));
	return s;
}

/* A bucket's edge as significand * 2^exponent. */
static double edge_of(int index, int *exponent)
{
	double f = index / PER_OCTAVE, whole = floor(f);
	*exponent = (int)whole;
	return 1 + cubic_inverse(f - whole);
}

static double value_of(uint64_t key)
{
	int side = (int)key - KEY_ZERO;
	if (side == 0)
		return 0;
	int index = (side < 0 ? -side : side) - KEY_SHIFT, el, eu;
	double l = edge_of(index - 1, &el), u = edge_of(index, &eu);
	double ratio = ldexp(u, eu - el) / l;
	double v = ldexp(l * (2 * ratio / (1 + ratio)), el);
	v = v > DBL_MAX ? DBL_MAX : v;
	return side < 0 ? -v : v;
}

static struct ddsketch *sketch_at(const struct heap *h, uint32_t off)
{
	return heap_at(h, off);
}

static struct buckets *buckets_at(const struct heap *h, uint32_t off)
{
	return (struct buckets *)heap_blob(h, off);
}

static uint32_t buckets_len(const struct heap *h, uint32_t off)
{
	return heap_blob_len(h, off) / 8 - 1;
}

static struct buckets *buckets_resize(struct heap *h, uint32_t off, uint32_t len)
{
	return (struct buckets *)heap_blob_resize(h, off, (len + 1) * 8);
}

static uint64_t count_of(uint64_t entry)
{
	return entry & COUNT_MAX;
}

static uint64_t raised(uint64_t entry, uint64_t by)
{
	uint64_t room = COUNT_MAX - count_of(entry);
	return entry + (by < room ? by : room);
}

/* First entry whose key is not below. Without a branch on what is compared: that one would be
 * mispredicted every other time. */
static uint32_t lower_bound(const uint64_t *entries, uint32_t len, uint64_t key)
{
	const uint64_t *at = entries;
	uint64_t least = key << COUNT_BITS;
	while (len > 1) {
		uint32_t half = len / 2;
		at += (at[half - 1] < least) * half;
		len -= half;
	}
	return (uint32_t)(at - entries) + (len == 1 && *at < least);
}

/* Folds the lowest buckets until DDSKETCH_BUCKETS_MAX are left. */
static void collapse(struct heap *h, uint32_t off)
{
	uint32_t len = buckets_len(h, off);
	if (len <= DDSKETCH_BUCKETS_MAX)
		return;
	uint32_t excess = len - DDSKETCH_BUCKETS_MAX;
	uint64_t *entries = buckets_at(h, off)->entries;
	for (uint32_t i = 0; i < excess; i++)
		entries[excess] = raised(entries[excess], count_of(entries[i]));
	memmove(entries, entries + excess, DDSKETCH_BUCKETS_MAX * 8);
	buckets_resize(h, off, DDSKETCH_BUCKETS_MAX);
}

static void add_bucket(struct heap *h, uint32_t off, double v)
{
	struct buckets *b = buckets_at(h, off);
	uint32_t len = buckets_len(h, off);
	uint64_t key = key_of(v);
	uint32_t at = lower_bound(b->entries, len, key);
	b->n++;
	if (at < len && b->entries[at] >> COUNT_BITS == key) {
		b->entries[at] = raised(b->entries[at], 1);
		return;
	}
	b = buckets_resize(h, off, len + 1);
	memmove(b->entries + at + 1, b->entries + at, (len - at) * 8);
	b->entries[at] = key << COUNT_BITS | 1;
	collapse(h, off);
}

static uint32_t exact_len(const struct heap *h, uint32_t off)
{
	return heap_blob_len(h, off) / 8;
}

static double exact_get(const struct heap *h, uint32_t off, uint32_t i)
{
	return ((const double *)heap_blob(h, off))[i];
}

static uint32_t exact_save(const struct heap *h, uint32_t off, double *out)
{
	uint32_t n = exact_len(h, off);
	if (n)
		memcpy(out, heap_blob(h, off), n * sizeof *out);
	return n;
}

static void make_buckets(struct heap *h, uint32_t off)
{
	double values[DDSKETCH_EXACT_MAX];
	uint32_t n = exact_save(h, off, values);
	buckets_resize(h, off, 0)->n = 0;
	sketch_at(h, off)->has_buckets = 1;
	for (uint32_t i = 0; i < n; i++)
		add_bucket(h, off, values[i]);
}

static void add_exact(struct heap *h, uint32_t off, double v)
{
	uint32_t at = exact_len(h, off);
	double *values = (double *)heap_blob_resize(h, off, (at + 1) * 8);
	for (; at > 0 && values[at - 1] > v; at--)
		values[at] = values[at - 1];
	values[at] = v;
}

void ddsketch_add(struct heap *h, uint32_t off, double v)
{
	v += 0.0; /* one sign for zero */
	if (!sketch_at(h, off)->has_buckets && exact_len(h, off) < DDSKETCH_EXACT_MAX) {
		add_exact(h, off, v);
		return;
	}
	if (!sketch_at(h, off)->has_buckets)
		make_buckets(h, off);
	add_bucket(h, off, v);
}

static uint32_t union_len(const uint64_t *a, uint32_t n, const uint64_t *b, uint32_t m)
{
	uint32_t i = 0, j = 0, len = 0;
	for (; i < n && j < m; len++) {
		uint64_t x = a[i] >> COUNT_BITS, y = b[j] >> COUNT_BITS;
		i += x <= y;
		j += y <= x;
	}
	return len + (n - i) + (m - j);
}

/* a has room for the union's w entries: merged from the back. */
static void union_backward(uint64_t *a, uint32_t n, const uint64_t *b, uint32_t m, uint32_t w)
{
	while (m > 0) {
		uint64_t y = b[m - 1];
		if (n == 0 || a[n - 1] >> COUNT_BITS < y >> COUNT_BITS) {
			a[--w] = y;
			m--;
			continue;
		}
		uint64_t x = a[--n];
		if (x >> COUNT_BITS == y >> COUNT_BITS) {
			x = raised(x, count_of(y));
			m--;
		}
		a[--w] = x;
	}
}

static void merge_buckets(struct heap *h, uint32_t dst, uint32_t src)
{
	uint32_t n = buckets_len(h, dst), m = buckets_len(h, src);
	uint32_t w = union_len(buckets_at(h, dst)->entries, n, buckets_at(h, src)->entries, m);
	struct buckets *to = buckets_resize(h, dst, w);
	const struct buckets *from = buckets_at(h, src);
	to->n += from->n;
	union_backward(to->entries, n, from->entries, m, w);
	collapse(h, dst);
}

/* dst becomes src and takes back what it had. */
static void merge_into_exact(struct heap *h, uint32_t dst, uint32_t src)
{
	double values[DDSKETCH_EXACT_MAX];
	uint32_t n = exact_save(h, dst, values), len = heap_blob_len(h, src);
	uint8_t *to = heap_blob_resize(h, dst, len);
	memcpy(to, heap_blob(h, src), len);
	sketch_at(h, dst)->has_buckets = 1;
	for (uint32_t i = 0; i < n; i++)
		add_bucket(h, dst, values[i]);
}

void ddsketch_merge(struct heap *h, uint32_t dst, uint32_t src)
{
	if (!sketch_at(h, src)->has_buckets) {
		for (uint32_t i = 0; i < exact_len(h, src); i++)
			ddsketch_add(h, dst, exact_get(h, src, i));
	} else if (sketch_at(h, dst)->has_buckets) {
		merge_buckets(h, dst, src);
	} else {
		merge_into_exact(h, dst, src);
	}
}

bool ddsketch_quantile(const struct heap *h, uint32_t off, double q, double *out)
{
	if (!sketch_at(h, off)->has_buckets) {
		uint32_t n = exact_len(h, off);
		if (n)
			*out = exact_get(h, off, (uint32_t)(q * (n - 1)));
		return n > 0;
	}
	const struct buckets *b = buckets_at(h, off);
	uint64_t rank = (uint64_t)(q * (double)(b->n - 1)), seen = 0;
	uint32_t i = 0, last = buckets_len(h, off) - 1;
	while ((seen += count_of(b->entries[i])) <= rank && i < last)
		i++;
	*out = value_of(b->entries[i] >> COUNT_BITS);
	return true;
}
