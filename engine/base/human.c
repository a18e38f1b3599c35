// SPDX-License-Identifier: Apache-2.0
//
// Numbers for people: two significant units at most, never a locale.
#include "base/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *human_count(char out[HUMAN_MAX], uint64_t n)
{
	char digits[HUMAN_MAX];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
	char *p = out;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = 0;
	return out;
}

const char *human_bytes(char out[HUMAN_MAX], uint64_t n)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double v = (double)n;
	unsigned u = 0;
	while (v >= 999.5 && u + 1 < sizeof units / sizeof *units) {
		v /= 1000;
		u++;
	}
	snprintf(out, HUMAN_MAX, v < 9.95 && u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

const char *human_duration(char out[HUMAN_MAX], int64_t ms)
{
	static const struct {
		int64_t ms, small_ms;
		const char *unit, *small;
	} units[] = {
	        {86400000, 3600000, "d", "h"},
	        {3600000, 60000, "h", "min"},
	        {60000, 1000, "min", "s"},
	};
	uint64_t abs = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	const char *sign = ms < 0 ? "-" : "";
	for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
		uint64_t unit = (uint64_t)units[i].ms;
		if (abs < unit)
			continue;
		uint64_t rest = abs % unit / (uint64_t)units[i].small_ms;
		if (rest && abs / unit < 10)
			snprintf(out, HUMAN_MAX, "%s%" PRIu64 " %s %" PRIu64 " %s", sign,
			        abs / unit, units[i].unit, rest, units[i].small);
		else
			snprintf(out, HUMAN_MAX, "%s%" PRIu64 " %s", sign, abs / unit,
			        units[i].unit);
		return out;
	}
	if (abs < 1000)
		snprintf(out, HUMAN_MAX, "%s%" PRIu64 " ms", sign, abs);
	else
		snprintf(out, HUMAN_MAX, "%s%.*f s", sign, abs < 9950 ? 1 : 0,
		        (double)abs / 1000);
	return out;
}

const char *human_time(char out[HUMAN_MAX], int64_t ms)
{
	time_t s = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm;
	if (!gmtime_r(&s, &tm) || !strftime(out, HUMAN_MAX, "%Y-%m-%d %H:%M:%SZ", &tm))
		snprintf(out, HUMAN_MAX, "%" PRId64 " ms", ms);
	return out;
}
