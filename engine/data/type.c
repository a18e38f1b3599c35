// SPDX-License-Identifier: Apache-2.0
//
// Value types: their forms, their names and the names' way back. A job file can name scalars
// only: arrays, maps and enums come from schemas.
#include "data/type.h"

#include <stdio.h>

#include "base/num.h"

static const struct {
	const char *name;
	enum form form;
} kinds[] = {
        [KIND_NULL] = {"null", FORM_I64},
        [KIND_BOOLEAN] = {"boolean", FORM_I64},
        [KIND_INT] = {"int", FORM_I64},
        [KIND_LONG] = {"long", FORM_I64},
        [KIND_FLOAT] = {"float", FORM_F64},
        [KIND_DOUBLE] = {"double", FORM_F64},
        [KIND_DECIMAL] = {"decimal", FORM_I128},
        [KIND_STRING] = {"string", FORM_BYTES},
        [KIND_BYTES] = {"bytes", FORM_BYTES},
        [KIND_ENUM] = {"enum", FORM_BYTES},
        [KIND_DATE] = {"date", FORM_I64},
        [KIND_TIME_MILLIS] = {"time-millis", FORM_I64},
        [KIND_TIME_MICROS] = {"time-micros", FORM_I64},
        [KIND_TIMESTAMP_MILLIS] = {"timestamp-millis", FORM_I64},
        [KIND_TIMESTAMP_MICROS] = {"timestamp-micros", FORM_I64},
        [KIND_ARRAY] = {"array", FORM_BYTES},
        [KIND_MAP] = {"map", FORM_BYTES},
};

enum form type_form(const struct type *t)
{
	return kinds[t->kind].form;
}

static bool symbols_equal(const char *const *a, const char *const *b)
{
	if (!a || !b)
		return a == b;
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

bool type_equal(const struct type *a, const struct type *b)
{
	for (; a && b; a = a->element, b = b->element) {
		if (a->kind != b->kind)
			return false;
		switch (a->kind) {
		case KIND_DECIMAL:
			return a->precision == b->precision && a->scale == b->scale;
		case KIND_ENUM:
			return symbols_equal(a->symbols, b->symbols);
		case KIND_ARRAY:
		case KIND_MAP:
			if (a->element_nullable != b->element_nullable)
				return false;
			break;
		default:
			return true;
		}
	}
	return a == b;
}

bool type_is_integer(const struct type *t)
{
	return t->kind == KIND_INT || t->kind == KIND_LONG;
}

bool type_is_number(const struct type *t)
{
	return t->kind >= KIND_INT && t->kind <= KIND_DECIMAL;
}

bool type_is_text(const struct type *t)
{
	return t->kind == KIND_STRING || t->kind == KIND_ENUM;
}

bool type_is_time(const struct type *t)
{
	return t->kind == KIND_TIMESTAMP_MILLIS || t->kind == KIND_TIMESTAMP_MICROS;
}

/* Deeper types are cut with "...": the name is for people. */
static void name_add(const struct type *t, char *out, size_t room)
{
	if (!t) {
		snprintf(out, room, "record");
		return;
	}
	if (t->kind == KIND_DECIMAL) {
		snprintf(out, room, "decimal(%u,%u)", t->precision, t->scale);
		return;
	}
	int n = snprintf(out, room, "%s", kinds[t->kind].name);
	if (t->kind != KIND_ARRAY && t->kind != KIND_MAP)
		return;
	if (room - (size_t)n < 24) {
		snprintf(out + n, room - (size_t)n, "<...>");
		return;
	}
	out[n] = '<';
	name_add(t->element, out + n + 1, room - (size_t)n - 2);
	strcat(out, ">");
}

const char *type_name(const struct type *t, char *out)
{
	name_add(t, out, TYPE_NAME_MAX);
	return out;
}

static struct slice trim(struct slice s)
{
	while (s.len && s.p[0] == ' ')
		s = (struct slice){s.p + 1, s.len - 1};
	while (s.len && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

static bool parse_small(struct slice s, int64_t max, uint8_t *out)
{
	int64_t v;
	s = trim(s);
	if (!num_parse_int((const char *)s.p, s.len, &v) || v < 0 || v > max)
		return false;
	*out = (uint8_t)v;
	return true;
}

/* "10,2)" or "10)": what follows "decimal(". */
static bool parse_decimal(struct slice s, struct type *out)
{
	s = trim(s);
	if (!s.len || s.p[s.len - 1] != ')')
		return false;
	s.len--;
	const uint8_t *comma = memchr(s.p, ',', s.len);
	struct slice precision = s;
	*out = (struct type){.kind = KIND_DECIMAL};
	if (comma) {
		precision.len = (uint32_t)(comma - s.p);
		struct slice scale = {comma + 1, s.len - precision.len - 1};
		if (!parse_small(scale, DECIMAL_PRECISION_MAX, &out->scale))
			return false;
	}
	return parse_small(precision, DECIMAL_PRECISION_MAX, &out->precision) &&
	       out->precision > 0 && out->scale <= out->precision;
}

bool type_parse(struct slice name, struct type *out)
{
	static const char decimal[] = "decimal(";
	name = trim(name);
	if (name.len > strlen(decimal) && memcmp(name.p, decimal, strlen(decimal)) == 0) {
		uint32_t n = (uint32_t)strlen(decimal);
		return parse_decimal((struct slice){name.p + n, name.len - n}, out);
	}
	for (enum kind k = KIND_BOOLEAN; k < KIND_ARRAY; k++) {
		if (k == KIND_DECIMAL || k == KIND_ENUM ||
		        !slice_eq(name, slice_of(kinds[k].name)))
			continue;
		*out = (struct type){.kind = k};
		return true;
	}
	return false;
}
