// SPDX-License-Identifier: Apache-2.0
//
// The default hop of a window.
#include "data/window.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

int64_t window_hop_default(int64_t size_ms)
{
	if (size_ms >= 12 * DAY_MS)
		return DAY_MS;
	if (size_ms >= 12 * HOUR_MS)
		return HOUR_MS;
	if (size_ms >= HOUR_MS)
		return 5 * MINUTE_MS;
	int64_t hop = size_ms / 12;
	return hop < SECOND_MS ? SECOND_MS : hop;
}
