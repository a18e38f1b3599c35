// SPDX-License-Identifier: Apache-2.0
//
// The table of wire formats. A new one is its folder and a row here.
#include "connectors/formats.h"

#include "connectors/avro/decode.h"
#include "connectors/json/decode.h"

const struct format *const formats[] = {&format_json, &format_avro, NULL};
