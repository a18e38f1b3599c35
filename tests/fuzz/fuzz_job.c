// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the job file: any bytes give a job or errors, soon, and never a crash. A job that is
// accepted must be accepted again from its stored text, with the same plans. The first byte
// says how the rest is read: as a whole file, or as one expression inside a good one.
#include <stdint.h>

#include "lang/job.h"
#include "operators/aggregates.h"

/* libfyaml 0.7.12 loses the chunk list of a long quoted scalar (fy_atom_format_text): a kilobyte, its
 * own. What we might forget to free of it is seen by the unit tests under the leak sanitizer. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct format json = {.name = "json"};
static const struct format *const formats[] = {&json, NULL};
static const struct lang_env env = {.formats = formats, .aggregates = aggregates};

static const char head[] =
        "job: j\nsources:\n  s:\n    topic: t\n    format: json\n    time: at\n"
        "    schema: {type: record, name: r, fields: [{name: at, type: {type: long, "
        "logicalType: "
        "timestamp-millis}}, {name: id, type: string}, {name: i, type: [\"null\", int]}, "
        "{name: x, type: double}, "
        "{name: b, type: boolean}, {name: d, type: {type: bytes, logicalType: decimal, "
        "precision: 9, scale: 2}}]}\n"
        "views:\n  v:\n    from: s\n    entity: [id]\n    features:\n      n: count() over "
        "1h\n      f: ";

static void same_again(const struct job *j)
{
	struct diagnostics d;
	struct job *again;
	diagnostics_init(&d);
	INVARIANT(job_parse(slice_of(j->text), "again", NULL, &env, &again, &d) == ST_OK);
	INVARIANT(again->nviews == j->nviews);
	for (uint32_t i = 0; i < j->nviews; i++)
		INVARIANT(strcmp(again->views[i].plan_text, j->views[i].plan_text) == 0);
	job_free(again);
	diagnostics_release(&d);
}

static void one(struct slice text)
{
	struct diagnostics d;
	struct job *j;
	struct buf out;
	diagnostics_init(&d);
	buf_init(&out);
	if (job_parse(text, "fuzz", NULL, &env, &j, &d) == ST_OK) {
		INVARIANT(d.n == 0);
		same_again(j);
		job_free(j);
	} else {
		INVARIANT(d.n > 0);
	}
	diagnostics_print(&d, &out);
	diagnostics_json(&d, &out);
	buf_release(&out);
	diagnostics_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > JOB_FILE_BYTES_MAX)
		return 0;
	struct slice rest = {data + 1, (uint32_t)size - 1};
	if (data[0] & 1) {
		one(rest);
		return 0;
	}
	struct buf b;
	buf_init(&b);
	buf_str(&b, head);
	buf_slice(&b, rest);
	buf_byte(&b, '\n');
	one(buf_view(&b));
	buf_release(&b);
	return 0;
}
