// SPDX-License-Identifier: Apache-2.0
//
// Timestamps and ISO-8601 text to milliseconds. What is late or from the future is not decided
// here.
#include "lang/event_time.h"

#include "data/window.h"
#include "lang/civil.h"

/* Years 0001 to 9999: window arithmetic has room to spare around them. */
#define EVENT_TIME_MIN INT64_C(-62135596800000)
#define EVENT_TIME_MAX INT64_C(253402300799999)

bool event_time_of(const struct column *c, uint32_t i, int64_t *out)
{
	int64_t us;
	if (c->null[i])
		return false;
	switch (c->type->kind) {
	case KIND_TIMESTAMP_MICROS:
		*out = floor_div(c->i64[i], 1000);
		break;
	case KIND_STRING:
		if (!civil_parse(c->bytes[i], &us))
			return false;
		*out = floor_div(us, 1000);
		break;
	default:
		*out = c->i64[i];
	}
	return *out >= EVENT_TIME_MIN && *out <= EVENT_TIME_MAX;
}
