/* SPDX-License-Identifier: Apache-2.0
 *
 * Between options.c and options_file.c.
 */
#ifndef WEIR_BASE_OPTIONS_INSIDE_H
#define WEIR_BASE_OPTIONS_INSIDE_H

#include "base/options.h"

/* '-' and '_' are the same in a name. NULL: no table has it. */
struct option_value *options_find(struct options *o, const char *name, size_t n);
/* Checks text against the option's type and sets it. where begins the error: "--memory". */
enum status option_set(struct options *o, struct option_value *v, const char *text,
        enum option_origin origin, const char *where, struct error *e);
/* Sets what the file says and nothing has set yet. */
enum status options_file(struct options *o, const char *path, struct error *e);

#endif
