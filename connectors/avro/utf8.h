/* SPDX-License-Identifier: Apache-2.0
 *
 * Is it UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF)?
 */
#ifndef WEIR_CONNECTORS_AVRO_UTF8_H
#define WEIR_CONNECTORS_AVRO_UTF8_H

#include "base/slice.h"

bool utf8_valid(struct slice s);

#endif
