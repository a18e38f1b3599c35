// SPDX-License-Identifier: Apache-2.0
//
// Error objects and invariants. No policy: what to do about an error class is the worker's.
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char note[200];

enum status error_set(struct error *e, enum error_class class, int code, const char *fmt, ...)
{
	if (!e)
		return ST_ERR;
	va_list ap;
	va_start(ap, fmt);
	e->class = class;
	e->code = code;
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	return ST_ERR;
}

enum status error_context(struct error *e, const char *fmt, ...)
{
	if (!e)
		return ST_ERR;
	char old[sizeof e->msg];
	memcpy(old, e->msg, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->msg)
		snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", old);
	return ST_ERR;
}

void invariant_note(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(note, sizeof note, fmt, ap);
	va_end(ap);
}

_Noreturn void invariant_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "weir: BUG: %s does not hold (%s:%d)%s%s\n", cond, file, line,
		note[0] ? " at " : "", note);
	abort();
}
