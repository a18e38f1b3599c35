/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors. A fallible function returns enum status and takes a struct error * last; the error
 * says what happened, where, and what to do next. The class says what the caller's caller should
 * do about it and is set where the fault occurs; the policy is applied in one place, the worker.
 */
#ifndef WEIR_BASE_ERROR_H
#define WEIR_BASE_ERROR_H

/* 0 is ok, below 0 an error, above 0 "nothing more". */
enum status { ST_OK = 0, ST_ERR = -1, ST_END = 1 };

enum error_class {
	ERR_NONE = 0,
	ERR_RETRIABLE, /* the outside world failed; the same call may succeed later */
	ERR_SKIP,      /* this record is bad: dead letter, go on */
	ERR_ABORT,     /* this epoch must be aborted; the task lives */
	ERR_UNKNOWN,   /* outcome of a commit not known: re-initialise and read the truth */
	ERR_FATAL,     /* stop the task, say so */
	ERR_USER,      /* the user's definition or arguments are wrong */
};

struct error {
	enum error_class class;
	int code; /* the origin's own number (librdkafka, errno), 0 if none */
	char msg[1000];
};

/* Fills e (may be NULL) and returns ST_ERR, so that "return error_set(...)" reads well. */
enum status error_set(struct error *e, enum error_class class, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message. Returns ST_ERR. */
enum status error_context(struct error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Aborts with file, line and message, in release builds too: for bugs, never for input. */
#define INVARIANT(cond)                                                                        \
	do {                                                                                   \
		if (!(cond))                                                                   \
			invariant_failed(#cond, __FILE__, __LINE__);                           \
	} while (0)

_Noreturn void invariant_failed(const char *cond, const char *file, int line);

/* A note on what this thread is doing ("topic[3]@42"), printed when an invariant fails. */
void invariant_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
