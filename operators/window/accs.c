// SPDX-License-Identifier: Apache-2.0
//
// The accumulators of a ring: an event into them, tiles merged into a window's. Those with a
// kernel are run inline, one after the other; the others through the contract's functions,
// which may move the heap: only offsets are kept across those.
#include "operators/window/layout.h"

AGG_INLINE void kernel_add_all(enum agg_kernel k, const struct acc *acc, uint8_t *base,
        uint32_t tile, uint32_t from, uint32_t to, const struct agg_input *in)
{
	if (tile)
		kernel_add(k, base + tile + acc->tile, in);
	for (uint32_t w = from; w < to; w++)
		if (acc->running[w])
			kernel_add(k, base + acc->running[w], in);
}

static void acc_add(const struct acc *acc, struct heap *h, uint32_t tile, uint32_t from,
        uint32_t to, const struct agg_event *ev, struct agg_counts *n)
{
	if (tile)
		acc->spec->agg->add(acc->spec, h, tile + acc->tile, ev, n);
	for (uint32_t w = from; w < to; w++)
		if (acc->running[w])
			acc->spec->agg->add(acc->spec, h, acc->running[w], ev, n);
}

void accs_add(const struct ring *r, struct heap *h, uint32_t tile, uint32_t from, uint32_t to,
        const struct row_event *ev, struct agg_counts *n)
{
	struct agg_input in = {.event_time = ev->event_time, .arrival = row_of(h)->arrivals};
	for (uint32_t i = 0; i < r->nkernels; i++) {
		const struct acc *acc = &r->accs[i];
		const struct feed_rows *f = &ev->feeds[acc->feed];
		if (f->takes && !f->takes[ev->i])
			continue;
		if (f->col)
			memcpy(&in.value, &f->col->i64[ev->i], sizeof in.value);
#define ADD(K)                                                                                 \
	case AGG_##K:                                                                          \
		kernel_add_all(AGG_##K, acc, h->base, tile, from, to, &in);                    \
		break;
		switch (acc->kernel) {
			AGG_KERNELS(ADD)
		case AGG_NO_KERNEL:
			break;
		}
#undef ADD
	}
	for (uint32_t i = r->nkernels; i < r->naccs; i++) {
		const struct feed_rows *f = &ev->feeds[r->accs[i].feed];
		struct agg_event e = {.event_time = in.event_time, .arrival = in.arrival};
		if (f->takes && !f->takes[ev->i])
			continue;
		if (f->col)
			e.value = column_get(f->col, ev->i);
		acc_add(&r->accs[i], h, tile, from, to, &e, n);
	}
}

AGG_INLINE void kernel_merge_all(enum agg_kernel k, uint8_t *dst, const uint8_t *src,
        const uint8_t *end, uint32_t stride)
{
	for (; src < end; src += stride)
		kernel_merge(k, dst, src);
}

static void kernel_acc_merge_all(enum agg_kernel k, uint8_t *dst, const uint8_t *src,
        const uint8_t *end, uint32_t stride)
{
#define MERGE(K)                                                                               \
	case AGG_##K:                                                                          \
		kernel_merge_all(AGG_##K, dst, src, end, stride);                              \
		break;
	switch (k) {
		AGG_KERNELS(MERGE)
	case AGG_NO_KERNEL:
		break;
	}
#undef MERGE
}

static void acc_reset(
        const struct layout *l, const struct agg_spec *s, struct heap *h, uint32_t off)
{
	for (uint32_t i = 0; i < s->nblobs; i++)
		heap_blob_free(h, off + s->blob_at[i]);
	memcpy(heap_at(h, off), l->row_new + off, s->acc_bytes);
}

void accs_merge(const struct layout *l, const struct ring *r, struct heap *h, uint32_t window,
        uint32_t first, struct agg_counts *n)
{
	uint32_t end = ring_end(l, r, h);
	for (uint32_t i = 0; i < r->naccs; i++) {
		const struct acc *acc = &r->accs[i];
		uint32_t to = acc->running[window];
		if (!to)
			continue;
		acc_reset(l, acc->spec, h, to);
		if (acc->kernel) {
			kernel_acc_merge_all(acc->kernel, h->base + to,
			        h->base + first + acc->tile, h->base + end, r->tile_bytes);
			continue;
		}
		for (uint32_t tile = first; tile < end; tile += r->tile_bytes)
			acc->spec->agg->merge(acc->spec, h, to, tile + acc->tile, n);
	}
}
