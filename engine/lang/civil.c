// SPDX-License-Identifier: Apache-2.0
//
// Calendar arithmetic and ISO-8601 texts. Days are reckoned from 0000-03-01, so that the leap
// day is a year's last.
#include "lang/civil.h"

#include <stdio.h>

#include "data/window.h"

#define DAY_US (DAY_MS * 1000)

int64_t civil_days(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = floor_div(year, 400), of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct civil civil_of_days(int64_t days)
{
	days += 719468;
	int64_t era = floor_div(days, 146097), doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);
	return (struct civil){
	        yoe + era * 400 + (month <= 2), month, (int)(doy - (153 * mp + 2) / 5 + 1)};
}

struct scan {
	const uint8_t *p, *end;
};

static bool digits(struct scan *s, int n, int low, int high, int *out)
{
	int v = 0;
	if (s->end - s->p < n)
		return false;
	for (int i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	s->p += n;
	*out = v;
	return v >= low && v <= high;
}

static bool take(struct scan *s, uint8_t c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static int64_t fraction_us(struct scan *s)
{
	int64_t us = 0, unit = 100000;
	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++, unit /= 10)
		us += (*s->p - '0') * unit;
	return us;
}

static bool zone(struct scan *s, int64_t *us)
{
	*us = 0;
	if (s->p == s->end || take(s, 'Z') || take(s, 'z'))
		return true;
	bool behind = *s->p == '-';
	int h, m = 0;
	if (!take(s, '+') && !take(s, '-'))
		return false;
	if (!digits(s, 2, 0, 23, &h))
		return false;
	take(s, ':');
	if (s->p < s->end && !digits(s, 2, 0, 59, &m))
		return false;
	int64_t offset = (h * 60 + m) * INT64_C(60000000);
	*us = behind ? offset : -offset;
	return true;
}

static bool clock_part(struct scan *s, int64_t *us)
{
	int h, m, sec = 0;
	if (!digits(s, 2, 0, 23, &h) || !take(s, ':') || !digits(s, 2, 0, 59, &m))
		return false;
	int64_t part = 0, shift;
	if (take(s, ':')) {
		if (!digits(s, 2, 0, 59, &sec))
			return false;
		if (take(s, '.') || take(s, ','))
			part = fraction_us(s);
	}
	if (!zone(s, &shift))
		return false;
	*us = ((h * 60 + m) * 60 + sec) * INT64_C(1000000) + part + shift;
	return true;
}

static int month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

bool civil_parse(struct slice text, int64_t *micros)
{
	struct scan s = {text.p, text.p + text.len};
	int year, month, day;
	int64_t us = 0;
	if (!digits(&s, 4, 0, 9999, &year) || !take(&s, '-') || !digits(&s, 2, 1, 12, &month) ||
	        !take(&s, '-') || !digits(&s, 2, 1, month_days(year, month), &day))
		return false;
	if (take(&s, 'T') || take(&s, 't') || take(&s, ' ')) {
		if (!clock_part(&s, &us))
			return false;
	}
	*micros = civil_days(year, month, day) * DAY_US + us;
	return s.p == s.end;
}

uint32_t civil_format_date(char *out, int64_t days)
{
	struct civil c = civil_of_days(days);
	return (uint32_t)snprintf(
	        out, CIVIL_TEXT_MAX, "%04lld-%02d-%02d", (long long)c.year, c.month, c.day);
}

uint32_t civil_format_time(char *out, int64_t micros, int fraction_digits)
{
	int64_t days = floor_div(micros, DAY_US), us = micros - days * DAY_US;
	uint32_t n = civil_format_date(out, days);
	int64_t s = us / 1000000,
	        part = fraction_digits == 3 ? us % 1000000 / 1000 : us % 1000000;
	return n + (uint32_t)snprintf(out + n, CIVIL_TEXT_MAX - n, "T%02d:%02d:%02d.%0*dZ",
	                   (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60), fraction_digits,
	                   (int)part);
}
