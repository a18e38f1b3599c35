/* SPDX-License-Identifier: Apache-2.0
 *
 * simdjson's first stage behind a C header: where the tokens of a JSON text begin. It checks
 * that the text is UTF-8, that strings end, and that they hold no raw control characters. What
 * it does not check is the grammar: that is scan.h's.
 */
#ifndef WEIR_CONNECTORS_JSON_TOKENS_H
#define WEIR_CONNECTORS_JSON_TOKENS_H

#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tokens {
	void *impl;
	const uint32_t *at; /* offsets of the tokens' first bytes; at[n] is the text's length */
	uint32_t n;
};

void tokens_init(struct tokens *t);
void tokens_release(struct tokens *t);
/* NULL, or what is wrong. Reads not a byte beyond the text: no padding is needed. */
const char *tokens_find(struct tokens *t, struct slice text);

#ifdef __cplusplus
}
#endif

#endif
