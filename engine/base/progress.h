/* SPDX-License-Identifier: Apache-2.0
 *
 * How far long work is: a bar that redraws itself on a terminal, a plain line now and then
 * elsewhere, on a file descriptor (standard error, so that answers stay clean). Cheap to call
 * often.
 */
#ifndef WEIR_BASE_PROGRESS_H
#define WEIR_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define PROGRESS_BAR_MS 100    /* between two drawings on a terminal */
#define PROGRESS_LINE_MS 10000 /* between two lines elsewhere; the first after as long */

struct progress {
	int fd;
	bool terminal;
	const char *what; /* "exporting aircraft v1" */
	struct clock *clock;
	int64_t began_ns, shown_ns;
	bool drawn; /* a bar stands on the terminal */
};

/* what is borrowed. terminal: what fd is (isatty). */
void progress_init(
        struct progress *p, int fd, bool terminal, const char *what, struct clock *clock);
/* note: what else there is to say ("1,234 rows"); total 0: unknown. */
void progress_show(struct progress *p, int64_t done, int64_t total, const char *note);
/* Takes the bar away. */
void progress_end(struct progress *p);

#endif
