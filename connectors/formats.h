/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire formats that weir can read.
 */
#ifndef WEIR_CONNECTORS_FORMATS_H
#define WEIR_CONNECTORS_FORMATS_H

#include "data/codec.h"

extern const struct format *const formats[]; /* NULL-terminated */

#endif
