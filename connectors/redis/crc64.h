/* SPDX-License-Identifier: Apache-2.0
 *
 * Redis's CRC64 (Jones), as its test has it: e9c6d914c4b8d9ca of "123456789".
 */
#ifndef WEIR_CONNECTORS_REDIS_CRC64_H
#define WEIR_CONNECTORS_REDIS_CRC64_H

#include "base/slice.h"

uint64_t crc64(struct slice s);

/* The same eight bytes at a time, on any processor; what came before them is c (0: nothing). */
uint64_t crc64_table(uint64_t c, struct slice s);

/* With this processor's own multiplication, of CRC64_FAST_MIN bytes and more; NULL: it has none
 * for it. One of two files, as CMake chooses. */
#define CRC64_FAST_MIN 32
typedef uint64_t (*crc64_fn)(struct slice s);
crc64_fn crc64_fast(void);

#endif
