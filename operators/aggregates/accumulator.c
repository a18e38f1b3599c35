// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the aggregate functions. Nothing here knows a function by name.
#include "operators/aggregates/accumulator.h"

static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25,
        1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38};

double pow10_f64(int exponent)
{
	return powers[exponent];
}

__int128 pow10_i128(int exponent)
{
	__int128 v = 1;
	while (exponent-- > 0)
		v *= 10;
	return v;
}

void spec_begin(struct agg_spec *s, const struct type *arg, uint16_t acc_bytes)
{
	struct type none = {.kind = KIND_NULL};
	*s = (struct agg_spec){
	        .agg = s->agg,
	        .arg_type = arg ? *arg : none,
	        .result = arg ? *arg : none,
	        .result_nullable = true,
	        .acc_bytes = acc_bytes,
	};
	s->form = type_form(&s->arg_type);
}

void spec_blob(struct agg_spec *s, uint16_t at)
{
	s->blob_at[s->nblobs++] = at;
}

static enum status refuse(const char *name, const char *what, const struct type *arg,
        const char *hint, struct error *e)
{
	char buf[TYPE_NAME_MAX];
	const char *is = arg ? type_name(arg, buf) : "nothing";
	return error_set(e, ERR_USER, 0, "%s needs %s, not %s%s", name, what, is, hint);
}

enum status spec_need_number(const char *name, const struct type *arg, struct error *e)
{
	if (arg && type_is_number(arg))
		return ST_OK;
	bool truth = arg && arg->kind == KIND_BOOLEAN;
	return refuse(
	        name, "a number", arg, truth ? ": count() where … counts what is true" : "", e);
}

enum status spec_need_value(const char *name, const struct type *arg, struct error *e)
{
	return arg && arg->kind != KIND_NULL ? ST_OK : refuse(name, "a value", arg, "", e);
}

enum status spec_need_ordered(const char *name, const struct type *arg, struct error *e)
{
	bool ordered = arg && arg->kind != KIND_NULL && arg->kind != KIND_ARRAY &&
	               arg->kind != KIND_MAP;
	return ordered ? ST_OK : refuse(name, "a plain value", arg, "", e);
}

double number_f64(const struct agg_spec *s, const struct value *v)
{
	switch (s->form) {
	case FORM_I64:
		return (double)v->i64;
	case FORM_F64:
		return v->f64;
	case FORM_I128:
		return (double)v->i128 / pow10_f64(s->arg_type.scale);
	case FORM_BYTES:
		break;
	}
	INVARIANT(!"resolve lets numbers in only");
	return 0;
}

void kernel_acc_add(
        const struct agg_spec *s, struct heap *h, uint32_t off, const struct agg_event *ev)
{
	struct agg_input in = {.event_time = ev->event_time, .arrival = ev->arrival};
	memcpy(&in.value, &ev->value.i64, sizeof in.value);
	kernel_add(s->kernel, heap_at(h, off), &in);
}

void kernel_acc_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src)
{
	kernel_merge(s->kernel, heap_at(h, dst), heap_at(h, src));
}

void kernel_acc_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct value *out, struct agg_counts *n)
{
	union agg_word word = {0};
	*out = (struct value){0};
	out->null = !kernel_result(s->kernel, s, heap_at(h, off), &word, n);
	memcpy(&out->i64, &word, sizeof word);
}

void result_f64(double v, struct value *out, struct agg_counts *n)
{
	*out = (struct value){.null = !isfinite(v), .f64 = v};
	n->overflow += out->null;
}

void blob_copy(struct heap *h, uint32_t dst, uint32_t src)
{
	uint32_t len = heap_blob_len(h, src);
	uint8_t *to = heap_blob_resize(h, dst, len);
	if (len)
		memcpy(to, heap_blob(h, src), len);
}
