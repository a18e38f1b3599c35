/* SPDX-License-Identifier: Apache-2.0
 *
 * What people write out of habit from other languages, where spelling alone would suggest
 * another word. Letters' case is ignored.
 */
#ifndef WEIR_LANG_HABITS_H
#define WEIR_LANG_HABITS_H

#include <stdbool.h>

#include "base/slice.h"

/* The function or aggregate that is called so elsewhere, or NULL. */
const char *habit_function(struct slice name);
/* The keyword that word is in other letters, or NULL. */
const char *habit_keyword(struct slice word);
/* name asks for the time of day, which no expression can see. */
bool habit_clock(struct slice name);

#define NO_CLOCK "there is no clock: time is the events' own"

#endif
