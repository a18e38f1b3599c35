// SPDX-License-Identifier: Apache-2.0
//
// Durations. Whole numbers only: half an hour is 30m, so that every duration has one spelling
// per unit and no rounding.
#include "lang/duration.h"

#include <stdio.h>
#include <string.h>

static const struct unit {
	const char *name;
	int64_t ms;
	const char *also; /* other spellings, for suggestions */
} units[] = {
        {"d", INT64_C(86400000), " D day days DAY DAYS "},
        {"h", 3600000, " H hr hrs hour hours HOUR HOURS "},
        {"m", 60000, " M min mins minute minutes MINUTE MINUTES "},
        {"s", 1000, " S sec secs second seconds SECOND SECONDS "},
        {"ms", 1, " MS msec msecs millis millisecond milliseconds "},
};
#define UNITS (sizeof units / sizeof *units)

/* Digits at the start of text; false when none or too many. */
static bool leading_number(struct slice text, int64_t *number, uint32_t *digits)
{
	int64_t v = 0;
	uint32_t i = 0;
	for (; i < text.len && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
		v = v * 10 + (text.p[i] - '0');
		if (v > DURATION_MS_MAX)
			return false;
	}
	*number = v;
	*digits = i;
	return i > 0;
}

static const struct unit *unit_find(struct slice name)
{
	for (size_t i = 0; i < UNITS; i++)
		if (slice_eq(name, slice_of(units[i].name)))
			return &units[i];
	return NULL;
}

bool duration_parse(struct slice text, int64_t *ms)
{
	int64_t number;
	uint32_t digits;
	if (!leading_number(text, &number, &digits))
		return false;
	const struct unit *unit = unit_find((struct slice){text.p + digits, text.len - digits});
	if (!unit || number > DURATION_MS_MAX / unit->ms)
		return false;
	*ms = number * unit->ms;
	return true;
}

/* The unit that word was meant to be. A bare number: seconds are as good a guess as any. */
static const struct unit *unit_guess(struct slice word)
{
	char padded[16];
	if (!word.len)
		return unit_find(slice_of("s"));
	if (word.len > 12)
		return NULL;
	snprintf(padded, sizeof padded, " %.*s ", (int)word.len, (const char *)word.p);
	for (size_t i = 0; i < UNITS; i++)
		if (slice_eq(word, slice_of(units[i].name)) || strstr(units[i].also, padded))
			return &units[i];
	return NULL;
}

const char *duration_suggest(struct slice text, char out[DURATION_TEXT_MAX])
{
	int64_t number;
	uint32_t at;
	if (!leading_number(text, &number, &at))
		return NULL;
	while (at < text.len && text.p[at] == ' ')
		at++;
	const struct unit *unit = unit_guess((struct slice){text.p + at, text.len - at});
	if (!unit || number > DURATION_MS_MAX / unit->ms)
		return NULL;
	snprintf(out, DURATION_TEXT_MAX, "%lld%s", (long long)number, unit->name);
	return out;
}

void duration_print(struct buf *b, int64_t ms)
{
	const struct unit *unit = &units[UNITS - 1];
	for (size_t i = 0; i < UNITS && ms; i++)
		if (ms % units[i].ms == 0) {
			unit = &units[i];
			break;
		}
	buf_int(b, ms / unit->ms);
	buf_str(b, unit->name);
}
