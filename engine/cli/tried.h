/* SPDX-License-Identifier: Apache-2.0
 *
 * What `weir try` and `weir test` share.
 */
#ifndef WEIR_CLI_TRIED_H
#define WEIR_CLI_TRIED_H

#include <stdio.h>

#include "cli/cli.h"
#include "run/try.h"

/* A file that can be read twice; "-" is standard input. NULL after e. */
FILE *tried_open(const char *path, struct error *e);
/* Fills in operators and formats. */
void tried_conf(const struct cli *c, struct try_conf *conf);

#endif
