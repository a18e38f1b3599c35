// SPDX-License-Identifier: Apache-2.0
//
// When an epoch is due: by its age where the engine is behind, early enough to be committed within
// the interval where it keeps up.
#include <check.h>
#include <stdlib.h>

#include "run/worker.h"

#define MS INT64_C(1000000)
#define INTERVAL 100 /* ms */

static int64_t end, position; /* of the input, and what was taken from it, control records too */

static int64_t high_watermark(struct log_session *s, uint32_t topic, int32_t partition)
{
	(void)s, (void)topic, (void)partition;
	return end;
}

static int64_t position_of(struct log_session *s, uint32_t topic, int32_t partition)
{
	(void)s, (void)topic, (void)partition;
	return position;
}

static const struct {
	const char *what;
	int64_t cut, started, took; /* ms */
	int64_t end, next;          /* offsets; 40 records were taken */
	int64_t due;                /* ms */
	bool all_taken;             /* what is left is never shown */
} cases[] = {
        {"behind: its whole length", 1000, 1000, 10, 500, 100, 1100, false},
        {"as much waits as was taken: it keeps up", 1000, 1000, 10, 140, 100, 1090, false},
        {"one more waits", 1000, 1000, 10, 141, 100, 1100, false},
        {"control records alone are left: it keeps up", 1000, 1000, 10, 141, 100, 1090, true},
        {"the end is not known: it keeps up", 1000, 1000, 10, -1, 100, 1090, false},
        {"what came during the commit is in time, too", 1000, 1040, 10, 100, 100, 1090, false},
        {"the first after a while: a part of the interval", 1000, 5000, 10, 100, 100, 5025, false},
        {"long commits: as early as half of an interval after the last", 1000, 1010, 70, 100, 100, 1050,
                false},
        {"… but a part of the interval", 1000, 1070, 70, 100, 100, 1095, false},
        {"no commit was measured yet", 1000, 1000, 0, 100, 100, 1100, false},
};

START_TEST(due)
{
	static const struct log_ops log = {
	        .high_watermark = high_watermark, .position = position_of};
	struct task t = {.phase = PHASE_RUNNING, .next_offset = cases[_i].next};
	struct task gone = {.phase = PHASE_FAILED}; /* what waits for it does not count */
	struct task *tasks[] = {&t, &gone};
	struct worker w = {.conf = {.log = &log, .commit_ms = INTERVAL}, .tasks = tasks, .ntasks = 2};
	t.counts.records = 1040;
	t.committed_counts.records = 1000;
	t.worker = &w;
	w.commit.cut_ns = cases[_i].cut * MS;
	w.commit.started_ns = cases[_i].started * MS;
	w.commit.took_ns = cases[_i].took * MS;
	end = cases[_i].end;
	position = cases[_i].all_taken ? end : cases[_i].next;
	ck_assert_msg(commit_due_ns(&w) == cases[_i].due * MS, "%s: %lld ms", cases[_i].what,
	        (long long)(commit_due_ns(&w) / MS));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run_commit");
	TCase *t = tcase_create("due");
	tcase_add_loop_test(t, due, 0, sizeof cases / sizeof *cases);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
