/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract between wire formats and batches. A format (json, avro) is one const struct in the
 * table connectors/formats.c, which main.c hands to the engine. A decoder is compiled once for a schema and the columns a plan
 * needs; it then turns records' bytes into columns and says, per record, what is wrong with it.
 */
#ifndef WEIR_DATA_CODEC_H
#define WEIR_DATA_CODEC_H

#include "base/arena.h"
#include "base/error.h"
#include "data/batch.h"
#include "data/schema.h"

/* Why a record goes to the dead-letter topic; the names are the header's values. */
enum bad {
	BAD_NONE,
	BAD_EMPTY,          /* empty_value: null or empty value */
	BAD_SYNTAX,         /* invalid_record: not one object, not UTF-8, torn, too deep */
	BAD_MISSING,        /* missing_column: a required column is absent or null */
	BAD_TYPE,           /* wrong_type: 6.5 for an int, text for a number */
	BAD_RANGE,          /* out_of_range */
	BAD_DUPLICATE,      /* duplicate_column */
	BAD_TOO_LARGE,      /* too_large: the record or a column is above its limit */
	BAD_UNKNOWN_SCHEMA, /* unknown_schema: no such id or fingerprint */
	BAD_TIME,           /* bad_time: the time column cannot be read as a time */
	BAD_FUTURE_TIME,    /* future_time: further past the Kafka timestamp than max_ahead */
	BAD_LATE,           /* late: goes to the late topic instead */
	BAD_COUNT
};
extern const char *const bad_reason[BAD_COUNT];

/* detail names the column and the trouble ("arr_delay: 6.5 is not an int"), in the batch arena. */
struct bad_record {
	enum bad bad;
	const char *detail;
};

struct decoder;

/* Resolves a writer schema by registry id or by fingerprint. Provided by the runtime. */
struct schema_source {
	void *arg;
	/* ST_OK, or ST_END: no such schema (dead letter), or ST_ERR with ERR_RETRIABLE: not
	 * reachable now (pause, never a dead letter). The schema lives as long as the source. */
	enum status (*by_id)(void *arg, uint32_t id, const struct schema **out, struct error *e);
	enum status (*by_fingerprint)(void *arg, uint64_t fp, const struct schema **out,
		struct error *e);
};

/* Registers the schemas of weir's own rows, where there is a schema registry. */
struct schema_registrar {
	void *arg;
	enum status (*add)(void *arg, const char *subject, struct slice schema_json, uint32_t *id,
		struct error *e);
};

/* Of a source's record, whoever reads it: a node, weir try, check or baseline. */
#define RECORD_BYTES_MAX (1u << 20)

struct decoder_conf {
	const struct schema *schema;      /* reader's schema: the contract */
	const bool *wanted;               /* per field of schema */
	const struct schema_source *schemas; /* may be NULL: then the reader's schema is the writer's */
	uint32_t value_bytes_max;         /* larger records are BAD_TOO_LARGE */
};

struct format {
	const char *name; /* "json", "avro" */
	const char *summary;
	/* Compiles. The decoder keeps pointers into conf's schema, not conf itself. */
	enum status (*decoder_new)(const struct decoder_conf *conf, struct decoder **out,
		struct error *e);
	void (*decoder_free)(struct decoder *d);
	/* Fills rows 0..n-1 of the wanted columns of cols (indexed by field, initialised by the
	 * decoder from a) and bad[0..n-1]; a bad row's columns are null. Text may point into
	 * values[], which outlive the batch, or into a. ST_ERR (retriable) only if a schema
	 * could not be fetched now: nothing was decoded. */
	enum status (*decode)(struct decoder *d, const struct slice *values, uint32_t n,
		struct column *cols, struct bad_record *bad, struct arena *a, struct error *e);
};

#endif
