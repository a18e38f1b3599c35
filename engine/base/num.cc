// SPDX-License-Identifier: Apache-2.0
//
// The one C++ file of base: <charconv> is the shortest-round-trip printer we would otherwise
// have to write (Ryu) or approximate with three snprintf calls.
#include "base/num.h"

#include <charconv>
#include <cmath>
#include <cstring>

/* Numbers below it without a fraction print without a point or an exponent. */
#define INTEGRAL_MAX 1e15

/* A number with up to three decimals, as most are that people made. Of the decimals with 15 digits
 * or fewer at most one reads back as v, so one that does is the shortest. 0: v is not such. */
static size_t format_thousandths(char *out, double v)
{
	double scaled = v * 1000;
	if (!(std::fabs(scaled) < INTEGRAL_MAX))
		return 0;
	int64_t k = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
	if ((double)k / 1000 != v)
		return 0;
	char *p = out;
	if (k < 0)
		*p++ = '-';
	uint64_t u = (uint64_t)(k < 0 ? -k : k), part = u % 1000;
	p = std::to_chars(p, out + NUM_MAX, u / 1000).ptr;
	*p++ = '.';
	*p++ = (char)('0' + part / 100);
	if (part % 100)
		*p++ = (char)('0' + part / 10 % 10);
	if (part % 10)
		*p++ = (char)('0' + part % 10);
	return (size_t)(p - out);
}

static bool is_integral(double v)
{
	return std::fabs(v) < INTEGRAL_MAX && (double)(int64_t)v == v;
}

extern "C" size_t num_format_double(char *out, double v)
{
	const char *special = std::isnan(v)   ? "NaN"
			      : !std::isinf(v) ? nullptr
			      : v > 0          ? "Infinity"
					       : "-Infinity";
	if (special) {
		size_t n = strlen(special);
		memcpy(out, special, n);
		return n;
	}
	if (v == 0 && std::signbit(v)) {
		memcpy(out, "-0", 2);
		return 2;
	}
	if (is_integral(v))
		return num_format_int(out, (int64_t)v);
	size_t n = format_thousandths(out, v);
	return n ? n : (size_t)(std::to_chars(out, out + NUM_MAX, v).ptr - out);
}

extern "C" size_t num_format_int(char *out, int64_t v)
{
	return (size_t)(std::to_chars(out, out + NUM_MAX, v).ptr - out);
}

template <typename T> static bool parse(const char *p, size_t n, T *out)
{
	auto r = std::from_chars(p, p + n, *out);
	return n > 0 && r.ec == std::errc() && r.ptr == p + n;
}

extern "C" bool num_parse_double(const char *p, size_t n, double *out)
{
	return parse(p, n, out);
}

extern "C" bool num_parse_int(const char *p, size_t n, int64_t *out)
{
	return parse(p, n, out);
}
