#include "trainer/record.h"

#include "numeric/affine.h"
#include "port/port.h"

static char buffer[64];
static uint32_t used;
static uint32_t listed;

static void put(char character)
{
    buffer[used++] = character;
    if (used == sizeof buffer) {
        port_write(buffer, used);
        used = 0;
    }
}

static void put_text(const char *text)
{
    while (*text) {
        put(*text++);
    }
}

static void put_number(uint32_t number)
{
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        put(digits[--count]);
    }
}

static void put_key(const char *key)
{
    put_text(",\"");
    put_text(key);
    put_text("\":");
}

void record_begin(const char *kind)
{
    put_text("{\"r\":\"");
    put_text(kind);
    put('"');
}

void record_text(const char *key, const char *text)
{
    put_key(key);
    put('"');
    put_text(text);
    put('"');
}

void record_number(const char *key, uint32_t number)
{
    put_key(key);
    put_number(number);
}

void record_float(const char *key, float value)
{
    record_number(key, float_bits(value));
}

void record_list_begin(const char *key)
{
    put_key(key);
    put('[');
    listed = 0;
}

void record_list_number(uint32_t number)
{
    if (listed++ > 0) {
        put(',');
    }
    put_number(number);
}

void record_list_end(void)
{
    put(']');
}

void record_end(void)
{
    put_text("}\n");
    port_write(buffer, used);
    used = 0;
}
