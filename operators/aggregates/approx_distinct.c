// SPDX-License-Identifier: Apache-2.0
//
// approx_distinct: HyperLogLog (Flajolet et al. 2007) with 2^12 registers, standard error
// 1.04 / sqrt(4096) = 1.6 %. Small sets are kept sparse, as in HyperLogLog++ (Heule et al.
// 2013): a sorted list of (25-bit index, rank), 4 bytes per value, in which two values fall
// together once in 33 million, so their number is the answer. Beyond SPARSE_MAX it becomes the
// 4096 registers, read by the estimator of Ertl (2017, algorithm 6), which needs no bias
// tables.
//
// Invariant: the state is a function of the set of values alone (an index keeps its largest
// rank, and a set is dense exactly when it has more than SPARSE_MAX sparse entries), so neither
// order nor grouping shows. Values are hashed (XXH3, seed 0) as 8 or 16 bytes little-endian,
// texts as they are: an int and an equal long are the same value.
#include "operators/aggregates/functions.h"

#include <xxhash.h>

#include "operators/aggregates/accumulator.h"

#define P 12
#define REGISTERS (1u << P)
#define Q (64 - P)
#define SPARSE_P 25
#define SPARSE_MAX 1000
#define RANK_BITS 6
#define ROUNDS_MAX 100 /* of a series that converges in a few dozen */

struct hll {
	struct blob sketch;
	uint32_t is_dense;
};

/* histogram[r]: registers that hold r, kept beside them so that reading needs no pass. */
struct dense {
	uint16_t histogram[Q + 2];
	uint8_t registers[REGISTERS];
};

static enum status hll_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	if (spec_need_ordered("approx_distinct", arg, e))
		return ST_ERR;
	spec_begin(s, arg, sizeof(struct hll));
	spec_blob(s, 0);
	s->result = (struct type){.kind = KIND_LONG};
	s->result_nullable = false;
	return ST_OK;
}

static void hll_init(const struct agg_spec *s, void *acc)
{
	(void)s;
	memset(acc, 0, sizeof(struct hll));
}

static uint64_t value_hash(enum form f, const struct value *v)
{
	uint8_t bytes[sizeof(__int128)];
	if (f == FORM_BYTES)
		return XXH3_64bits(v->bytes.p, v->bytes.len);
	form_store(f, bytes, v);
	return XXH3_64bits(bytes, form_bytes(f));
}

/* Leading zeros of the low `bits` bits of v, and one; bits + 1 when they are all zero. */
static uint32_t rank_of(uint64_t v, uint32_t bits)
{
	uint64_t top = v << (64 - bits);
	return top ? (uint32_t)__builtin_clzll(top) + 1 : bits + 1;
}

static uint32_t sparse_of(uint64_t hash)
{
	uint32_t index = (uint32_t)(hash >> (64 - SPARSE_P));
	return index << RANK_BITS | rank_of(hash, 64 - SPARSE_P);
}

static void dense_put(struct dense *d, uint32_t index, uint32_t rank)
{
	uint8_t *r = &d->registers[index];
	if (rank <= *r)
		return;
	d->histogram[*r]--;
	d->histogram[rank]++;
	*r = (uint8_t)rank;
}

/* A sparse entry's register and rank are those its hash would have had. */
static void dense_put_sparse(struct dense *d, uint32_t entry)
{
	uint32_t index = entry >> RANK_BITS, rank = entry & ((1u << RANK_BITS) - 1);
	uint32_t low = index & ((1u << (SPARSE_P - P)) - 1);
	dense_put(d, index >> (SPARSE_P - P),
	        low ? rank_of(low, SPARSE_P - P) : SPARSE_P - P + rank);
}

static bool is_dense(const struct heap *h, uint32_t off)
{
	return ((const struct hll *)heap_at(h, off))->is_dense;
}

static uint32_t sparse_len(const struct heap *h, uint32_t off)
{
	return heap_blob_len(h, off) / 4;
}

static uint32_t *sparse_at(const struct heap *h, uint32_t off)
{
	return (uint32_t *)heap_blob(h, off);
}

static struct dense *make_dense(struct heap *h, uint32_t off)
{
	uint32_t entries[SPARSE_MAX], n = sparse_len(h, off);
	memcpy(entries, sparse_at(h, off), n * sizeof *entries);
	struct dense *d = (struct dense *)heap_blob_resize(h, off, sizeof *d);
	memset(d, 0, sizeof *d);
	d->histogram[0] = REGISTERS;
	((struct hll *)heap_at(h, off))->is_dense = 1;
	for (uint32_t i = 0; i < n; i++)
		dense_put_sparse(d, entries[i]);
	return d;
}

/* First entry whose index is not below entry's; no branch on what is compared. */
static uint32_t sparse_lower(const uint32_t *list, uint32_t len, uint32_t entry)
{
	const uint32_t *at = list;
	uint32_t least = entry & ~((1u << RANK_BITS) - 1);
	while (len > 1) {
		uint32_t half = len / 2;
		at += (at[half - 1] < least) * half;
		len -= half;
	}
	return (uint32_t)(at - list) + (len == 1 && *at < least);
}

static void add_sparse(struct heap *h, uint32_t off, uint32_t entry)
{
	uint32_t n = sparse_len(h, off), *list = sparse_at(h, off);
	uint32_t from = sparse_lower(list, n, entry);
	if (from < n && list[from] >> RANK_BITS == entry >> RANK_BITS) {
		list[from] = entry > list[from] ? entry : list[from];
	} else if (n == SPARSE_MAX) {
		dense_put_sparse(make_dense(h, off), entry);
	} else {
		list = (uint32_t *)heap_blob_resize(h, off, (n + 1) * 4);
		memmove(list + from + 1, list + from, (n - from) * 4);
		list[from] = entry;
	}
}

static void hll_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	uint64_t hash = value_hash(s->form, &ev->value);
	if (is_dense(h, off))
		dense_put((struct dense *)heap_blob(h, off), (uint32_t)(hash >> Q),
		        rank_of(hash, Q));
	else
		add_sparse(h, off, sparse_of(hash));
}

static void merge_dense(struct dense *to, const struct dense *from)
{
	for (uint32_t i = 0; i < REGISTERS; i++)
		to->registers[i] = to->registers[i] < from->registers[i] ? from->registers[i]
		                                                         : to->registers[i];
	memset(to->histogram, 0, sizeof to->histogram);
	for (uint32_t i = 0; i < REGISTERS; i++)
		to->histogram[to->registers[i]]++;
}

static uint32_t union_len(const uint32_t *a, uint32_t n, const uint32_t *b, uint32_t m)
{
	uint32_t i = 0, j = 0, len = 0;
	for (; i < n && j < m; len++) {
		uint32_t x = a[i] >> RANK_BITS, y = b[j] >> RANK_BITS;
		i += x <= y;
		j += y <= x;
	}
	return len + (n - i) + (m - j);
}

/* Both lists at their places, list a with room for the union's w entries: merged from the back.
 */
static void union_backward(uint32_t *a, uint32_t n, const uint32_t *b, uint32_t m, uint32_t w)
{
	while (m > 0) {
		uint32_t y = b[m - 1];
		if (n == 0 || a[n - 1] >> RANK_BITS < y >> RANK_BITS) {
			a[--w] = y;
			m--;
			continue;
		}
		uint32_t x = a[--n];
		if (x >> RANK_BITS == y >> RANK_BITS) {
			x = x > y ? x : y;
			m--;
		}
		a[--w] = x;
	}
}

static void merge_sparse(struct heap *h, uint32_t dst, uint32_t src)
{
	uint32_t n = sparse_len(h, dst), m = sparse_len(h, src);
	uint32_t w = union_len(sparse_at(h, dst), n, sparse_at(h, src), m);
	if (w <= SPARSE_MAX) {
		heap_blob_resize(h, dst, w * 4);
		union_backward(sparse_at(h, dst), n, sparse_at(h, src), m, w);
		return;
	}
	struct dense *d = make_dense(h, dst);
	for (uint32_t i = 0; i < m; i++)
		dense_put_sparse(d, sparse_at(h, src)[i]);
}

static void hll_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)s, (void)n;
	if (!is_dense(h, dst) && !is_dense(h, src)) {
		merge_sparse(h, dst, src);
		return;
	}
	if (!is_dense(h, dst))
		make_dense(h, dst);
	struct dense *d = (struct dense *)heap_blob(h, dst);
	if (is_dense(h, src)) {
		merge_dense(d, (const struct dense *)heap_blob(h, src));
		return;
	}
	for (uint32_t i = 0; i < sparse_len(h, src); i++)
		dense_put_sparse(d, sparse_at(h, src)[i]);
}

/* Ertl 2017, equation 14: x + sum of x^(2^k) 2^(k-1). */
static double sigma(double x)
{
	double y = 1, z = x, before = -1;
	for (int i = 0; z != before && i < ROUNDS_MAX; i++, y += y) {
		x *= x;
		before = z;
		z += x * y;
	}
	return z;
}

/* Ertl 2017, equation 15: (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3. */
static double tau(double x)
{
	if (x == 0 || x == 1)
		return 0;
	double y = 1, z = 1 - x, before = -1;
	for (int i = 0; z != before && i < ROUNDS_MAX; i++) {
		x = sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	}
	return z / 3;
}

static int64_t dense_estimate(const struct dense *d)
{
	const double m = REGISTERS, half_over_ln2 = 0.72134752044448170368;
	double z = m * tau(1 - d->histogram[Q + 1] / m);
	for (int k = Q; k >= 1; k--)
		z = 0.5 * (z + d->histogram[k]);
	z += m * sigma(d->histogram[0] / m);
	return (int64_t)(half_over_ln2 * m * m / z + 0.5);
}

static void hll_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)s, (void)a, (void)n;
	int64_t v = is_dense(h, off) ? dense_estimate((const struct dense *)heap_blob(h, off))
	                             : sparse_len(h, off);
	*out = (struct value){.i64 = v};
}

const struct aggregate aggregate_approx_distinct = {
        .name = "approx_distinct",
        .signature = "approx_distinct(x)",
        .summary =
                "Number of different values by HyperLogLog, at most 4.2 kB per window or tile.",
        .error = "standard error 1.6 %; up to 1000 values as good as exact",
        .nvalues = 1,
        .resolve = hll_resolve,
        .init = hll_init,
        .add = hll_add,
        .merge = hll_merge,
        .result = hll_result,
};
