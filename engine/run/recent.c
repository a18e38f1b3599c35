// SPDX-License-Identifier: Apache-2.0
//
// A ring of log lines. It keeps what the log says and nothing else; it never logs itself, as it
// is called with the log's lock held.
#include "run/recent.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recent_line {
	int64_t time_ms;
	enum log_level level;
	uint32_t times;
	char component[64];
	char text[RECENT_TEXT_BYTES];
};

struct recent {
	pthread_mutex_t lock;
	struct clock *clock;
	uint64_t added; /* lines ever; the newest is at (added - 1) % RECENT_LINES */
	struct recent_line lines[RECENT_LINES];
};

struct recent *recent_new(struct clock *clock)
{
	struct recent *r = xcalloc(1, sizeof *r);
	pthread_mutex_init(&r->lock, NULL);
	r->clock = clock;
	return r;
}

void recent_free(struct recent *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Cuts at a character, never inside one. */
static void text_copy(char *out, size_t size, const char *text)
{
	size_t n = strlen(text);
	if (n >= size) {
		n = size - 1;
		while (n && ((uint8_t)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(out, text, n);
	out[n] = 0;
}

void recent_tap(void *arg, enum log_level level, const char *component, const char *line)
{
	struct recent *r = arg;
	struct recent_line new = {
	        .level = level, .times = 1, .time_ms = clock_wall_ms(r->clock)};
	text_copy(new.component, sizeof new.component, component);
	text_copy(new.text, sizeof new.text, line);
	pthread_mutex_lock(&r->lock);
	struct recent_line *last = r->added ? &r->lines[(r->added - 1) % RECENT_LINES] : NULL;
	if (last && strcmp(last->text, new.text) == 0 &&
	        strcmp(last->component, new.component) == 0) {
		last->times++;
		last->time_ms = new.time_ms;
	} else {
		r->lines[r->added++ % RECENT_LINES] = new;
	}
	pthread_mutex_unlock(&r->lock);
}

static bool component_matches(const char *have, const char *want)
{
	size_t n = want ? strlen(want) : 0;
	return !want || (strncmp(have, want, n) == 0 && (have[n] == 0 || have[n] == '/'));
}

uint32_t recent_copy(struct recent *r, const char *component, struct arena *a,
        struct snapshot_recent **out, uint32_t max)
{
	*out = arena_calloc(a, max ? max : 1, sizeof **out);
	uint32_t n = 0;
	pthread_mutex_lock(&r->lock);
	uint64_t oldest = r->added > RECENT_LINES ? r->added - RECENT_LINES : 0;
	for (uint64_t i = r->added; i > oldest && n < max; i--) {
		const struct recent_line *l = &r->lines[(i - 1) % RECENT_LINES];
		if (!component_matches(l->component, component))
			continue;
		(*out)[n++] = (struct snapshot_recent){
		        .time_ms = l->time_ms,
		        .level = l->level == LOG_LVL_ERROR ? "error" : "warn",
		        .component = arena_strdup(a, l->component),
		        .text = l->times > 1
		                        ? arena_printf(a, "%s (%u times)", l->text, l->times)
		                        : arena_strdup(a, l->text),
		};
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}
