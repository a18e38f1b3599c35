// SPDX-License-Identifier: Apache-2.0
//
// Growing blobs inside an entity's heap.
//
// Invariants: blobs start at multiples of 8 and their capacity is one; the heap's length is a
// multiple of 8 after a blob grew; every byte in [0, len) has been written, slack included, so
// that equal histories give equal bytes. A blob that ends the heap grows in place; any other
// moves to the end and leaves garbage behind.
//
// What it does not do: pack. Only the row's owner knows where all its blobs are.
#include "data/heap.h"

#include "base/arena.h"
#include "base/error.h"

/* An entity beyond this is a bug in whoever bounds its parts, never input. */
#define HEAP_BYTES_MAX ((uint64_t)1 << 30)

static struct blob *blob_at(const struct heap *h, uint32_t blob_off)
{
	return heap_at(h, blob_off);
}

static uint64_t round8(uint64_t n)
{
	return (n + 7) & ~(uint64_t)7;
}

static void heap_reserve(struct heap *h, uint64_t len)
{
	INVARIANT(len <= HEAP_BYTES_MAX);
	if (len <= h->cap)
		return;
	uint64_t cap = h->cap + (uint64_t)h->cap / 2;
	if (cap < len)
		cap = len;
	h->base = xrealloc(h->base, cap);
	h->cap = (uint32_t)cap;
}

/* Makes [0, len) addressable; what is new is zero. */
static void heap_extend(struct heap *h, uint64_t len)
{
	heap_reserve(h, len);
	memset(h->base + h->len, 0, len - h->len);
	h->len = (uint32_t)len;
}

static uint64_t blob_cap_next(const struct blob *b, uint32_t len)
{
	uint64_t cap = b->cap + (uint64_t)b->cap / 2;
	return round8(cap < len ? len : cap);
}

static void blob_grow(struct heap *h, uint32_t blob_off, uint32_t len)
{
	struct blob old = *blob_at(h, blob_off);
	uint64_t cap = blob_cap_next(&old, len);
	if (old.cap && old.off + old.cap == h->len && old.off % 8 == 0) {
		heap_extend(h, old.off + cap);
		blob_at(h, blob_off)->cap = (uint32_t)cap;
		return;
	}
	uint64_t to = round8(h->len);
	heap_extend(h, to + cap);
	if (old.len)
		memcpy(h->base + to, h->base + old.off, old.len);
	h->garbage += old.cap;
	*blob_at(h, blob_off) = (struct blob){(uint32_t)to, old.len, (uint32_t)cap};
}

uint8_t *heap_blob_resize(struct heap *h, uint32_t blob_off, uint32_t len)
{
	if (len > blob_at(h, blob_off)->cap)
		blob_grow(h, blob_off, len);
	struct blob *b = blob_at(h, blob_off);
	if (len > b->len)
		memset(h->base + b->off + b->len, 0, len - b->len);
	b->len = len;
	return h->base + b->off;
}

void heap_blob_set(struct heap *h, uint32_t blob_off, struct slice content)
{
	uint8_t *p = heap_blob_resize(h, blob_off, content.len);
	if (content.len)
		memcpy(p, content.p, content.len);
}

void heap_blob_free(struct heap *h, uint32_t blob_off)
{
	struct blob *b = blob_at(h, blob_off);
	h->garbage += b->cap;
	*b = (struct blob){0};
}

void heap_open(struct heap *h, uint32_t off, uint32_t bytes)
{
	heap_reserve(h, (uint64_t)h->len + bytes);
	memmove(h->base + off + bytes, h->base + off, h->len - off);
	h->len += bytes;
}

void heap_close(struct heap *h, uint32_t off, uint32_t bytes)
{
	h->len -= bytes;
	memmove(h->base + off, h->base + off + bytes, h->len - off);
}
