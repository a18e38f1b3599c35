// SPDX-License-Identifier: Apache-2.0
//
// Which aggregate calls of a view keep their state together.
#include "lang/job.h"

static bool same_ring(const struct window *a, const struct window *b)
{
	if (a->kind == WINDOW_LIFETIME || b->kind == WINDOW_LIFETIME)
		return a->kind == b->kind;
	return a->hop_ms == b->hop_ms;
}

/* Functions that take events and merge in one way differ in what they read out of it alone. */
static bool same_acc(const struct agg_spec *a, const struct agg_spec *b)
{
	return a->agg->init == b->agg->init && a->agg->add == b->agg->add &&
	       a->agg->merge == b->agg->merge && a->kernel == b->kernel &&
	       a->acc_bytes == b->acc_bytes && a->k == b->k;
}

static bool acc_holds(const struct agg_spec *whole, const struct agg_spec *part, uint32_t *at)
{
	*at = 0;
	if (same_acc(whole, part))
		return true;
	for (const struct agg_part *p = whole->agg->parts; p && p->of; p++)
		if (p->of == part->agg) {
			*at = p->at;
			return true;
		}
	return false;
}

uint32_t view_call_holder(const struct view *v, uint32_t call, uint32_t *at)
{
	const struct agg_call *c = &v->calls[call];
	uint32_t holder = call, off;
	*at = 0;
	for (uint32_t i = v->ncalls; i-- > 0;) {
		const struct agg_call *o = &v->calls[i];
		if (o->arg != c->arg || o->where != c->where ||
		        !same_ring(&v->windows[o->window], &v->windows[c->window]) ||
		        o->spec.acc_bytes < v->calls[holder].spec.acc_bytes ||
		        !acc_holds(&o->spec, &c->spec, &off))
			continue;
		holder = i;
		*at = off;
	}
	return holder;
}
