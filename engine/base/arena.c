// SPDX-License-Identifier: Apache-2.0
//
// Bump allocation in doubling chunks. A reset keeps chunks for reuse, so that a steady batch
// loop stops calling malloc after its first rounds.
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_CHUNK_MIN ((size_t)16 << 10)
#define ARENA_CHUNK_MAX ((size_t)1 << 20)
#define ARENA_KEEP_BYTES ((size_t)256 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t cap, used;
	_Alignas(16) uint8_t data[];
};

static _Noreturn void out_of_memory(size_t bytes)
{
	fprintf(stderr, "weir: out of memory (%zu bytes)\n", bytes);
	abort();
}

void *xmalloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);
	if (!p)
		out_of_memory(bytes);
	return p;
}

void *xcalloc(size_t count, size_t bytes)
{
	void *p = calloc(count ? count : 1, bytes ? bytes : 1);
	if (!p)
		out_of_memory(count * bytes);
	return p;
}

void *xrealloc(void *old, size_t bytes)
{
	void *p = realloc(old, bytes ? bytes : 1);
	if (!p)
		out_of_memory(bytes);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(xmalloc(n), s, n);
}

void arena_init(struct arena *a)
{
	*a = (struct arena){0};
}

static void chunks_free(struct arena_chunk *c)
{
	while (c) {
		struct arena_chunk *next = c->next;
		free(c);
		c = next;
	}
}

void arena_release(struct arena *a)
{
	if (!a)
		return;
	chunks_free(a->head);
	chunks_free(a->spare);
	arena_init(a);
}

void arena_reset(struct arena *a)
{
	while (a->head) {
		struct arena_chunk *c = a->head;
		a->head = c->next;
		c->next = a->spare;
		a->spare = c;
	}
	size_t kept = 0, keep = a->keep_bytes ? a->keep_bytes : ARENA_KEEP_BYTES;
	struct arena_chunk **at = &a->spare;
	while (*at) {
		struct arena_chunk *c = *at;
		if (kept + c->cap > keep) {
			*at = c->next;
			a->held_bytes -= c->cap;
			free(c);
			continue;
		}
		kept += c->cap;
		c->used = 0;
		at = &c->next;
	}
	a->used_bytes = 0;
}

static struct arena_chunk *chunk_take_spare(struct arena *a, size_t bytes)
{
	for (struct arena_chunk **at = &a->spare; *at; at = &(*at)->next) {
		struct arena_chunk *c = *at;
		if (c->cap >= bytes) {
			*at = c->next;
			return c;
		}
	}
	return NULL;
}

static void chunk_add(struct arena *a, size_t bytes)
{
	struct arena_chunk *c = chunk_take_spare(a, bytes);
	if (!c) {
		size_t cap = a->head ? a->head->cap * 2 : ARENA_CHUNK_MIN;
		if (cap > ARENA_CHUNK_MAX)
			cap = ARENA_CHUNK_MAX;
		if (cap < bytes)
			cap = bytes;
		c = xmalloc(sizeof *c + cap);
		c->cap = cap;
		c->used = 0;
		a->held_bytes += cap;
	}
	c->next = a->head;
	a->head = c;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t n = (bytes + 15) & ~(size_t)15;
	if (n == 0)
		n = 16;
	if (!a->head || a->head->cap - a->head->used < n)
		chunk_add(a, n);
	void *p = a->head->data + a->head->used;
	a->head->used += n;
	a->used_bytes += n;
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t bytes)
{
	void *p = arena_alloc(a, count * bytes);
	memset(p, 0, count * bytes);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, ap2;
	va_start(ap, fmt);
	va_copy(ap2, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap2);
	va_end(ap2);
	return p;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
	uint8_t *p = arena_alloc(a, s.len);
	if (s.len)
		memcpy(p, s.p, s.len);
	return (struct slice){p, s.len};
}
