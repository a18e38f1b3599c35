/* SPDX-License-Identifier: Apache-2.0
 *
 * The online store in memory: the same guards, records, repairs and texts as Redis, for unit
 * tests of the engine, and as the reference that Redis's implementation is compared with. It
 * can be made to fail like the real one. Writes are done when put returns.
 */
#ifndef WEIR_RUN_MEMORY_ONLINE_H
#define WEIR_RUN_MEMORY_ONLINE_H

#include "base/clock.h"
#include "run/online.h"

extern const struct online_ops memory_online;

/* The clock decides expiry. Never fails. */
struct online *memory_online_new(struct clock *clock, const char *prefix);

/* Down: puts are dropped (ST_END), reads are ERR_RETRIABLE. Up again: generation grows. */
void memory_online_down(struct online *o, bool down);
/* The store restarts with nothing; generation grows. */
void memory_online_wipe(struct online *o);
/* Remembers all content / restarts with what was remembered, as after a failover that lost
 * acknowledged writes; generation grows. */
void memory_online_snapshot(struct online *o);
void memory_online_rollback(struct online *o);
/* Keys held, of any kind. */
uint32_t memory_online_keys(struct online *o);

#endif
