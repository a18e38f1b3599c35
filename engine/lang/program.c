// SPDX-License-Identifier: Apache-2.0
//
// Builds and runs programs. A program is registers, of which some are input columns and some
// constants, and a straight list of instructions in the order they were emitted, which is an
// order in which every argument comes first. Instructions that no output needs are dropped at
// the end.
//
// It does not reorder, and it evaluates both branches of a case for every row.
#pragma GCC optimize("O3") /* the loops of broadcast */
#include <xxhash.h>

#include "base/error.h"
#include "lang/compile.h"

const struct type type_null = {.kind = KIND_NULL}, type_boolean = {.kind = KIND_BOOLEAN},
                  type_long = {.kind = KIND_LONG}, type_double = {.kind = KIND_DOUBLE},
                  type_string = {.kind = KIND_STRING};

struct constant {
	uint32_t reg;
	const struct type *type;
	struct value value;
};

struct input {
	uint32_t reg, col;
};

struct program {
	uint32_t nregs, ninsns, nconsts, ninputs, noutputs;
	struct insn *insns;
	struct constant *consts;
	struct input *inputs;
	uint32_t *outputs;
	const struct type **types; /* of the outputs */
};

struct builder {
	struct arena *arena;
	struct reg *regs;
	uint32_t nregs, regs_cap;
	struct insn *insns; /* insns of registers; dst says which */
	uint32_t ninsns, insns_cap;
	uint32_t *slots; /* hash table of instructions: index + 1 */
	uint32_t nslots;
	int *input_of; /* column -> register */
	uint32_t ncols;
	uint32_t *outputs, noutputs, outputs_cap;
	bool full;
};

static void *grow(struct arena *a, void *items, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return items;
	uint32_t more = *cap ? 2 * *cap : 16;
	void *p = arena_alloc(a, more * size);
	if (n)
		memcpy(p, items, n * size);
	*cap = more;
	return p;
}

struct builder *builder_new(struct arena *a, uint32_t ncols)
{
	struct builder *b = arena_calloc(a, 1, sizeof *b);
	b->arena = a;
	b->ncols = ncols;
	b->input_of = arena_alloc(a, ncols * sizeof *b->input_of);
	for (uint32_t i = 0; i < ncols; i++)
		b->input_of[i] = -1;
	return b;
}

bool builder_full(const struct builder *b)
{
	return b->full;
}

const struct reg *builder_reg(const struct builder *b, int reg)
{
	INVARIANT(reg >= 0 && (uint32_t)reg < b->nregs);
	return &b->regs[reg];
}

static int reg_add(struct builder *b, const struct reg *r)
{
	if (b->nregs == PROGRAM_REGS_MAX) {
		b->full = true;
		return REG_BAD;
	}
	b->regs = grow(b->arena, b->regs, b->nregs, &b->regs_cap, sizeof *b->regs);
	b->regs[b->nregs] = *r;
	return (int)b->nregs++;
}

static const struct type *keep_type(struct builder *b, const struct type *t)
{
	struct type *copy = arena_alloc(b->arena, sizeof *copy);
	*copy = *t;
	return copy;
}

int builder_input(struct builder *b, uint32_t col, const struct type *type, bool nullable)
{
	INVARIANT(col < b->ncols);
	if (b->input_of[col] < 0)
		b->input_of[col] = reg_add(b, &(struct reg){.type = keep_type(b, type),
		                                      .nullable = nullable,
		                                      .input = (int)col});
	return b->input_of[col];
}

static bool same_value(const struct type *t, const struct value *a, const struct value *b)
{
	if (a->null || b->null)
		return a->null == b->null;
	switch (type_form(t)) {
	case FORM_BYTES:
		return slice_eq(a->bytes, b->bytes);
	case FORM_I128:
		return a->i128 == b->i128;
	default: /* bits: 0.0 and -0.0 are two */
		return a->i64 == b->i64;
	}
}

int builder_const(struct builder *b, const struct type *type, const struct value *v)
{
	uint32_t from = b->nregs > 64 ? b->nregs - 64 : 0; /* near ones are enough */
	for (uint32_t i = from; i < b->nregs; i++) {
		const struct reg *r = &b->regs[i];
		if (r->constant && !r->digits.len && type_equal(r->type, type) &&
		        same_value(type, &r->value, v))
			return (int)i;
	}
	return reg_add(b, &(struct reg){.type = keep_type(b, type),
	                          .nullable = v->null,
	                          .constant = true,
	                          .value = *v,
	                          .input = -1});
}

int builder_decimal(struct builder *b, double v, struct slice digits)
{
	struct value value = {.f64 = v};
	if (!digits.len)
		return builder_const(b, &type_double, &value);
	for (uint32_t i = b->nregs > 64 ? b->nregs - 64 : 0; i < b->nregs; i++)
		if (b->regs[i].digits.len && slice_eq(b->regs[i].digits, digits))
			return (int)i;
	return reg_add(b, &(struct reg){.type = &type_double,
	                          .constant = true,
	                          .value = value,
	                          .input = -1,
	                          .digits = digits});
}

/* ---- running */

static void broadcast(struct column *c, const struct type *t, const struct value *v, uint32_t n,
        struct arena *a)
{
	column_init(c, t, n, a);
	if (v->null) {
		memset(c->null, 1, n);
		return;
	}
	struct value one = *v;
	if (type_form(t) == FORM_I64 || type_form(t) == FORM_F64) {
		int64_t *restrict out = c->i64; /* bits: a double too */
		for (uint32_t i = 0; i < n; i++)
			out[i] = one.i64;
	} else {
		__int128 *restrict out = c->i128; /* or a struct slice */
		_Static_assert(sizeof one.bytes == sizeof one.i128, "one copy for both");
		for (uint32_t i = 0; i < n; i++)
			memcpy(&out[i], &one.bytes, sizeof one.bytes);
	}
}

uint32_t program_outputs(const struct program *p)
{
	return p->noutputs;
}

const struct type *program_type(const struct program *p, uint32_t output)
{
	return p->types[output];
}

void program_run(const struct program *p, const struct column *cols, uint32_t n,
        struct column *out, struct arena *a, struct program_counts *counts)
{
	if (n == 0) {
		for (uint32_t i = 0; i < p->noutputs; i++)
			column_init(&out[i], p->types[i], 0, a);
		return;
	}
	struct frame f = {arena_alloc(a, p->nregs * sizeof *f.r), n, a, counts};
	for (uint32_t i = 0; i < p->ninputs; i++) {
		f.r[p->inputs[i].reg] = cols[p->inputs[i].col];
		INVARIANT(f.r[p->inputs[i].reg].data != NULL);
	}
	for (uint32_t i = 0; i < p->nconsts; i++)
		broadcast(&f.r[p->consts[i].reg], p->consts[i].type, &p->consts[i].value, n, a);
	for (const struct insn *op = p->insns; op < p->insns + p->ninsns; op++)
		op->run(op, &f);
	for (uint32_t i = 0; i < p->noutputs; i++) {
		out[i] = f.r[p->outputs[i]];
		out[i].type = p->types[i];
	}
}

/* ---- emitting */

/* Runs an instruction whose arguments are constants. */
static int fold(struct builder *b, const struct call *c, const int *args)
{
	struct column cols[4];
	struct column *r =
	        c->nargs < 4 ? cols : arena_alloc(b->arena, (c->nargs + 1) * sizeof *r);
	uint32_t *numbers = arena_alloc(b->arena, (c->nargs + 1) * sizeof *numbers);
	for (uint32_t i = 0; i < c->nargs; i++) {
		const struct reg *arg = builder_reg(b, args[i]);
		broadcast(&r[i], arg->type, &arg->value, 1, b->arena);
		numbers[i] = i;
	}
	struct program_counts counts = {0};
	struct frame f = {r, 1, b->arena, &counts};
	const struct insn op = {
	        c->run, c->nargs, c->nargs, numbers, keep_type(b, &c->type), c->imm, c->data};
	op.run(&op, &f);
	struct value v = column_get(&r[c->nargs], 0);
	return builder_const(b, &c->type, &v);
}

static uint64_t insn_hash(const struct insn *op)
{
	uint64_t h = XXH64(&op->run, sizeof op->run, (uint64_t)op->imm);
	h = XXH64(&op->data, sizeof op->data, h + (uint64_t)op->type->kind);
	return XXH64(op->args, op->nargs * sizeof *op->args, h);
}

static bool insn_equal(const struct insn *x, const struct insn *y)
{
	return x->run == y->run && x->imm == y->imm && x->data == y->data &&
	       x->nargs == y->nargs &&
	       memcmp(x->args, y->args, x->nargs * sizeof *x->args) == 0 &&
	       type_equal(x->type, y->type);
}

static void rehash(struct builder *b)
{
	b->nslots = b->nslots ? 2 * b->nslots : 64;
	b->slots = arena_calloc(b->arena, b->nslots, sizeof *b->slots);
	for (uint32_t i = 0; i < b->ninsns; i++) {
		uint32_t at = (uint32_t)insn_hash(&b->insns[i]) & (b->nslots - 1);
		while (b->slots[at])
			at = (at + 1) & (b->nslots - 1);
		b->slots[at] = i + 1;
	}
}

/* The slot of an equal instruction, or a free one. */
static uint32_t *slot_of(struct builder *b, const struct insn *op)
{
	if (2 * (b->ninsns + 1) > b->nslots)
		rehash(b);
	uint32_t at = (uint32_t)insn_hash(op) & (b->nslots - 1);
	while (b->slots[at] && !insn_equal(&b->insns[b->slots[at] - 1], op))
		at = (at + 1) & (b->nslots - 1);
	return &b->slots[at];
}

int builder_emit(struct builder *b, const struct call *c)
{
	const int *args = c->many ? c->many : c->args;
	bool constant = c->nargs > 0;
	uint32_t *numbers = arena_alloc(b->arena, (c->nargs + 1) * sizeof *numbers);
	for (uint32_t i = 0; i < c->nargs; i++) {
		if (args[i] < 0)
			return REG_BAD;
		constant = constant && builder_reg(b, args[i])->constant;
		numbers[i] = (uint32_t)args[i];
	}
	if (constant)
		return fold(b, c, args);
	struct insn op = {
	        c->run, 0, c->nargs, numbers, keep_type(b, &c->type), c->imm, c->data};
	uint32_t *slot = slot_of(b, &op);
	if (*slot)
		return (int)b->insns[*slot - 1].dst;
	int dst = reg_add(
	        b, &(struct reg){.type = op.type, .nullable = c->nullable, .input = -1});
	if (dst < 0)
		return dst;
	op.dst = (uint32_t)dst;
	b->insns = grow(b->arena, b->insns, b->ninsns, &b->insns_cap, sizeof *b->insns);
	b->insns[b->ninsns++] = op;
	*slot = b->ninsns;
	return dst;
}

uint32_t builder_outputs(const struct builder *b)
{
	return b->noutputs;
}

uint32_t builder_output(struct builder *b, int reg)
{
	builder_reg(b, reg);
	for (uint32_t i = 0; i < b->noutputs; i++)
		if (b->outputs[i] == (uint32_t)reg)
			return i;
	b->outputs =
	        grow(b->arena, b->outputs, b->noutputs, &b->outputs_cap, sizeof *b->outputs);
	b->outputs[b->noutputs] = (uint32_t)reg;
	return b->noutputs++;
}

/* ---- finishing */

/* live[r]: some output needs register r. */
static uint8_t *liveness(struct builder *b)
{
	uint8_t *live = arena_calloc(b->arena, b->nregs, 1);
	for (uint32_t i = 0; i < b->noutputs; i++)
		live[b->outputs[i]] = 1;
	for (uint32_t i = b->ninsns; i-- > 0;) {
		const struct insn *op = &b->insns[i];
		for (uint32_t k = 0; live[op->dst] && k < op->nargs; k++)
			live[op->args[k]] = 1;
	}
	return live;
}

static void take_leaves(struct program *p, struct builder *b, const uint8_t *live)
{
	p->consts = arena_alloc(b->arena, b->nregs * sizeof *p->consts);
	p->inputs = arena_alloc(b->arena, b->nregs * sizeof *p->inputs);
	for (uint32_t i = 0; i < b->nregs; i++) {
		const struct reg *r = &b->regs[i];
		if (live[i] && r->constant)
			p->consts[p->nconsts++] = (struct constant){i, r->type, r->value};
		else if (live[i] && r->input >= 0)
			p->inputs[p->ninputs++] = (struct input){i, (uint32_t)r->input};
	}
}

struct program *builder_finish(struct builder *b)
{
	if (!b->noutputs)
		return NULL;
	struct program *p = arena_calloc(b->arena, 1, sizeof *p);
	uint8_t *live = liveness(b);
	take_leaves(p, b, live);
	p->nregs = b->nregs;
	p->insns = b->insns;
	for (uint32_t i = 0; i < b->ninsns; i++)
		if (live[b->insns[i].dst])
			p->insns[p->ninsns++] = b->insns[i];
	p->outputs = b->outputs;
	p->noutputs = b->noutputs;
	p->types = arena_alloc(b->arena, b->noutputs * sizeof *p->types);
	for (uint32_t i = 0; i < b->noutputs; i++)
		p->types[i] = b->regs[b->outputs[i]].type;
	return p;
}
