// SPDX-License-Identifier: Apache-2.0
//
// The commands, in the order of help. A command that is not built is not here.
#include "cli/cli.h"

extern const struct command command_check, command_try, command_test, command_engine,
        command_run, command_deploy, command_list, command_status, command_pause,
        command_resume, command_remove, command_export, command_train, command_baseline,
        command_drift, command_skew, command_get, command_explain, command_dead_list, command_completion,
        command_help;

const struct command *const commands[] = {
        &command_check,
        &command_try,
        &command_test,
        &command_engine,
        &command_run,
        &command_deploy,
        &command_list,
        &command_status,
        &command_pause,
        &command_resume,
        &command_remove,
        &command_export,
        &command_train,
        &command_baseline,
        &command_drift,
        &command_skew,
        &command_get,
        &command_explain,
        &command_dead_list,
        &command_completion,
        &command_help,
        NULL,
};
const char *const node_program = "weir-node";
