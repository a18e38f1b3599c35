// SPDX-License-Identifier: Apache-2.0
//
// The interpreter. Every length is held against what is left of the record before it is used,
// and every element of a block takes at least one byte, so no count makes it run away. What is
// passed over is checked as far as its layout goes: a record is good or bad whatever columns
// are wanted, but for the contents of wanted ones (UTF-8, a decimal's precision, an enum's
// symbol).
#include "connectors/avro/run.h"

#include "connectors/avro/utf8.h"
#include "data/avro.h"
#include "data/window.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "float and double are read in place");

bool run_bad(struct run *x, enum bad bad, const char *column, const char *why)
{
	if (x->bad->bad != BAD_NONE)
		return false;
	x->bad->bad = bad;
	x->bad->detail =
	        arena_printf(x->a, "%s%s%s", column ? column : "", column ? ": " : "", why);
	return false;
}

static bool torn(struct run *x)
{
	return run_bad(x, BAD_SYNTAX, NULL, "the record ends too early");
}

static bool bad_leaf(struct run *x, enum bad bad, const struct step *s, const char *why)
{
	return run_bad(x, bad, s->field >= 0 ? x->reader->fields[s->field].name : NULL, why);
}

bool run_long_slow(struct run *x, int64_t *out)
{
	uint64_t z = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		if (x->p == x->end)
			return torn(x);
		uint8_t c = *x->p++;
		if (shift == 63 && c > 1)
			break;
		z |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*out = (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
			return true;
		}
	}
	return run_bad(x, BAD_SYNTAX, NULL, "a number of more than 64 bits");
}

static bool run_int(struct run *x, int64_t *out)
{
	if (!run_long(x, out))
		return false;
	if (*out < INT32_MIN || *out > INT32_MAX)
		return run_bad(x, BAD_SYNTAX, NULL, "an int of more than 32 bits");
	return true;
}

static bool run_take(struct run *x, uint32_t n, struct slice *out)
{
	if ((size_t)(x->end - x->p) < n)
		return torn(x);
	*out = (struct slice){x->p, n};
	x->p += n;
	return true;
}

bool run_bytes(struct run *x, struct slice *out)
{
	int64_t n;
	if (!run_long(x, &n))
		return false;
	if (n < 0 || n > x->end - x->p)
		return run_bad(x, BAD_SYNTAX, NULL, "a length beyond the record's end");
	*out = (struct slice){x->p, (uint32_t)n};
	x->p += n;
	return true;
}

static bool run_boolean(struct run *x, int64_t *out)
{
	struct slice s;
	if (!run_take(x, 1, &s))
		return false;
	*out = s.p[0];
	return s.p[0] <= 1 || run_bad(x, BAD_SYNTAX, NULL, "a boolean that is neither 0 nor 1");
}

static bool run_float(struct run *x, double *out)
{
	struct slice s;
	float f;
	if (!run_take(x, sizeof f, &s))
		return false;
	memcpy(&f, s.p, sizeof f);
	*out = f;
	return true;
}

static bool run_double(struct run *x, double *out)
{
	struct slice s;
	if (!run_take(x, sizeof *out, &s))
		return false;
	memcpy(out, s.p, sizeof *out);
	return true;
}

static bool run_integer_as_real(struct run *x, const struct step *s, double *out)
{
	int64_t v;
	if (!(s->op == STEP_INT_F64 ? run_int(x, &v) : run_long(x, &v)))
		return false;
	*out = s->narrow ? (double)(float)v : (double)v;
	return true;
}

static bool run_decimal(struct run *x, const struct step *s, __int128 *out)
{
	struct slice raw;
	if (!(s->n ? run_take(x, s->n, &raw) : run_bytes(x, &raw)))
		return false;
	__int128 limit = 1;
	for (int i = 0; i < s->precision; i++)
		limit *= 10;
	if (!raw.len)
		return bad_leaf(x, BAD_SYNTAX, s, "a decimal without bytes");
	if (!avro_decimal(raw, out) || *out >= limit || *out <= -limit)
		return bad_leaf(
		        x, BAD_RANGE, s, "has more digits than the decimal's precision");
	return true;
}

static bool run_symbol(struct run *x, const struct step *s, int64_t *i)
{
	if (!run_int(x, i))
		return false;
	return (*i >= 0 && *i < s->n) ||
	       run_bad(x, BAD_SYNTAX, NULL, "an enum's number beyond its symbols");
}

static bool run_enum(struct run *x, const struct step *s, struct slice *out)
{
	int64_t i;
	if (!run_symbol(x, s, &i))
		return false;
	*out = s->symbols[i];
	return out->p || bad_leaf(x, BAD_RANGE, s, "a symbol that the reader's enum lacks");
}

static bool run_long_scaled(struct run *x, const struct step *s, int64_t *out)
{
	if (!run_long(x, out))
		return false;
	if (s->op == STEP_LONG_DIV)
		*out = floor_div(*out, 1000);
	else if (__builtin_mul_overflow(*out, (int64_t)1000, out))
		return bad_leaf(x, BAD_RANGE, s, "is out of range in microseconds");
	return true;
}

bool run_leaf(struct run *x, const struct step *s, struct value *out)
{
	out->null = false;
	switch ((enum step_op)s->op) {
	case STEP_BOOLEAN:
		return run_boolean(x, &out->i64);
	case STEP_INT:
		return run_int(x, &out->i64);
	case STEP_LONG:
		return run_long(x, &out->i64);
	case STEP_LONG_DIV:
	case STEP_LONG_MUL:
		return run_long_scaled(x, s, &out->i64);
	case STEP_INT_F64:
	case STEP_LONG_F64:
		return run_integer_as_real(x, s, &out->f64);
	case STEP_FLOAT:
		return run_float(x, &out->f64);
	case STEP_DOUBLE:
		return run_double(x, &out->f64);
	case STEP_TEXT:
		if (!run_bytes(x, &out->bytes))
			return false;
		return utf8_valid(out->bytes) || bad_leaf(x, BAD_TYPE, s, "is not UTF-8");
	case STEP_BYTES:
		return run_bytes(x, &out->bytes);
	case STEP_FIXED:
		return run_take(x, s->n, &out->bytes);
	case STEP_DECIMAL:
		return run_decimal(x, s, &out->i128);
	case STEP_ENUM:
		return run_enum(x, s, &out->bytes);
	default:
		INVARIANT(!"a leaf's step");
	}
}

/* 1 null, 0 a value, -1 a fault. */
static int run_union(struct run *x, uint8_t null_branch)
{
	int64_t branch;
	if (!run_long(x, &branch))
		return -1;
	if (branch != 0 && branch != 1) {
		run_bad(x, BAD_SYNTAX, NULL, "a union's branch that does not exist");
		return -1;
	}
	return branch == null_branch;
}

static bool run_collection(struct run *x, const struct step *s, struct value *out)
{
	struct buf *b = x->scratch;
	b->len = 0;
	if (!run_copy(x, s->copy, b)) {
		/* Inside, faults have no name. */
		if (x->bad->bad != BAD_SYNTAX)
			x->bad->detail = arena_printf(x->a, "%s: %s",
			        x->reader->fields[s->field].name, x->bad->detail);
		return false;
	}
	*out = (struct value){.bytes = arena_slice(x->a, buf_view(b))};
	return true;
}

static bool run_over(struct run *x, const struct step *s)
{
	int64_t v;
	struct slice ignored;
	switch ((enum step_op)s->op) {
	case STEP_SKIP:
		return run_take(x, s->n, &ignored);
	case STEP_SKIP_BOOLEAN:
		return run_boolean(x, &v);
	case STEP_SKIP_INT:
		return run_int(x, &v);
	case STEP_SKIP_LONG:
		return run_long(x, &v);
	case STEP_SKIP_BYTES:
		return run_bytes(x, &ignored);
	case STEP_SKIP_ENUM:
		return run_symbol(x, s, &v);
	default:
		return run_skip(x, s->node);
	}
}

static void put(struct run *x, const struct step *s, const struct value *v)
{
	struct column *c = &x->cols[s->field];
	switch ((enum step_op)s->op) {
	case STEP_INT_F64:
	case STEP_LONG_F64:
	case STEP_FLOAT:
	case STEP_DOUBLE:
		c->f64[x->row] = v->f64;
		break;
	case STEP_DECIMAL:
		c->i128[x->row] = v->i128;
		break;
	case STEP_TEXT:
	case STEP_BYTES:
	case STEP_FIXED:
	case STEP_ENUM:
	case STEP_COPY:
		c->bytes[x->row] = v->bytes;
		break;
	default:
		c->i64[x->row] = v->i64;
	}
}

/* Unions, jumps and constants. Gives the next step, NULL after a fault. */
static const struct step *run_control(
        struct run *x, const struct reading *g, const struct step *s)
{
	int null;
	switch ((enum step_op)s->op) {
	case STEP_UNION:
		null = run_union(x, s->null_branch);
		return null < 0 ? NULL : null ? &g->steps[s->n] : s + 1;
	case STEP_JUMP:
		return &g->steps[s->n];
	case STEP_SET:
		column_set(&x->cols[s->field], x->row, s->constant);
		return s + 1;
	case STEP_NULL:
		run_bad(x, BAD_MISSING, s->column, "is null");
		return NULL;
	default:
		run_bad(x, BAD_MISSING, s->column, "is missing");
		return NULL;
	}
}

/* The steps that most records are made of, without a call and a second look at what they are.
 * False: the step is another one, or its bytes are none of the usual; it was not taken. */
static inline bool run_usual(struct run *x, const struct reading *g, const struct step **at)
{
	const struct step *s = *at;
	const uint8_t *p = x->p;
	if (p == x->end)
		return false;
	switch ((enum step_op)s->op) {
	case STEP_UNION: /* branch 0 or 1 */
		if (*p & ~2)
			return false;
		x->p++;
		*at = *p >> 1 == s->null_branch ? &g->steps[s->n] : s + 1;
		return true;
	case STEP_JUMP:
		*at = &g->steps[s->n];
		return true;
	case STEP_SET:
		column_set(&x->cols[s->field], x->row, s->constant);
		break;
	case STEP_DOUBLE:
		if (x->end - p < (ptrdiff_t)sizeof(double))
			return false;
		memcpy(&x->cols[s->field].f64[x->row], p, sizeof(double));
		x->p += sizeof(double);
		break;
	case STEP_LONG:
		if (*p >= 0x80)
			return false;
		x->cols[s->field].i64[x->row] = (int64_t)(*p >> 1) ^ -(int64_t)(*p & 1);
		x->p++;
		break;
	default:
		return false;
	}
	*at = s + 1;
	return true;
}

/* Jumps only go forward, so this ends. */
bool reading_run(const struct reading *g, struct run *x)
{
	const struct step *s = g->steps;
	struct value v;
	if (g->refused)
		return run_bad(x, BAD_TYPE, NULL, g->refused);
	while (s->op != STEP_END) {
		if (run_usual(x, g, &s))
			continue;
		if (s->op < STEP_COPY) {
			if (!run_leaf(x, s, &v))
				return false;
			put(x, s++, &v);
		} else if (s->op == STEP_COPY) {
			if (!run_collection(x, s, &v))
				return false;
			put(x, s++, &v);
		} else if (s->op < STEP_UNION) {
			if (!run_over(x, s++))
				return false;
		} else {
			s = run_control(x, g, s);
			if (!s)
				return false;
		}
	}
	return x->p == x->end || run_bad(x, BAD_SYNTAX, NULL, "bytes follow the record");
}
