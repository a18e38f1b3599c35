// SPDX-License-Identifier: Apache-2.0
//
// The bar: "what [#####.....]  50 %  note  12 s left". The time left supposes that what comes
// goes as what went; before two seconds it says nothing.
#include "base/progress.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/human.h"

#define BAR_CELLS 20
#define LEFT_FROM_MS 2000
#define MS INT64_C(1000000) /* in ns */

void progress_init(
        struct progress *p, int fd, bool terminal, const char *what, struct clock *clock)
{
	int64_t now = clock_mono_ns(clock);
	*p = (struct progress){.fd = fd,
	        .terminal = terminal,
	        .what = what,
	        .clock = clock,
	        .began_ns = now,
	        .shown_ns = now};
}

static void out(const struct progress *p, const struct buf *b)
{
	ssize_t ignored = write(p->fd, b->p, b->len); /* who looks away misses it */
	(void)ignored;
}

static void bar(struct buf *b, int percent)
{
	buf_str(b, " [");
	for (int i = 0; i < BAR_CELLS; i++)
		buf_byte(b, i * 100 < percent * BAR_CELLS ? '#' : '.');
	buf_byte(b, ']');
}

static void line(const struct progress *p, int64_t done, int64_t total, const char *note,
        int64_t now, struct buf *b)
{
	char left[HUMAN_MAX];
	double share = total > 0 ? (double)done / (double)total : 0;
	int64_t spent = (now - p->began_ns) / MS;
	if (share > 1)
		share = 1;
	buf_str(b, p->what);
	if (total > 0 && p->terminal)
		bar(b, (int)(share * 100));
	if (total > 0)
		buf_printf(b, "%s %3d %%", p->terminal ? "" : ":", (int)(share * 100));
	buf_printf(b, "%s%s", total > 0 ? "  " : ": ", note);
	if (share > 0 && share < 1 && spent >= LEFT_FROM_MS)
		buf_printf(b, "  %s left",
		        human_duration(left, (int64_t)((double)spent / share - (double)spent)));
}

void progress_show(struct progress *p, int64_t done, int64_t total, const char *note)
{
	int64_t now = clock_mono_ns(p->clock);
	int64_t every = (p->terminal ? PROGRESS_BAR_MS : PROGRESS_LINE_MS) * MS;
	if (now - p->shown_ns < every)
		return;
	p->shown_ns = now;
	struct buf b = {0};
	if (p->terminal)
		buf_str(&b, "\r\033[K");
	line(p, done, total, note, now, &b);
	if (!p->terminal)
		buf_byte(&b, '\n');
	out(p, &b);
	buf_release(&b);
	p->drawn = p->terminal;
}

void progress_end(struct progress *p)
{
	if (!p->drawn)
		return;
	struct buf b = {0};
	buf_str(&b, "\r\033[K");
	out(p, &b);
	buf_release(&b);
	p->drawn = false;
}
