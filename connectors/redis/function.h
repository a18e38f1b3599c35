/* SPDX-License-Identifier: Apache-2.0
 *
 * The function library that guards versions inside Redis.
 */
#ifndef WEIR_CONNECTORS_REDIS_FUNCTION_H
#define WEIR_CONNECTORS_REDIS_FUNCTION_H

/* The number is the format version of the call: another one is another library, so that two
 * releases of weir can write into one Redis while an upgrade rolls. */
#define FUNCTION_PUT "weir_put_2"
extern const char function_library[];

#endif
