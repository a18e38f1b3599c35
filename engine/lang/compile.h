/* SPDX-License-Identifier: Apache-2.0
 *
 * From trees to programs. A builder collects registers and instructions; equal instructions
 * over equal arguments are one, and instructions over constants are run at once. Registers are
 * typed; REG_BAD stands for an expression that already got its error and makes its users
 * silent.
 */
#ifndef WEIR_LANG_COMPILE_H
#define WEIR_LANG_COMPILE_H

#include "lang/expr.h"
#include "lang/kernel.h"
#include "lang/suggest.h"

#define PROGRAM_REGS_MAX (1 << 16)

#define REG_BAD (-1)
#define REG_NONE (-2) /* of a scope's call: not mine */

struct reg {
	const struct type *type;
	bool nullable;
	bool constant;
	struct value value;  /* when constant */
	int input;           /* column, or -1 */
	struct slice digits; /* of a decimal literal, else empty */
};

struct builder;

/* Everything lives in a, which must outlive the program. */
struct builder *builder_new(struct arena *a, uint32_t ncols);
/* PROGRAM_REGS_MAX is reached: since then registers were REG_BAD without an error. */
bool builder_full(const struct builder *b);
const struct reg *builder_reg(const struct builder *b, int reg);
int builder_input(struct builder *b, uint32_t col, const struct type *type, bool nullable);
int builder_const(struct builder *b, const struct type *type, const struct value *v);
/* A double literal that remembers its digits, so that it can become a decimal exactly. */
int builder_decimal(struct builder *b, double v, struct slice digits);
struct call {
	kernel *run;
	struct type type;
	bool nullable;
	int args[3];
	uint32_t nargs;
	const int *many; /* instead of args when set */
	int64_t imm;
	const void *data;
};
int builder_emit(struct builder *b, const struct call *c);
/* Makes reg an output; the same register twice is one output. */
uint32_t builder_output(struct builder *b, int reg);
uint32_t builder_outputs(const struct builder *b);
/* NULL when there is no output. The builder is of no more use. */
struct program *builder_finish(struct builder *b);

/* What names mean. */
struct compiler;
struct scope {
	void *arg;
	/* A name: its register, or REG_BAD after an error. */
	int (*name)(void *arg, struct compiler *c, const struct expr *e);
	/* A call: REG_NONE when it is a plain function. May be NULL. */
	int (*call)(void *arg, struct compiler *c, const struct expr *e);
	/* Offers further callable words for suggestions. May be NULL. */
	void (*offer)(void *arg, struct suggest *s);
};

struct compiler {
	struct builder *b;
	struct arena *arena;
	const struct place *place;
	const struct scope *scope;
};

/* The register of e, or REG_BAD after at least one error. */
int compile(struct compiler *c, const struct expr *e);
/* The same, and it must be boolean (null is allowed). */
int compile_condition(struct compiler *c, const struct expr *e, const char *what);

/* Reports at e; returns REG_BAD. */
int compile_error(struct compiler *c, const struct expr *e, const char *suggestion,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* For functions.c: the least type that both have without losing anything; false when there is
 * none. Constant texts become times and enums, decimal literals become decimals. */
bool compile_unify(struct compiler *c, int a, int b, struct type *out);
/* reg as type `to`, which compile_unify gave or an implicit widening. */
int compile_coerce(struct compiler *c, int reg, const struct type *to, const struct expr *at);
/* A number as a decimal of its own digits; KIND_DOUBLE when it is none. */
struct type compile_decimal_type(const struct reg *r);
/* reg cast to `to`, or REG_NONE when there is no such cast. */
int compile_cast(struct compiler *c, int reg, const struct type *to);
/* a `op` b, with everything that comparing needs. */
int compile_compare(struct compiler *c, enum compare op, int a, int b, const struct expr *ea,
        const struct expr *eb, const struct expr *whole);
/* One comparison kernel over two registers of one type. */
int compile_compare_same(struct compiler *c, enum compare op, int a, int b);

/* A function of the language. */
struct function {
	const char *name, *signature, *types, *summary;
	uint8_t nargs_min, nargs_max;
	/* args are good registers. REG_BAD after an error. */
	int (*compile)(struct compiler *c, const struct expr *e, const int *args);
};
extern const struct function functions[]; /* ends with name NULL */
/* What can be cast to what, for the reference. */
struct cast_doc {
	const char *from, *to, *how;
};
extern const struct cast_doc cast_docs[]; /* ends with from NULL */

/* Types as a job file or a schema names them. */
struct type_doc {
	const char *name, *summary;
	bool castable; /* a cast can name it */
};
extern const struct type_doc type_docs[]; /* ends with name NULL */

extern const struct type type_null, type_boolean, type_long, type_double, type_string;

#endif
