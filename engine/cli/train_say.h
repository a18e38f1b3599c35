/* SPDX-License-Identifier: Apache-2.0
 *
 * What weir train prints.
 */
#ifndef WEIR_CLI_TRAIN_SAY_H
#define WEIR_CLI_TRAIN_SAY_H

#include "base/buf.h"
#include "connectors/parquet/train/train.h"

void train_say_table(
        const struct train_conf *conf, const struct train_result *r, struct buf *out);
void train_say_json(
        const struct train_conf *conf, const struct train_result *r, struct buf *out);

#endif
