/* SPDX-License-Identifier: Apache-2.0
 *
 * A bump allocator for things that die together: a batch, a checked job. Never fails (running
 * out of memory aborts with a message); pointers stay valid until arena_reset or arena_release.
 * Does not run destructors and does not free single objects.
 */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *head;  /* chunk being filled */
	struct arena_chunk *spare; /* kept by a reset */
	size_t used_bytes;         /* handed out since the last reset */
	size_t held_bytes;         /* held from the system */
	size_t keep_bytes;         /* of that, kept by a reset; 0: ARENA_KEEP_BYTES */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
/* Forgets everything handed out; keeps some memory for reuse: little by default, since a node
 * has hundreds of arenas. */
void arena_reset(struct arena *a);

/* 16-byte aligned, not zeroed / zeroed. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_calloc(struct arena *a, size_t count, size_t bytes);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct slice arena_slice(struct arena *a, struct slice s);

/* malloc, calloc and realloc that abort with a message instead of failing. */
void *xmalloc(size_t bytes);
void *xcalloc(size_t count, size_t bytes);
void *xrealloc(void *p, size_t bytes);
char *xstrdup(const char *s);

#endif
