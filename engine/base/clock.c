// SPDX-License-Identifier: Apache-2.0
//
// The system clock and a manual one.
#include "base/clock.h"

#include <time.h>

static int64_t system_wall_ms(struct clock *c)
{
	(void)c;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_mono_ns(struct clock *c)
{
	(void)c;
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct clock clock_system = {.wall_ms = system_wall_ms, .mono_ns = system_mono_ns};

static int64_t manual_wall_ms(struct clock *c)
{
	return ((struct clock_manual *)c)->now_ms;
}

static int64_t manual_mono_ns(struct clock *c)
{
	return ((struct clock_manual *)c)->now_ms * 1000000;
}

void clock_manual_init(struct clock_manual *c, int64_t now_ms)
{
	*c = (struct clock_manual){{manual_wall_ms, manual_mono_ns}, now_ms};
}
