// SPDX-License-Identifier: Apache-2.0
//
// The commands of weir-node, the program that a node is: those of a node alone. `weir engine` and
// `weir run` become it (main.c), since what reads Parquet costs a node memory and serves it nothing.
#include "cli/cli.h"

extern const struct command command_engine, command_run;

const struct command *const commands[] = {&command_engine, &command_run, NULL};
const char *const node_program = NULL;
