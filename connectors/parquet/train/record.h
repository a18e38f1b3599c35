/* SPDX-License-Identifier: Apache-2.0
 *
 * OUT.manifest.json: what a training set was made of, so that it can be made again.
 */
#ifndef WEIR_PARQUET_TRAIN_RECORD_H
#define WEIR_PARQUET_TRAIN_RECORD_H

#include "connectors/parquet/train/plan.h"

enum status record_write(const struct plan *p, const struct train_result *r, struct error *e);

/* An earlier run's, as options of a new one. */
struct record {
	struct train_conf
	        conf; /* what it asked for; memory, threads and callbacks are not in it */
	const char *spine_hash, *out_hash, *weir;
	void *json; /* of the views */
};
enum status record_read(const char *path, struct arena *a, struct record *out, struct error *e);
void record_release(struct record *r);
/* Leaves in the plan the files that the earlier run could have read. What has changed since so
 * that others would be read is noted in the result. */
void record_restrict(const struct record *r, struct plan *p, struct train_result *result);
void record_change(struct train_result *r, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

#endif
