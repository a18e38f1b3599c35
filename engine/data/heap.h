/* SPDX-License-Identifier: Apache-2.0
 *
 * One entity's state as one relocatable run of bytes: fixed-size accumulators plus blobs for what
 * grows (sketches, sets, texts, tile arrays). Everything inside is addressed by offset, so a row
 * is copied, logged and stored with one memcpy. Growing a blob may move the whole heap: pointers
 * into it are dead after heap_blob_resize; take them again from the offset.
 */
#ifndef WEIR_DATA_HEAP_H
#define WEIR_DATA_HEAP_H

#include <stdint.h>

#include "base/slice.h"

struct heap {
	uint8_t *base;
	uint32_t len, cap;
	uint32_t garbage; /* bytes of [0, len) that no blob owns any more */
};

/* A growable area, named by a struct blob that itself lives in the heap (4-byte aligned). All
 * zero: empty. */
struct blob {
	uint32_t off, len, cap;
};

static inline void *heap_at(const struct heap *h, uint32_t off)
{
	return h->base + off;
}

/* The bytes of the blob whose struct blob is at blob_off; 8-byte aligned. */
static inline uint8_t *heap_blob(const struct heap *h, uint32_t blob_off)
{
	return h->base + ((struct blob *)(h->base + blob_off))->off;
}

static inline uint32_t heap_blob_len(const struct heap *h, uint32_t blob_off)
{
	return ((struct blob *)(h->base + blob_off))->len;
}

/* Sets the blob's length: keeps what fits, zero-fills growth, grows capacity by half as much
 * again. May move h->base. Returns the blob's bytes. */
uint8_t *heap_blob_resize(struct heap *h, uint32_t blob_off, uint32_t len);
/* Sets the content. p must not point into h. */
void heap_blob_set(struct heap *h, uint32_t blob_off, struct slice content);
/* Gives the area back (as garbage until the row is packed). */
void heap_blob_free(struct heap *h, uint32_t blob_off);

/* For an owner whose blobs lie side by side: makes room for bytes (a multiple of 8) at off, not
 * written; what follows moves up. May move h->base. */
void heap_open(struct heap *h, uint32_t off, uint32_t bytes);
/* Takes bytes out at off; what follows moves down. */
void heap_close(struct heap *h, uint32_t off, uint32_t bytes);

#endif
