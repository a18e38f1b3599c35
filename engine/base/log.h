/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's own log lines, on standard error: one line per event, "time level component:
 * message". The sink and the level are the only globals. Never log a record's value or a secret.
 */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

void log_level_set(enum log_level level);
/* Called for every line at warn or error too, so that the status page can show recent ones.
 * May be called from any thread. NULL unsets it. */
void log_tap_set(void (*tap)(void *arg, enum log_level level, const char *component,
			     const char *line), void *arg);
void log_write(enum log_level level, const char *component, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG_ERROR(component, ...) log_write(LOG_LVL_ERROR, component, __VA_ARGS__)
#define LOG_WARN(component, ...) log_write(LOG_LVL_WARN, component, __VA_ARGS__)
#define LOG_INFO(component, ...) log_write(LOG_LVL_INFO, component, __VA_ARGS__)
#define LOG_DEBUG(component, ...) log_write(LOG_LVL_DEBUG, component, __VA_ARGS__)

#endif
