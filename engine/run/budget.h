/* SPDX-License-Identifier: Apache-2.0
 *
 * How --memory is divided. Everything that holds bytes for long has its part here, so that the
 * parts add up. Before it is divided, PROGRAM_BYTES are taken off for the program itself.
 *
 *   node     RocksDB 3/16, the online store's backlog 1/16, jobs 11/16, the rest 1/16
 *   worker   records' queues 1/4 but at most QUEUES_BYTES_MAX, an epoch's changes 1/8, what
 *            is on its way to disk 1/16, the tables what is left
 *
 * Shares of the queues are capped since more does not make them faster.
 */
#ifndef WEIR_RUN_BUDGET_H
#define WEIR_RUN_BUDGET_H

#include <stdint.h>

#define QUEUES_BYTES_MAX (UINT64_C(24) << 20)
#define BEHIND_BYTES_MAX (UINT64_C(4) << 20)
/* The libraries' code and data, resident before the first record: at most a quarter. */
#define PROGRAM_BYTES (UINT64_C(32) << 20)

static inline uint64_t budget_node(uint64_t memory)
{
	return memory - (memory / 4 < PROGRAM_BYTES ? memory / 4 : PROGRAM_BYTES);
}

static inline uint64_t budget_store(uint64_t node)
{
	return budget_node(node) / 16 * 3;
}

static inline uint64_t budget_jobs(uint64_t node)
{
	return budget_node(node) / 16 * 11;
}

/* Of a job that keeps copies of what other nodes run. */
static inline uint64_t budget_standby(uint64_t job)
{
	return job / 16;
}

static inline uint64_t budget_queues(uint64_t worker)
{
	return worker / 4 < QUEUES_BYTES_MAX ? worker / 4 : QUEUES_BYTES_MAX;
}

/* The Kafka clients', and before the merge of a replay's partitions. */
static inline uint64_t budget_session(uint64_t worker)
{
	return budget_queues(worker) / 4 * 3;
}

static inline uint64_t budget_merge(uint64_t worker)
{
	return budget_queues(worker) / 4;
}

/* Rows waiting for the online store, above which an epoch waits a little for it. */
static inline uint64_t budget_behind(uint64_t worker)
{
	return worker / 64 < BEHIND_BYTES_MAX ? worker / 64 : BEHIND_BYTES_MAX;
}

static inline uint64_t budget_overlay(uint64_t worker)
{
	return worker / 8;
}

static inline uint64_t budget_tables(uint64_t worker)
{
	return worker - budget_queues(worker) - budget_overlay(worker) - worker / 16;
}

#endif
