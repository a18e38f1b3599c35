// SPDX-License-Identifier: Apache-2.0
//
// The names of what can be wrong with a record: values of the dead-letter header "reason",
// which other people's tools read. Never rename one.
#include "data/codec.h"

const char *const bad_reason[BAD_COUNT] = {
        [BAD_NONE] = "none",
        [BAD_EMPTY] = "empty_value",
        [BAD_SYNTAX] = "invalid_record",
        [BAD_MISSING] = "missing_column",
        [BAD_TYPE] = "wrong_type",
        [BAD_RANGE] = "out_of_range",
        [BAD_DUPLICATE] = "duplicate_column",
        [BAD_TOO_LARGE] = "too_large",
        [BAD_UNKNOWN_SCHEMA] = "unknown_schema",
        [BAD_TIME] = "bad_time",
        [BAD_FUTURE_TIME] = "future_time",
        [BAD_LATE] = "late",
};
