/* SPDX-License-Identifier: Apache-2.0
 *
 * The format "avro".
 */
#ifndef WEIR_CONNECTORS_AVRO_DECODE_H
#define WEIR_CONNECTORS_AVRO_DECODE_H

#include "data/codec.h"

extern const struct format format_avro;

#endif
