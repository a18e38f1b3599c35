/* SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot as JSON: the answers of HTTP and of `weir status --format json`. The fields are
 * described in run/snapshot.h. Appends to out.
 */
#ifndef WEIR_RUN_SNAPSHOT_JSON_H
#define WEIR_RUN_SNAPSHOT_JSON_H

#include "base/buf.h"
#include "run/snapshot.h"

/* The node alone. */
void snapshot_json_node(const struct snapshot *s, struct buf *out);
/* GET /jobs */
void snapshot_json_jobs(const struct snapshot *s, struct buf *out);
/* GET /jobs/{job} */
void snapshot_json_job(const struct snapshot *s, const struct snapshot_job *j, struct buf *out);
/* GET /jobs/{job}/drift */
void snapshot_json_drift(const struct snapshot_job *j, struct buf *out);
/* GET /jobs/{job}/tasks */
void snapshot_json_tasks(const struct snapshot_job *j, struct buf *out);
/* An event of /events; job may be NULL. */
void snapshot_json_event(
        const struct snapshot *s, const struct snapshot_job *j, struct buf *out);

#endif
