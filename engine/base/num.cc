// SPDX-License-Identifier: Apache-2.0
//
// The one C++ file of base: <charconv> is the shortest-round-trip printer we would otherwise
// have to write (Ryu) or approximate with three snprintf calls.
#include "base/num.h"

#include <charconv>
#include <cmath>
#include <cstring>

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
	if (std::fabs(v) < 1e15 && v == std::trunc(v))
		return num_format_int(out, (int64_t)v);
	return (size_t)(std::to_chars(out, out + NUM_MAX, v).ptr - out);
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
