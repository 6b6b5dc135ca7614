/* Replays every fetch and every load from a slow memory through models of the board's caches, natively.
 *
 * It runs beside block_hook.c, of which it reads the context and whether a block is about to be started again. Fetches
 * are replayed a block at a time, before the loads of the block. An access is counted at the begin of the block it is
 * in. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef void uc_engine;

enum { CONTEXTS_MAX = 2048 };
enum { NO_LINE = UINT32_MAX };
enum { REPLACE_LRU, REPLACE_RANDOM };

struct cache {
    uint32_t line_shift, sets, ways, replacement;
    uint32_t *lines; /* address >> line_shift of what each way of each set holds, NO_LINE for nothing */
    uint64_t *used;  /* when each was used last */
    uint64_t now;
    uint32_t random;
};

struct counts {
    uint64_t accesses, misses;
};

struct path {
    uint32_t begin, end;
    uint32_t line_shift;
    uint32_t reserved;
    struct cache *cache;                 /* NULL: every access misses */
    struct counts *counts[CONTEXTS_MAX]; /* one a halfword of code, made when a context first needs them */
};

struct range {
    uint32_t begin, halfwords, first_index;
};

struct simulation {
    const struct range *ranges;
    uint32_t range_count, halfwords;
    const uint32_t *context, *hot_slot; /* of the block hook */
    struct path *fetch, *load;
    uint32_t fetch_count, load_count;
    /* Kept by the hooks. */
    uint32_t block_index, fetched_line;
    uint32_t out_of_memory;
};

static uint32_t victim_of(struct cache *cache, uint32_t first)
{
    if (cache->replacement == REPLACE_RANDOM) {
        /* Marsaglia's xorshift: the same sequence in every run. */
        cache->random ^= cache->random << 13;
        cache->random ^= cache->random >> 17;
        cache->random ^= cache->random << 5;
    }
    uint32_t oldest = first;
    for (uint32_t way = first; way < first + cache->ways; way++) {
        if (cache->lines[way] == NO_LINE) {
            return way;
        }
        if (cache->used[way] < cache->used[oldest]) {
            oldest = way;
        }
    }
    return cache->replacement == REPLACE_RANDOM ? first + cache->random % cache->ways : oldest;
}

/* Returns whether `line` was there, and puts it there. */
static bool touch(struct cache *cache, uint32_t line)
{
    const uint32_t first = line % cache->sets * cache->ways;
    cache->now++;
    for (uint32_t way = first; way < first + cache->ways; way++) {
        if (cache->lines[way] == line) {
            cache->used[way] = cache->now;
            return true;
        }
    }
    const uint32_t way = victim_of(cache, first);
    cache->lines[way] = line;
    cache->used[way] = cache->now;
    return false;
}

static void access_line(struct simulation *s, struct path *path, uint32_t line)
{
    struct counts **counts = &path->counts[*s->context];
    if (*counts == NULL) {
        *counts = calloc(s->halfwords, sizeof **counts);
        if (*counts == NULL) {
            s->out_of_memory = 1;
            return;
        }
    }
    (*counts)[s->block_index].accesses++;
    (*counts)[s->block_index].misses += path->cache == NULL || !touch(path->cache, line);
}

static struct path *path_of(struct path *paths, uint32_t count, uint32_t address)
{
    for (uint32_t i = 0; i < count; i++) {
        if (address >= paths[i].begin && address <= paths[i].end) {
            return &paths[i];
        }
    }
    return NULL;
}

/* UC_HOOK_BLOCK, added behind that of the block hook. */
void on_fetch(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    (void)uc;
    struct simulation *s = user;
    const uint32_t pc = (uint32_t)address;
    if (*s->hot_slot != 0 || size == 0) {
        return;
    }
    for (uint32_t i = 0; i < s->range_count; i++) {
        if ((pc - s->ranges[i].begin) / 2 < s->ranges[i].halfwords) {
            s->block_index = s->ranges[i].first_index + (pc - s->ranges[i].begin) / 2;
        }
    }
    struct path *path = path_of(s->fetch, s->fetch_count, pc);
    if (path == NULL) {
        s->fetched_line = NO_LINE;
        return;
    }
    const uint32_t last = (pc + size - 1) >> path->line_shift;
    for (uint32_t line = pc >> path->line_shift; line <= last; line++) {
        if (line != s->fetched_line) {
            access_line(s, path, line);
            s->fetched_line = line;
        }
    }
}

/* UC_HOOK_MEM_READ, bounded to the memories of the load paths. */
void on_load(uc_engine *uc, int type, uint64_t address, int size, int64_t value, void *user)
{
    (void)uc, (void)type, (void)value;
    struct simulation *s = user;
    struct path *path = path_of(s->load, s->load_count, (uint32_t)address);
    if (path == NULL) {
        return;
    }
    const uint32_t last = ((uint32_t)address + (uint32_t)size - 1) >> path->line_shift;
    for (uint32_t line = (uint32_t)address >> path->line_shift; line <= last; line++) {
        access_line(s, path, line);
    }
}

void release_counts(struct path *paths, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t context = 0; context < CONTEXTS_MAX; context++) {
            free(paths[i].counts[context]);
            paths[i].counts[context] = NULL;
        }
    }
}
