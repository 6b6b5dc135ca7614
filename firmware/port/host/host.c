/* The twin: request and samples come from files, records go to standard output, the final state to a file.
 *
 * The state after each STEP goes to the file STATE-STEP.
 *
 * usage: twin REQUEST STORE STATE [STEP...] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/host/saved_states.h"
#include "port/port.h"
#include "trainer/marker.h"
#include "trainer/plan.h"
#include "trainer/request.h"
#include "trainer/sample_store.h"

static const struct sample_store *store;
static const char *state_path;
static char **chosen_steps; /* ends with NULL */

int firmware_main(void);

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "twin: %s %s\n", what, path);
    exit(64);
}

static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fail("cannot open", path);
    }
    const long length = ftell(file);
    if (length < 0) {
        fail("cannot read", path);
    }
    rewind(file);
    *size = (size_t)length;
    void *data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, file) != *size) {
        fail("cannot read", path);
    }
    fclose(file);
    return data;
}

const struct sample_store *sample_store(void)
{
    return store;
}

void port_start(void)
{
}

void port_write(const char *data, uint32_t length)
{
    fwrite(data, 1, length, stdout);
}

void marker(uint32_t phase, int32_t layer)
{
    (void)phase;
    (void)layer;
}

static void write_state(const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(arena, 1, plan.state_bytes, file) != plan.state_bytes || fclose(file) != 0) {
        fail("cannot write", path);
    }
}

void save_state_after(uint32_t number)
{
    char name[16];
    snprintf(name, sizeof name, "%u", number);
    for (char **chosen = chosen_steps; *chosen; chosen++) {
        if (strcmp(*chosen, name) == 0) {
            char path[4096];
            if (snprintf(path, sizeof path, "%s-%s", state_path, name) >= (int)sizeof path) {
                fail("too long a path:", state_path);
            }
            write_state(path);
        }
    }
}

void finish(uint32_t status)
{
    if (status == 0) {
        write_state(state_path);
    }
    if (fflush(stdout) != 0) {
        fail("cannot write", "standard output");
    }
    exit((int)status);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: twin REQUEST STORE STATE [STEP...]\n", stderr);
        return 64;
    }
    size_t size;
    void *request = read_file(argv[1], &size);
    if (size != sizeof run_request) {
        fail("wrong size of", argv[1]);
    }
    /* On the target the engine writes the request into memory; here it is written through the same symbol. */
    memcpy(&run_request, request, sizeof run_request);
    free(request);
    store = read_file(argv[2], &size);
    state_path = argv[3];
    chosen_steps = argv + 4;
    return firmware_main();
}
