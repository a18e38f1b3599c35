/* SPDX-License-Identifier: Apache-2.0
 *
 * The calendar: proleptic Gregorian, UTC, no leap seconds. From Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms".
 */
#ifndef WEIR_LANG_CIVIL_H
#define WEIR_LANG_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define DAY_MS INT64_C(86400000)
#define CIVIL_TEXT_MAX 48

struct civil {
	int64_t year;
	int month, day; /* from 1 */
};

int64_t civil_days(int64_t year, int month, int day); /* since 1970-01-01 */
struct civil civil_of_days(int64_t days);

/* ISO-8601: "2013-01-31", with "T" or a blank "05:20", ":07", ".123456" and "Z", "+01" or
 * "+01:30" behind it. Without an offset it is UTC. Digits below a microsecond are cut. False:
 * not one. */
bool civil_parse(struct slice text, int64_t *micros);
/* "2013-01-31"; "2013-01-31T05:20:07.123Z" with digits 3 or 6. Writes at most CIVIL_TEXT_MAX
 * bytes, returns the length. */
uint32_t civil_format_date(char *out, int64_t days);
uint32_t civil_format_time(char *out, int64_t micros, int digits);

#endif
