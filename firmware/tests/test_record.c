#include "check.h"
#include "port/port.h"
#include "trainer/record.h"

#include <string.h>

static char written[4096];
static uint32_t length;
static uint32_t writes;

void port_write(const char *data, uint32_t count)
{
    CHECK(length + count < sizeof written, "more than %zu bytes", sizeof written);
    memcpy(written + length, data, count);
    length += count;
    writes++;
}

static void check_written(const char *expected)
{
    written[length] = '\0';
    CHECK(length == strlen(expected) && memcmp(written, expected, length) == 0, "wrote %s", written);
    length = 0;
    writes = 0;
}

static void test_an_empty_record_is_one_line(void)
{
    record_begin("end");
    record_end();
    check_written("{\"r\":\"end\"}\n");
}

static void test_numbers_cover_their_type(void)
{
    record_begin("n");
    record_number("a", 0);
    record_number("b", 9);
    record_number("c", 10);
    record_number("d", UINT32_MAX);
    record_end();
    check_written("{\"r\":\"n\",\"a\":0,\"b\":9,\"c\":10,\"d\":4294967295}\n");
}

static void test_a_float_travels_as_its_bits(void)
{
    record_begin("f");
    record_float("zero", 0.0f);
    record_float("one", 1.0f);
    record_float("less", -2.5f);
    record_end();
    check_written("{\"r\":\"f\",\"zero\":0,\"one\":1065353216,\"less\":3223322624}\n");
}

static void test_lists_of_none_one_and_many(void)
{
    record_begin("l");
    record_list_begin("none");
    record_list_end();
    record_list_begin("one");
    record_list_number(7);
    record_list_end();
    record_list_begin("many");
    record_list_number(1);
    record_list_number(20);
    record_list_number(300);
    record_list_end();
    record_text("after", "text");
    record_end();
    check_written("{\"r\":\"l\",\"none\":[],\"one\":[7],\"many\":[1,20,300],\"after\":\"text\"}\n");
}

/* Whatever the length of a line, in relation to any buffer, no byte is lost or repeated. */
static void test_lines_of_every_length_up_to_many_buffers_arrive_whole(void)
{
    char text[1024];
    char expected[1200];
    for (size_t characters = 0; characters < sizeof text; characters++) {
        for (size_t i = 0; i < characters; i++) {
            text[i] = (char)('a' + i % 26);
        }
        text[characters] = '\0';
        record_begin("t");
        record_text("x", text);
        record_end();
        snprintf(expected, sizeof expected, "{\"r\":\"t\",\"x\":\"%s\"}\n", text);
        check_written(expected);
    }
}

static void test_nothing_is_held_back_after_the_end_of_a_record(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        record_begin("s");
        record_number("n", i);
        record_end();
        CHECK(writes > 0 && written[length - 1] == '\n', "record %u is not out", i);
        length = 0;
        writes = 0;
    }
}

int main(void)
{
    test_an_empty_record_is_one_line();
    test_numbers_cover_their_type();
    test_a_float_travels_as_its_bits();
    test_lists_of_none_one_and_many();
    test_lines_of_every_length_up_to_many_buffers_arrive_whole();
    test_nothing_is_held_back_after_the_end_of_a_record();
    return 0;
}
