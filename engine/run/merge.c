// SPDX-License-Identifier: Apache-2.0
//
// Bounded queues, one per partition, and the choice of what comes next. Records are copied into
// blocks (descriptions from the front, bytes from the back), so nothing is allocated per
// record. A heap orders the partitions' heads, but it is touched per run, not per record: the
// first partition goes on for as long as it stays before the second.
//
// Invariants: what has been handed out is a prefix of the merged order of what was put (but for
// partitions that were not waited for). Nothing here knows of tasks, pauses nothing, reads no
// clock.
#include "run/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct merge_block {
	struct merge_block *next;
	uint32_t n, front, back; /* in bytes: front and back close in on each other */
	_Alignas(16) uint8_t bytes[];
};

struct merge_entry {
	int64_t timestamp;
	struct merge_queue *queue;
};

static struct log_record *block_records(struct merge_block *b)
{
	return (struct log_record *)(void *)b->bytes;
}

/* Room for what is being put, within bounds; at least for its first record. */
static struct merge_block *block_new(uint64_t wanted, uint32_t least)
{
	uint64_t size = wanted < MERGE_BLOCK_MIN ? MERGE_BLOCK_MIN : wanted;
	if (size > MERGE_BLOCK_MAX)
		size = MERGE_BLOCK_MAX;
	if (size < least)
		size = least;
	struct merge_block *b = xmalloc(sizeof *b + size);
	*b = (struct merge_block){.back = (uint32_t)size};
	return b;
}

static void blocks_free(struct merge_block *b)
{
	while (b) {
		struct merge_block *next = b->next;
		free(b);
		b = next;
	}
}

struct merge *merge_new(bool (*more)(void *owner), uint64_t bytes_max)
{
	struct merge *m = xcalloc(1, sizeof *m);
	m->more = more;
	m->bytes_max = bytes_max;
	return m;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	while (m->nqueues)
		merge_remove(m->queues[0]);
	merge_done(m);
	free(m->queues);
	free(m->heap);
	free(m->runs);
	free(m);
}

struct merge_queue *merge_add(struct merge *m, int32_t partition, void *owner)
{
	struct merge_queue *q = xcalloc(1, sizeof *q);
	uint32_t at = 0;
	*q = (struct merge_queue){
	        .merge = m, .partition = partition, .owner = owner, .next_offset = -1};
	m->queues = xrealloc(m->queues, (m->nqueues + 1) * sizeof(struct merge_queue *));
	m->heap = xrealloc(m->heap, (m->nqueues + 1) * sizeof *m->heap);
	while (at < m->nqueues && m->queues[at]->partition < partition)
		at++;
	memmove(m->queues + at + 1, m->queues + at,
	        (m->nqueues - at) * sizeof(struct merge_queue *));
	m->queues[at] = q;
	m->nqueues++;
	return q;
}

void merge_clear(struct merge_queue *q)
{
	blocks_free(q->first);
	q->merge->bytes -= q->bytes;
	q->first = q->last = q->at = NULL;
	q->head = q->n = q->picked = 0;
	q->bytes = 0;
	q->next_offset = -1;
	q->waited_since_ns = 0;
	q->passed_over = q->told = false;
}

void merge_remove(struct merge_queue *q)
{
	if (!q)
		return;
	struct merge *m = q->merge;
	uint32_t at = 0;
	merge_clear(q);
	while (m->queues[at] != q)
		at++;
	m->nqueues--;
	memmove(m->queues + at, m->queues + at + 1,
	        (m->nqueues - at) * sizeof(struct merge_queue *));
	free(q);
}

static uint64_t record_bytes(const struct log_record *r)
{
	return sizeof *r + r->key.len + r->value.len;
}

static void record_put(struct merge_block *b, const struct log_record *r)
{
	struct log_record *to = &block_records(b)[b->n++];
	b->front += (uint32_t)sizeof *r;
	b->back -= r->key.len + r->value.len;
	*to = *r;
	to->key.p = b->bytes + b->back;
	to->value.p = to->key.p + r->key.len;
	if (r->key.len)
		memcpy(b->bytes + b->back, r->key.p, r->key.len);
	if (r->value.len)
		memcpy(b->bytes + b->back + r->key.len, r->value.p, r->value.len);
}

/* A block that takes record r, of `left` bytes that are still to come. */
static struct merge_block *block_for(struct merge_queue *q, uint64_t left, uint32_t bytes)
{
	struct merge_block *b = q->last;
	if (b && b->back - b->front >= bytes)
		return b;
	b = block_new(left, bytes);
	if (q->last)
		q->last->next = b;
	else
		q->first = b;
	return q->last = b;
}

void merge_put(struct merge_queue *q, const struct log_record *r, uint32_t n)
{
	uint64_t left = 0;
	while (n && r->offset < q->next_offset)
		r++, n--;
	for (uint32_t i = 0; i < n; i++)
		left += record_bytes(&r[i]);
	q->bytes += left;
	q->merge->bytes += left;
	q->n += n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t bytes = (uint32_t)record_bytes(&r[i]);
		record_put(block_for(q, left, bytes), &r[i]);
		left -= bytes;
	}
	if (!n)
		return;
	q->next_offset = r[n - 1].offset + 1;
	q->waited_since_ns = 0;
	q->passed_over = q->told = false;
}

static uint64_t share(const struct merge_queue *q)
{
	return q->merge->bytes_max / q->merge->nqueues;
}

bool merge_full(const struct merge_queue *q)
{
	return q->merge->bytes >= q->merge->bytes_max && q->bytes >= share(q);
}

bool merge_low(const struct merge_queue *q)
{
	return q->bytes < share(q) / 2;
}

/* -- picking -- */

static bool before(int64_t ts_a, int32_t a, int64_t ts_b, int32_t b)
{
	return ts_a != ts_b ? ts_a < ts_b : a < b;
}

static bool entry_before(const struct merge_entry *a, const struct merge_entry *b)
{
	return before(a->timestamp, a->queue->partition, b->timestamp, b->queue->partition);
}

static void sift_down(struct merge_entry *h, uint32_t n, uint32_t i)
{
	struct merge_entry e = h[i];
	for (uint32_t k; (k = 2 * i + 1) < n; i = k) {
		if (k + 1 < n && entry_before(&h[k + 1], &h[k]))
			k++;
		if (!entry_before(&h[k], &e))
			break;
		h[i] = h[k];
	}
	h[i] = e;
}

static const struct log_record *cursor(const struct merge_queue *q)
{
	return q->at ? &block_records(q->at)[q->at_index] : NULL;
}

static void cursor_next(struct merge_queue *q)
{
	if (++q->at_index == q->at->n) {
		q->at = q->at->next;
		q->at_index = 0;
	}
}

/* Whether a queue without a record holds the others up. */
static bool waits(struct merge *m, struct merge_queue *q, int64_t now_ns)
{
	if (!m->more(q->owner)) {
		q->waited_since_ns = 0;
		return false;
	}
	if (!q->waited_since_ns)
		q->waited_since_ns = now_ns;
	int64_t until = q->waited_since_ns + m->patience_ns;
	q->passed_over = now_ns >= until;
	if (q->passed_over)
		return false;
	if (!m->wait_until_ns || until < m->wait_until_ns)
		m->wait_until_ns = until;
	return true;
}

static void run_add(struct merge *m, struct merge_queue *q, int64_t last_offset)
{
	if (m->nruns == m->cap_runs) {
		m->cap_runs = m->cap_runs ? 2 * m->cap_runs : 64;
		m->runs = xrealloc(m->runs, m->cap_runs * sizeof *m->runs);
	}
	m->runs[m->nruns++] = (struct merge_run){q, last_offset};
}

static uint32_t heads_gather(struct merge *m)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->nqueues; i++) {
		struct merge_queue *q = m->queues[i];
		q->picked = 0;
		q->at = q->first;
		q->at_index = q->head;
		if (q->n)
			m->heap[n++] = (struct merge_entry){cursor(q)->timestamp, q};
	}
	for (uint32_t i = n / 2; i-- > 0;)
		sift_down(m->heap, n, i);
	return n;
}

/* Whether some queue without a record holds the others up. */
static bool anyone_waits(struct merge *m, int64_t now_ns)
{
	bool any = false;
	for (uint32_t i = 0; i < m->nqueues; i++)
		any |= !m->queues[i]->n && waits(m, m->queues[i], now_ns);
	return any;
}

/* The first queue's records, for as long as they come before the second's. */
static const struct log_record *run_pick(
        struct merge *m, uint32_t nheap, uint32_t *total, uint64_t *bytes)
{
	struct merge_queue *q = m->heap[0].queue;
	const struct merge_entry *second = nheap > 1 ? &m->heap[1] : NULL;
	const struct log_record *r = cursor(q);
	int64_t last;
	if (nheap > 2 && entry_before(&m->heap[2], second))
		second = &m->heap[2];
	do {
		last = r->offset;
		q->picked++;
		++*total;
		*bytes += record_bytes(r);
		cursor_next(q);
		r = cursor(q);
	} while (r && *total < MERGE_ROUND_RECORDS && *bytes < MERGE_ROUND_BYTES &&
	         (!second || before(r->timestamp, q->partition, second->timestamp,
	                             second->queue->partition)));
	run_add(m, q, last);
	return r;
}

uint32_t merge_pick(struct merge *m, int64_t now_ns, int64_t wall_ms)
{
	uint32_t total = 0, nheap = heads_gather(m);
	uint64_t bytes = 0;
	m->nruns = 0;
	m->wait_until_ns = 0;
	if (!nheap)
		return 0;
	m->patience_ns = m->heap[0].timestamp < wall_ms - MERGE_OLD_MS ? MERGE_WAIT_OLD_NS
	                                                               : MERGE_WAIT_NS;
	if (anyone_waits(m, now_ns))
		return 0;
	while (nheap && total < MERGE_ROUND_RECORDS && bytes < MERGE_ROUND_BYTES) {
		const struct log_record *r = run_pick(m, nheap, &total, &bytes);
		if (r)
			m->heap[0].timestamp = r->timestamp;
		else if (waits(m, m->heap[0].queue, now_ns))
			break;
		else
			m->heap[0] = m->heap[--nheap];
		if (nheap)
			sift_down(m->heap, nheap, 0);
	}
	return total;
}

bool merge_piece(struct merge_queue *q, const struct log_record **r, uint32_t *n)
{
	struct merge_block *b = q->first;
	if (!q->picked)
		return false;
	*n = b->n - q->head < q->picked ? b->n - q->head : q->picked;
	*r = &block_records(b)[q->head];
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < *n; i++)
		bytes += record_bytes(&(*r)[i]);
	q->picked -= *n;
	q->n -= *n;
	q->bytes -= bytes;
	q->merge->bytes -= bytes;
	q->head += *n;
	if (q->head < b->n)
		return true;
	q->first = b->next;
	q->head = 0;
	if (!q->first)
		q->last = NULL;
	b->next = q->merge->done;
	q->merge->done = b;
	return true;
}

void merge_done(struct merge *m)
{
	blocks_free(m->done);
	m->done = NULL;
}
