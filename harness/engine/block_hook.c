/* Counts the blocks that Unicorn executes, natively: one call a block, no Python.
 *
 * A block is counted in a slot, keyed by (pc, size); pages and invalidation may give one pc several sizes. Every
 * context (phase, layer) has its own cells. Executions per instruction are summed from the slots when the run is over.
 *
 * Some instructions need a look of their own (`marks`): those of an IT block, the one behind a change of the stack
 * pointer, and those that trap on an address without the right low bits. Unicorn walks the list of all code hooks at
 * each hooked instruction, so there is only one, for all addresses. It is called for every instruction of a block until
 * the block has proved hot; then the block is translated again while the bounds of the hook are narrowed to its marked
 * instructions, so that only these call it. The counts do not depend on it, only the speed. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

typedef void uc_engine;

/* Keeps what is rare out of the registers and the cache lines of on_block. */
#define RARE __attribute__((noinline, cold))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

enum { NONE = 1 }; /* no address of an instruction */
enum { PHASES_MAX = 16, LAYERS_MAX = 1024, CONTEXTS_MAX = 2048, PROGRESS_INTERVAL_NS = 100000000 };
enum { STACK_KEPT_MAX = 1 << 20 };

/* Keep equal to class Stop in native.py. */
enum {
    STOP_NONE,
    STOP_OUTSIDE_CODE,
    STOP_MARKER,
    STOP_CONTEXTS,
    STOP_SLOTS,
    STOP_STACK,
    STOP_UNALIGNED,
    STOP_MEMORY,
    STOP_INTERRUPT,
    STOP_FPU_OFF,
    STOP_TIMEOUT,
    STOP_NO_THUMB,
    STOP_REGION
};

/* Marks of a halfword, kept equal to class Mark in native.py; all but CODE stand on the first one of an instruction. */
enum { MARK_CODE = 1, MARK_IT = 2, MARK_STACK = 4, MARK_ALIGNED = 8, MARK_FPU = 16, MARK_JUMP = 32 };
enum { MARKS_OF_THE_CODE_HOOK = MARK_IT | MARK_STACK | MARK_ALIGNED | MARK_JUMP };

enum { FLAG_WATCHED = 1u << 30, FLAG_HOT = 1u << 31, FIRST_LIMIT = 256 };

enum { REGISTER_R0 = 66, REGISTER_SP = 12, REGISTER_LR = 10 }; /* UC_ARM_REG_... */
enum { REGISTERS = 16, SP = 13, LR = 14, PC = 15 };
/* UC_CTL_READ_WRITE(UC_CTL_TB_REQUEST_CACHE, 2) and UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2) */
static const int CONTROL_REQUEST_CACHE = (int)(8u | 2u << 26 | 3u << 30), CONTROL_REMOVE_CACHE = 9 | 2 << 26 | 1 << 30;

struct range {
    uint32_t begin, halfwords, first_index;
};

struct cell {
    uint64_t count, taken;
};

struct slot {
    uint32_t pc, size, next;
    uint32_t key;               /* the size, and flags when the next entry needs more than counting */
    uint32_t idle_calls, limit; /* calls of the code hook without need, and how many make the block hot */
    uint32_t aligned;           /* registers (bit 0 is r0) that must be multiples of 4 at the entry; see below */
    uint32_t reserved;
};

struct context {
    uint32_t phase;
    int32_t layer;
    uint32_t stack_low, stack_size;
    uint32_t
        registers[REGISTERS]; /* where the stack was deepest; PC is the next instruction, 1 (no address) for none */
    uint8_t *stack;           /* and what lay on it: stack_size bytes from stack_low on */
    struct cell *cells;       /* one a slot */
    uint64_t *passed;         /* one a halfword: executions of an instruction of an IT block whose condition held */
};

struct counter {
    /* Set by the engine. */
    const struct range *ranges;
    uint32_t range_count;
    uint32_t slot_capacity;
    uint32_t *slot_of;         /* first slot of every halfword of the ranges, 0 for none */
    const uint8_t *marks;      /* what every halfword of the ranges is */
    const uint32_t *effect_of; /* what the instruction does to registers modulo 4, see track_alignment */
    const uint8_t *base_of;    /* Unicorn's number of the base register of an instruction marked ALIGNED or JUMP */
    struct slot *slots;        /* slot 0 is the reset: it stands before the first block */
    struct context *contexts;  /* CONTEXTS_MAX */
    uint16_t *context_of;      /* PHASES_MAX * LAYERS_MAX: context + 1 */
    uint64_t *bounds;          /* begin and end of the code hook, NULL if they cannot be narrowed */
    uint32_t halfwords, phase_count, load_phase;
    uint32_t marker;       /* address of the marker function, 1 (no address) for none */
    uint32_t region_begin; /* where the region begins that is told apart, 1 for none; see on_region */
    uint32_t region_end;   /* where it ends, 1 for the return of the function that begins there */
    uint32_t region_call;  /* the entry that counts, from 1; 0 for all */
    uint32_t stack_limit, stack_top;
    uint32_t fpu_enabled;
    int (*start_emulation)(uc_engine *, uint64_t begin, uint64_t until, uint64_t timeout, size_t count);
    int (*stop_emulation)(uc_engine *);
    int (*register_read)(uc_engine *, int, void *);
    int (*memory_read)(uc_engine *, uint64_t address, void *, uint64_t size);
    int (*control)(uc_engine *, int, ...);
    void (*progress)(uint64_t steps);
    /* Kept by the hooks. */
    struct cell *cells; /* of the current context */
    struct cell *previous_cell;
    uint32_t context, context_count, slot_count;
    uint32_t previous_slot, previous_end, hot_slot;
    uint32_t loop_pc, loop_size; /* the previous block if entering it again needs nothing but counting, else NONE */
    uint64_t bytes, steps;
    int64_t last_progress_ns;
    uint32_t region_calls, in_region, region_return, region_sp;
    volatile uint32_t stop; /* the engine writes STOP_TIMEOUT from another thread */
    uint32_t stop_pc, stop_address, stop_detail;
};

RARE static void stop(struct counter *c, uc_engine *uc, uint32_t why, uint32_t pc, uint32_t address, uint32_t detail)
{
    if (c->stop == STOP_NONE) {
        c->stop = why;
        c->stop_pc = pc;
        c->stop_address = address;
        c->stop_detail = detail;
        c->loop_pc = NONE;
    }
    c->stop_emulation(uc);
}

/* Makes `phase`, `layer` the current context; returns 0 when there is no memory or no place for another one. */
int enter_context(struct counter *c, uint32_t phase, int32_t layer)
{
    uint16_t *known = &c->context_of[phase * LAYERS_MAX + (uint32_t)(layer + 1)];
    if (*known == 0) {
        if (c->context_count == CONTEXTS_MAX) {
            return 0;
        }
        struct context *fresh = &c->contexts[c->context_count];
        fresh->phase = phase;
        fresh->layer = layer;
        fresh->stack_low = UINT32_MAX;
        fresh->registers[PC] = NONE;
        fresh->cells = calloc(c->slot_capacity, sizeof *fresh->cells);
        fresh->passed = calloc(c->halfwords, sizeof *fresh->passed);
        if (fresh->cells == NULL || fresh->passed == NULL) {
            return 0;
        }
        *known = (uint16_t)++c->context_count;
    }
    c->context = *known - 1u;
    c->cells = c->contexts[c->context].cells;
    if (c->previous_cell == NULL) {
        c->previous_cell = c->cells;
    }
    return 1;
}

void release_contexts(struct counter *c)
{
    for (uint32_t i = 0; i < c->context_count; i++) {
        free(c->contexts[i].cells);
        free(c->contexts[i].passed);
        free(c->contexts[i].stack);
    }
    c->context_count = 0;
}

static void report_progress(struct counter *c)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (now_ns - c->last_progress_ns >= PROGRESS_INTERVAL_NS) {
        c->last_progress_ns = now_ns;
        c->progress(c->steps);
    }
}

/* Keeps the registers and the contents of the stack at its deepest point, from which the callers can be told. */
RARE static void keep_stack(struct counter *c, uc_engine *uc, struct context *context, uint32_t pc)
{
    for (int r = 0; r < SP; r++) {
        c->register_read(uc, REGISTER_R0 + r, &context->registers[r]);
    }
    c->register_read(uc, REGISTER_LR, &context->registers[LR]);
    context->registers[SP] = context->stack_low;
    context->registers[PC] = pc;
    uint32_t size = c->stack_top > context->stack_low ? c->stack_top - context->stack_low : 0;
    uint8_t *stack = size <= STACK_KEPT_MAX ? realloc(context->stack, size + 1) : NULL;
    if (stack != NULL) {
        context->stack = stack;
        context->stack_size = c->memory_read(uc, context->stack_low, stack, size) == 0 ? size : 0;
    } else {
        context->stack_size = 0;
    }
}

static void note_stack(struct counter *c, uc_engine *uc, uint32_t pc)
{
    uint32_t sp = 0;
    c->register_read(uc, REGISTER_SP, &sp);
    struct context *context = &c->contexts[c->context];
    if (UNLIKELY(sp < context->stack_low)) {
        context->stack_low = sp;
        if (sp < c->stack_limit) {
            stop(c, uc, STOP_STACK, pc, sp, 0);
        } else {
            keep_stack(c, uc, context, pc);
        }
    }
}

RARE static void on_marker(struct counter *c, uc_engine *uc, uint32_t pc)
{
    uint32_t arguments[2] = {0, 0};
    c->register_read(uc, REGISTER_R0, &arguments[0]);
    c->register_read(uc, REGISTER_R0 + 1, &arguments[1]);
    int32_t layer = (int32_t)arguments[1];
    if (arguments[0] >= c->phase_count || layer < -1 || layer >= LAYERS_MAX - 1) {
        stop(c, uc, STOP_MARKER, pc, arguments[0], arguments[1]);
        return;
    }
    if (!enter_context(c, arguments[0], layer)) {
        stop(c, uc, STOP_CONTEXTS, pc, arguments[0], arguments[1]);
        return;
    }
    note_stack(c, uc, pc); /* what the new context finds */
    if (arguments[0] == c->load_phase) {
        c->steps++;
        if (c->progress != NULL) {
            report_progress(c);
        }
    }
}

/* The phases of a run that tells one region apart, kept equal to REGION_PHASES in trace.py. */
enum { PHASE_OUTSIDE, PHASE_REGION };

static void enter_region_phase(struct counter *c, uc_engine *uc, uint32_t pc, uint32_t phase)
{
    c->in_region = phase == PHASE_REGION;
    if (enter_context(c, phase, -1)) {
        note_stack(c, uc, pc);
    } else {
        stop(c, uc, STOP_CONTEXTS, pc, phase, 0);
    }
}

/* Returns the index of the halfword at `pc`, or UINT32_MAX when it lies outside all ranges. */
static uint32_t index_of(const struct counter *c, uint32_t pc)
{
    const struct range *range = c->ranges;
    for (uint32_t i = 0; i < c->range_count; i++, range++) {
        uint32_t index = (pc - range->begin) / 2;
        if (index < range->halfwords) {
            return range->first_index + index;
        }
    }
    return UINT32_MAX;
}

static void watch(struct counter *c, uint32_t pc)
{
    uint32_t index = index_of(c, pc);
    for (uint32_t slot = index == UINT32_MAX ? 0 : c->slot_of[index]; slot != 0; slot = c->slots[slot].next) {
        c->slots[slot].key |= FLAG_WATCHED;
    }
}

/* A region that ends with a return ends where the link register pointed when it began, with the stack as it was. */
RARE static void on_region(struct counter *c, uc_engine *uc, uint32_t pc)
{
    uint32_t sp = 0;
    c->register_read(uc, REGISTER_SP, &sp);
    if (!c->in_region) {
        if (pc == c->region_begin && (++c->region_calls == c->region_call || c->region_call == 0)) {
            uint32_t link = 0;
            c->register_read(uc, REGISTER_LR, &link);
            c->region_return = c->region_end == NONE ? link & ~1u : c->region_end;
            c->region_sp = sp;
            watch(c, c->region_return);
            enter_region_phase(c, uc, pc, PHASE_REGION);
        }
    } else if (pc == c->region_return && (c->region_end != NONE || sp >= c->region_sp)) {
        enter_region_phase(c, uc, pc, PHASE_OUTSIDE);
        if (c->region_call != 0) {
            stop(c, uc, STOP_REGION, pc, 0, 0);
        }
    }
}

enum { MULTIPLE = REGISTERS, UNKNOWN };
enum { EFFECT_COPY = 1 << 24, EFFECT_ZERO = 2 << 24, RECHECK = 1 << 16 };

static uint32_t number_of(uint8_t unicorn_register)
{
    return unicorn_register == REGISTER_LR ? 14 : unicorn_register - REGISTER_R0;
}

static void track_alignment(uint8_t *origin, uint32_t effect, bool conditional)
{
    if (!(effect & (EFFECT_COPY | EFFECT_ZERO))) {
        for (uint32_t r = 0; r < REGISTERS; r++) {
            if (effect >> r & 1) {
                origin[r] = UNKNOWN;
            }
        }
        return;
    }
    uint32_t target = effect >> 16 & 15;
    uint8_t value = effect & EFFECT_COPY ? origin[effect >> 20 & 15] : MULTIPLE;
    origin[target] = conditional && origin[target] != value ? UNKNOWN : value;
}

/* Most blocks whose aligned accesses are unconditional can be checked when they are entered: `origin` follows every
 * register back to the one that had its remainder modulo 4 at the entry. Returns the registers (bit 0 is r0) that must
 * be multiples of 4 then, or 0 when the instructions must be checked one by one. RECHECK tells that a block may leave
 * one of them with another remainder, so that it is to be checked again when it is entered from itself. `site_of` gets
 * the address of an access that needs each register. */
static uint32_t aligned_at_entry(const struct counter *c, uint32_t index, uint32_t pc, uint32_t size, uint32_t *site_of)
{
    uint8_t origin[REGISTERS];
    for (uint32_t r = 0; r < REGISTERS; r++) {
        origin[r] = (uint8_t)r;
    }
    uint32_t bases = 0;
    for (uint32_t i = 0; i < size / 2; i++) {
        uint8_t marks = c->marks[index + i];
        if (marks & MARK_ALIGNED) {
            uint8_t from = origin[number_of(c->base_of[index + i])];
            if (marks & MARK_IT || from == UNKNOWN) {
                return 0;
            }
            if (from != MULTIPLE && !(bases >> from & 1)) {
                bases |= 1u << from;
                site_of[from] = pc + 2 * i;
            }
        }
        track_alignment(origin, c->effect_of[index + i], marks & MARK_IT);
    }
    for (uint32_t r = 0; r < REGISTERS; r++) {
        bool keeps = origin[r] == MULTIPLE || (origin[r] < REGISTERS && bases >> origin[r] & 1);
        if (bases >> r & 1 && !keeps) {
            return bases | RECHECK;
        }
    }
    return bases;
}

RARE static void check_entry(struct counter *c, uc_engine *uc, const struct slot *slot)
{
    for (uint32_t r = 0; r < REGISTERS; r++) {
        uint32_t base = 0;
        if (slot->aligned >> r & 1) {
            c->register_read(uc, r == 14 ? REGISTER_LR : REGISTER_R0 + (int)r, &base);
        }
        if (base & 3) {
            uint32_t site_of[REGISTERS];
            aligned_at_entry(c, index_of(c, slot->pc), slot->pc, slot->size, site_of);
            stop(c, uc, STOP_UNALIGNED, site_of[r], base, 0);
            return;
        }
    }
}

/* Returns the slot of (pc, size), a new one if need be, or 0 when the block must not run. */
RARE static uint32_t find_slot(struct counter *c, uc_engine *uc, uint32_t index, uint32_t pc, uint32_t size)
{
    uint32_t *link = &c->slot_of[index];
    while (*link != 0) {
        if (c->slots[*link].size == size) {
            return *link;
        }
        link = &c->slots[*link].next;
    }
    if (c->slot_count == c->slot_capacity) {
        stop(c, uc, STOP_SLOTS, pc, pc, size);
        return 0;
    }
    for (uint32_t i = 0; i < size / 2; i++) {
        uint8_t mark = index + i < c->halfwords ? c->marks[index + i] : 0;
        if (!(mark & MARK_CODE)) {
            stop(c, uc, STOP_OUTSIDE_CODE, pc, pc + 2 * i, c->previous_slot);
            return 0;
        }
        if (mark & MARK_FPU && !c->fpu_enabled) {
            stop(c, uc, STOP_FPU_OFF, pc + 2 * i, pc + 2 * i, 0);
            return 0;
        }
    }
    uint32_t fresh = c->slot_count++, site_of[REGISTERS];
    bool watched = pc == c->marker || pc == c->region_begin || pc == c->region_return;
    uint32_t flags = watched ? FLAG_WATCHED : 0;
    c->slots[fresh] = (struct slot){.pc = pc,
                                    .size = size,
                                    .key = size | flags,
                                    .limit = FIRST_LIMIT,
                                    .aligned = aligned_at_entry(c, index, pc, size, site_of)};
    *link = fresh;
    return fresh;
}

static void narrow_bounds(struct counter *c, const struct slot *slot)
{
    uint32_t first = index_of(c, slot->pc);
    uint8_t wanted = MARKS_OF_THE_CODE_HOOK & ~(slot->aligned ? MARK_ALIGNED : 0);
    c->bounds[0] = c->bounds[1] = UINT64_MAX;
    for (uint32_t i = 0; i < slot->size / 2; i++) {
        if (c->marks[first + i] & wanted) {
            c->bounds[1] = slot->pc + 2 * i;
            if (c->bounds[0] == UINT64_MAX) {
                c->bounds[0] = slot->pc + 2 * i;
            }
        }
    }
}

/* Has the hot block translated anew, and every other block that shares bytes with it, which Unicorn drops with it. */
static void translate_narrowly(struct counter *c, uc_engine *uc)
{
    struct slot *hot = &c->slots[c->hot_slot];
    hot->key &= ~(uint32_t)FLAG_HOT;
    hot->idle_calls = 0;
    hot->limit *= 2;
    c->control(uc, CONTROL_REMOVE_CACHE, (uint64_t)hot->pc, (uint64_t)hot->pc + 1);
    for (uint32_t i = 1; i < c->slot_count; i++) {
        if (hot->pc - c->slots[i].pc < c->slots[i].size) {
            narrow_bounds(c, &c->slots[i]);
            c->control(uc, CONTROL_REQUEST_CACHE, (uint64_t)c->slots[i].pc, NULL);
        }
    }
    c->bounds[0] = 1;
    c->bounds[1] = 0;
}

/* Emulates from `begin` until the address `until` or a stop; returns Unicorn's error number. */
int run(struct counter *c, uc_engine *uc, uint32_t begin, uint32_t until)
{
    uint32_t pc = begin;
    for (;;) {
        c->hot_slot = 0;
        int error = c->start_emulation(uc, pc | 1, until, 0, 0);
        if (c->hot_slot == 0 || c->stop != STOP_NONE || error != 0) {
            return error;
        }
        pc = c->slots[c->hot_slot].pc;
        translate_narrowly(c, uc);
    }
}

/* What an entry needs beside counting: returns the slot to count, or 0 when the block must not run now. */
RARE static uint32_t enter_specially(struct counter *c, uc_engine *uc, uint32_t index, uint32_t pc, uint32_t size)
{
    if (index == UINT32_MAX) {
        stop(c, uc, STOP_OUTSIDE_CODE, pc, pc, c->previous_slot);
        return 0;
    }
    uint32_t slot = find_slot(c, uc, index, pc, size);
    if (slot != 0 && c->slots[slot].key & FLAG_HOT) {
        c->hot_slot = slot;
        c->stop_emulation(uc);
        return 0;
    }
    return slot;
}

/* Counts a block that is not the previous one again. The edge into a block belongs to the context that it leaves. */
static inline void enter(struct counter *c, uc_engine *uc, uint32_t pc, uint32_t size)
{
    const struct range *first = c->ranges;
    uint32_t index = (pc - first->begin) / 2;
    if (UNLIKELY(index >= first->halfwords)) {
        index = index_of(c, pc);
    }
    uint32_t slot = index == UINT32_MAX ? 0 : c->slot_of[index];
    bool special = c->slots[slot].key != size;
    if (UNLIKELY(special)) {
        slot = enter_specially(c, uc, index, pc, size);
        if (slot == 0) {
            return;
        }
    }
    if (pc != c->previous_end) {
        c->previous_cell->taken++;
    }
    if (UNLIKELY(c->slots[slot].aligned)) {
        check_entry(c, uc, &c->slots[slot]);
    }
    bool is_watched = special && c->slots[slot].key & FLAG_WATCHED;
    if (UNLIKELY(is_watched)) {
        if (pc == c->marker) {
            on_marker(c, uc, pc);
        } else {
            on_region(c, uc, pc);
        }
        if (c->stop != STOP_NONE) {
            return;
        }
    }
    struct cell *cell = &c->cells[slot];
    cell->count++;
    c->previous_cell = cell;
    c->previous_slot = slot;
    c->previous_end = pc + size;
    c->bytes += size;
    c->loop_pc = is_watched || c->slots[slot].aligned & RECHECK ? NONE : pc;
    c->loop_size = size;
}

/* UC_HOOK_BLOCK. */
void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct counter *c = user;
    uint32_t pc = (uint32_t)address;
    if (pc == c->loop_pc && size == c->loop_size) {
        c->previous_cell->count++;
        c->previous_cell->taken++;
        c->bytes += size;
    } else if (UNLIKELY(c->stop != STOP_NONE)) {
        c->stop_emulation(uc); /* Unicorn takes back a stop that was asked for within an IT block */
    } else {
        enter(c, uc, pc, size);
    }
}

RARE static void note_idle_call(struct counter *c)
{
    struct slot *slot = &c->slots[c->previous_slot];
    if (c->bounds != NULL && ++slot->idle_calls == slot->limit) {
        slot->key |= FLAG_HOT;
    }
}

/* UC_HOOK_CODE. Unicorn calls it within an IT block only when the condition holds. */
void on_instruction(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    (void)size;
    struct counter *c = user;
    uint32_t index = index_of(c, (uint32_t)address);
    if (index == UINT32_MAX) {
        return;
    }
    uint8_t marks = c->marks[index];
    if (!(marks & MARKS_OF_THE_CODE_HOOK)) {
        note_idle_call(c);
    }
    if (marks & MARK_IT) {
        c->contexts[c->context].passed[index]++;
    }
    if (marks & MARK_STACK) {
        note_stack(c, uc, (uint32_t)address);
    }
    if (marks & (MARK_ALIGNED | MARK_JUMP)) {
        uint32_t base = 0;
        c->register_read(uc, c->base_of[index], &base);
        if (marks & MARK_ALIGNED && base & 3) {
            stop(c, uc, STOP_UNALIGNED, (uint32_t)address, base, 0);
        }
        if (marks & MARK_JUMP && !(base & 1)) {
            stop(c, uc, STOP_NO_THUMB, (uint32_t)address, base, 0);
        }
    }
}

/* UC_HOOK_MEM_INVALID: no access that the memory map refuses is ever repaired. */
bool on_invalid_access(uc_engine *uc, int type, uint64_t address, int size, int64_t value, void *user)
{
    (void)uc, (void)size, (void)value;
    struct counter *c = user;
    if (c->stop == STOP_NONE) {
        c->stop_address = (uint32_t)address;
        c->stop_detail = (uint32_t)type;
        c->stop = STOP_MEMORY;
    }
    return false;
}

/* UC_HOOK_INTR: exceptions that would enter a handler on the core; none is emulated. */
void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    stop(user, uc, STOP_INTERRUPT, 0, 0, number);
}
