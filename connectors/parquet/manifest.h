/* SPDX-License-Identifier: Apache-2.0
 *
 * What an export has written so far: DIR/VIEW/vN/_export.json. It decides what the files are;
 * docs/reference/parquet.md has its fields.
 *
 * How it and the files stay together when the process is killed at any moment. A batch (offsets
 * of one partition, a file per day) goes through four steps:
 *   1. every file is written under its temporary name (.part-….parquet.tmp), then all are
 * synced;
 *   2. the manifest, replaced atomically, gets the batch as "pending": the decision;
 *   3. the files are renamed to their names, and synced;
 *   4. the manifest, replaced again, has them among its files, and the partition's next offset.
 * A kill before 2 leaves temporary files, which the next start deletes: their offsets are read
 * again. After 2 the next start finishes 3 and 4 from the temporary files, all of which are
 * whole because they were synced before 2. So a file with its name belongs to a decided batch,
 * is whole, and its rows are in no other file. Rejected: names that a repeated write would hit
 * again (the same offset ranges): a batch ends by bytes, memory and what is in the topic, and
 * compaction changes what is there.
 */
#ifndef WEIR_PARQUET_MANIFEST_H
#define WEIR_PARQUET_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#define MANIFEST_FORMAT 1
#define MANIFEST_NAME "_export.json"

struct manifest_file {
	const char *path; /* below the manifest's folder: "dt=2013-01-01/part-0-0-99.parquet" */
	int64_t first, last;
	uint64_t rows, bytes;
};

struct manifest_partition {
	int64_t next; /* offset */
	struct manifest_file *files;
	uint32_t nfiles, cap;
};

/* What the view's definition says of its rows, for those who read the files without Kafka. */
struct manifest_about {
	bool known;         /* the view was deployed */
	int64_t ttl_ms;     /* 0: none */
	const char *source; /* topic; NULL: not known */
};

/* A file that compaction puts in the place of all of its partition's files of its day. */
struct manifest_merge {
	int32_t partition;
	struct manifest_file file;
};

struct manifest {
	struct arena arena;
	const char *dir; /* DIR/VIEW/vN */
	const char *view, *topic;
	uint32_t version;
	char topic_id[33]; /* hex */
	struct manifest_about about;
	struct manifest_partition *partitions;
	int32_t npartitions;
	/* The pending batch; pending_partition -1: none. */
	int32_t pending_partition;
	int64_t pending_next;
	struct manifest_file *pending;
	uint32_t npending, cap_pending;
	/* A decided compaction, by day. */
	struct manifest_merge *merges;
	uint32_t nmerges, cap_merges;
	bool loaded; /* there was one */
};

/* dir is borrowed. */
void manifest_init(struct manifest *m, const char *dir);
void manifest_release(struct manifest *m);
/* Reads it if it is there: then loaded is set. ERR_USER: not a manifest that we can read. */
enum status manifest_load(struct manifest *m, struct error *e);
enum status manifest_save(struct manifest *m, struct error *e);
/* New ones begin at next 0. */
void manifest_partitions_set(struct manifest *m, int32_t n);

/* A file of the batch under way; path is copied. */
void manifest_plan(struct manifest *m, const struct manifest_file *f);
/* Steps 2 to 4. step is called after 2 and 4, and after each rename. */
enum status manifest_commit(struct manifest *m, int32_t partition, int64_t next,
        void (*step)(void *arg, int number), void *arg, struct error *e);
/* At a start: finishes a pending batch or gives it up, then deletes temporary files. */
enum status manifest_recover(struct manifest *m, struct error *e);

/* A merged file of the compaction under way; copied. */
void manifest_merge(struct manifest *m, const struct manifest_merge *x);
/* Puts the merged files among the partition's, in the place of what they were made of. */
void manifest_merges_apply(struct manifest *m);

/* "DIR/VIEW/vN/dt=…/.part-….parquet.tmp" for a file's path. */
enum status manifest_temp(const char *dir, const char *path, char *out, struct error *e);

#endif
