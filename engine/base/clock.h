/* SPDX-License-Identifier: Apache-2.0
 *
 * The wall clock, injected, so that no test sleeps. Results never depend on it: it paces epochs,
 * flushes, retries and idle detection.
 */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*wall_ms)(struct clock *c); /* since the epoch, UTC */
	int64_t (*mono_ns)(struct clock *c); /* never goes back */
};

extern struct clock clock_system;

/* A clock that stands still until it is moved. */
struct clock_manual {
	struct clock clock;
	int64_t now_ms;
};
void clock_manual_init(struct clock_manual *c, int64_t now_ms);

static inline int64_t clock_wall_ms(struct clock *c)
{
	return c->wall_ms(c);
}

static inline int64_t clock_mono_ns(struct clock *c)
{
	return c->mono_ns(c);
}

#endif
