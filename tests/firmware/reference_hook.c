/* A second, slow and simple count to compare the engine with: every instruction and every access calls a hook. */
#include <stdint.h>

typedef void uc_engine;

enum { PHASES = 9, REGISTER_R0 = 66 };

struct reference {
    uint32_t base, halfwords, marker, previous_end, previous, phase;
    uint64_t *executed, *taken; /* [phase][halfword] */
    const uint8_t *in_it_block; /* [halfword] */
    uint64_t loads[PHASES], stores[PHASES];
    int (*register_read)(uc_engine *, int, void *);
};

/* Flash and RAM code share one index: RAM follows flash. */
static uint32_t index_of(const struct reference *r, uint32_t pc)
{
    uint32_t ram = 0x20000000;
    return pc >= ram && pc - ram < 0x10000 ? 0x20000 + (pc - ram) / 2 : (pc - r->base) / 2;
}

static int only_skipped_between(const struct reference *r, uint32_t from, uint32_t to)
{
    if (to < from || to - from > 16) {
        return 0;
    }
    for (uint32_t pc = from; pc < to; pc += 2) {
        if (!r->in_it_block[index_of(r, pc)]) {
            return 0;
        }
    }
    return 1;
}

void on_every_instruction(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct reference *r = user;
    uint32_t pc = (uint32_t)address;
    if (pc != r->previous_end && !only_skipped_between(r, r->previous_end, pc)) {
        r->taken[r->phase * r->halfwords + r->previous]++;
    }
    if (pc == r->marker) {
        r->register_read(uc, REGISTER_R0, &r->phase);
    }
    r->previous = index_of(r, pc);
    r->previous_end = pc + size;
    r->executed[r->phase * r->halfwords + r->previous]++;
}

void on_every_access(uc_engine *uc, int type, uint64_t address, int size, int64_t value, void *user)
{
    (void)uc, (void)address, (void)value;
    struct reference *r = user;
    uint64_t words = size > 4 ? 2 : 1;
    if (type == 16) { /* UC_MEM_READ */
        r->loads[r->phase] += words;
    } else {
        r->stores[r->phase] += words;
    }
}
