// SPDX-License-Identifier: Apache-2.0
//
// Log lines on standard error. No files, no rotation: the service manager does that.
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level threshold = LOG_LVL_INFO;
static void (*tap)(void *, enum log_level, const char *, const char *);
static void *tap_arg;

void log_level_set(enum log_level level)
{
	threshold = level;
}

void log_tap_set(void (*fn)(void *, enum log_level, const char *, const char *), void *arg)
{
	pthread_mutex_lock(&lock);
	tap = fn;
	tap_arg = arg;
	pthread_mutex_unlock(&lock);
}

void log_write(enum log_level level, const char *component, const char *fmt, ...)
{
	static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
	if (level > threshold)
		return;
	char line[2000];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	struct tm tm;
	gmtime_r(&ts.tv_sec, &tm);
	char when[32];
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	pthread_mutex_lock(&lock);
	fprintf(stderr, "%s.%03ldZ %-5s %s: %s\n", when, ts.tv_nsec / 1000000, names[level],
		component, line);
	if (tap && level <= LOG_LVL_WARN)
		tap(tap_arg, level, component, line);
	pthread_mutex_unlock(&lock);
}
