// SPDX-License-Identifier: Apache-2.0
//
// weir try JOB --events FILE: the engine over a file, on the log in memory (run/try.c).
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/tried.h"

#define COPY_BYTES 65536
#define BAD_SHOWN_MAX 20

static const struct option own[] = {
        {"events", OPT_TEXT, true, .value = "FILE",
                .help = "The events, one JSON object a line: {source, partition, offset, "
                        "timestamp, key, value}; '-' is standard input."},
        {0}};

/* A pipe cannot be read twice, and the engine needs two passes. */
static FILE *seekable(FILE *in)
{
	FILE *f = tmpfile();
	char block[COPY_BYTES];
	size_t n;
	while (f && (n = fread(block, 1, sizeof block, in)) > 0) {
		if (fwrite(block, 1, n, f) != n) {
			fclose(f);
			return NULL;
		}
	}
	if (f)
		rewind(f);
	return f;
}

FILE *tried_open(const char *path, struct error *e)
{
	FILE *in = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (in && fseek(in, 0, SEEK_SET) == 0)
		return in;
	FILE *f = in ? seekable(in) : NULL;
	if (!f)
		error_set(e, ERR_USER, errno, "cannot read %s: %s", path, strerror(errno));
	if (in && in != stdin)
		fclose(in);
	return f;
}

static const struct format *format_named(const struct cli *c, const char *name)
{
	for (const struct format *const *f = c->env.formats; *f; f++)
		if (!strcmp((*f)->name, name))
			return *f;
	INVARIANT(!"a format that is in the table");
	return NULL;
}

void tried_conf(const struct cli *c, struct try_conf *conf)
{
	conf->operators = &c->operators;
	conf->json = format_named(c, "json");
	conf->avro = format_named(c, "avro");
}

struct printing {
	const struct cli *c;
	struct buf line;
	uint32_t bad;
};

static void line_print(struct printing *p)
{
	buf_byte(&p->line, '\n');
	cli_print(&p->line);
}

static void row_print(void *arg, const struct try_row *r)
{
	struct printing *p = arg;
	p->line.len = 0;
	try_row_json(r, &p->line);
	line_print(p);
}

static void drift_print(void *arg, const struct drift_record *r)
{
	struct printing *p = arg;
	p->line.len = 0;
	drift_record_json(r, &p->line);
	line_print(p);
}

static void alert_print(void *arg, const struct alert_record *r)
{
	struct printing *p = arg;
	p->line.len = 0;
	alert_record_json(r, &p->line);
	line_print(p);
}

static void bad_print(void *arg, const struct try_bad *b)
{
	struct printing *p = arg;
	if (p->bad++ < BAD_SHOWN_MAX)
		cli_say(p->c, "%s[%d]@%lld: %s: %s", b->source_topic, (int)b->partition,
		        (long long)b->offset, b->reason, b->detail);
	else if (p->bad == BAD_SHOWN_MAX + 1)
		cli_say(p->c, "further such records are only counted");
}

static void counts_print(const struct cli *c, const struct try_counts *n)
{
	char a[5][HUMAN_MAX];
	if (c->json) {
		fprintf(stderr,
		        "{\"records\":%llu,\"late\":%llu,\"dead\":%llu,\"rows\":%llu,"
		        "\"expiry_rows\":%llu,\"drift\":%llu,\"alerts\":%llu}\n",
		        (unsigned long long)n->records, (unsigned long long)n->late,
		        (unsigned long long)n->dead, (unsigned long long)n->rows,
		        (unsigned long long)n->expiry_rows, (unsigned long long)n->drift,
		        (unsigned long long)n->alerts);
		return;
	}
	fprintf(stderr,
	        "%s records, %s late, %s dead; %s rows, %s of them because time passed\n",
	        human_count(a[0], n->records), human_count(a[1], n->late),
	        human_count(a[2], n->dead), human_count(a[3], n->rows),
	        human_count(a[4], n->expiry_rows));
	if (n->drift)
		fprintf(stderr, "%s drift records, %s alerts\n", human_count(a[0], n->drift),
		        human_count(a[1], n->alerts));
}

static enum answer over(struct cli *c, struct job *job, FILE *events, const char *name)
{
	struct error e = {0};
	struct try_counts counts;
	struct printing p = {.c = c};
	struct try_conf conf = {.job = job,
	        .events = events,
	        .events_name = strcmp(name, "-") ? name : "standard input",
	        .row = row_print,
	        .bad = bad_print,
	        .drift = drift_print,
	        .alert = alert_print,
	        .arg = &p};
	tried_conf(c, &conf);
	enum status st = try_run(&conf, &counts, &e);
	buf_release(&p.line);
	if (st)
		return cli_fail(c, &e);
	fflush(stdout);
	counts_print(c, &counts);
	return ANSWER_DONE;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct job *job;
	const char *path = options_text(&c->options, "events");
	if (!path) {
		error_set(&e, ERR_USER, 0, "which events? --events FILE");
		return cli_fail(c, &e);
	}
	enum answer a = cli_job(c, c->options.args[0], &job);
	if (a)
		return a;
	FILE *events = tried_open(path, &e);
	a = events ? over(c, job, events, path) : cli_fail(c, &e);
	if (events && events != stdin)
		fclose(events);
	job_free(job);
	return a;
}

static const char *const uses[] = {"format", NULL};
const struct command command_try = {
        .name = "try",
        .args = "JOB",
        .summary = "run a job over a file of events, without any server",
        .about = "Runs the job over the events of a file with the engine's own code and prints "
                 "every "
                 "row as a JSON line: {view, entity columns, event_time, known_at, "
                 "source_partition, source_offset, features}; the last two are null in a row "
                 "that "
                 "time caused. A monitor's drift records and alerts are printed among them, as "
                 "they commit. Counts, and what was wrong with records, go to standard error. "
                 "Nothing fires at the end of the file.\n\n"
                 "An event is a JSON line {source, partition, offset, timestamp, key, value}; "
                 "all "
                 "but value may be left out: the job's one source, 0, counting, the event "
                 "time. A "
                 "value that is a text stands for those bytes, so that a broken record can be "
                 "written down. Values are JSON here whatever the source's format.",
        .exits = "0  Done, whatever was late or dead.\n1  The job file has errors.",
        .examples = "weir try job.yaml --events events.jsonl\n"
                    "zcat events.jsonl.gz | weir try job.yaml --events - | jq .",
        .args_min = 1,
        .args_max = 1,
        .options = own,
        .uses = uses,
        .run = run,
};
