// SPDX-License-Identifier: Apache-2.0
//
// Parts of a time, in UTC. Arguments are milliseconds since the epoch.
#include "data/window.h"
#include "lang/civil.h"
#include "lang/kernel.h"

#define PART(name, value)                                                                      \
	void name(const struct insn *op, struct frame *f)                                      \
	{                                                                                      \
		struct column *c = op_result(op, f);                                           \
		const int64_t *a = op_arg(op, f, 0)->i64;                                      \
		for (uint32_t i = 0; i < f->n; i++) {                                          \
			if (c->null[i])                                                        \
				continue;                                                      \
			int64_t ms = a[i], days = floor_div(ms, DAY_MS);                       \
			(void)ms;                                                              \
			c->i64[i] = (value);                                                   \
		}                                                                              \
	}

PART(kernel_year, civil_of_days(days).year)
PART(kernel_month, civil_of_days(days).month)
PART(kernel_day, civil_of_days(days).day)
PART(kernel_hour, (ms - days * DAY_MS) / 3600000)
PART(kernel_dow, (days % 7 + 11) % 7) /* Sunday is 0; the epoch was a Thursday */

/* Whole units from a to b, towards zero. */
void kernel_date_diff(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64, *b = op_arg(op, f, 1)->i64;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		int64_t ms;
		bool bad = __builtin_sub_overflow(b[i], a[i], &ms);
		f->counts->overflow += bad;
		c->null[i] = bad;
		c->i64[i] = bad ? 0 : ms / op->imm;
	}
}

static int64_t months(int64_t ms)
{
	struct civil c = civil_of_days(floor_div(ms, DAY_MS));
	return c.year * 12 + c.month - 1;
}

/* Turns of the calendar month or year between a and b. */
void kernel_date_diff_calendar(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64, *b = op_arg(op, f, 1)->i64;
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			c->i64[i] = floor_div(months(b[i]), op->imm) -
			            floor_div(months(a[i]), op->imm);
}
