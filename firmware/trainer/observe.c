#include "trainer/observe.h"

#include "trainer/record.h"

#define MOST_OPERATIONS 2048

struct observed {
    const struct operation *operation;
    float low;
    float high;
};

static struct observed observed[MOST_OPERATIONS];
static uint32_t observed_count;

static struct observed *observed_by(const struct operation *operation)
{
    for (uint32_t i = 0; i < observed_count; i++) {
        if (observed[i].operation == operation) {
            return &observed[i];
        }
    }
    if (observed_count == MOST_OPERATIONS) {
        return NULL;
    }
    observed[observed_count] = (struct observed){operation, 0.0f, 0.0f};
    return &observed[observed_count++];
}

void observe(const struct operation *operation)
{
    const struct tensor *result = operation->result;
    struct observed *extremes = result ? observed_by(operation) : NULL;
    if (!extremes) {
        return;
    }
    const float *values = result->data;
    for (uint32_t i = 0; i < result->elements; i++) {
        extremes->low = values[i] < extremes->low ? values[i] : extremes->low;
        extremes->high = values[i] > extremes->high ? values[i] : extremes->high;
    }
}

void observe_record(void)
{
    for (uint32_t i = 0; i < observed_count; i++) {
        record_begin("range");
        record_number("phase", observed[i].operation->phase);
        record_number("layer", (uint32_t)observed[i].operation->layer);
        record_float("low", observed[i].low);
        record_float("high", observed[i].high);
        record_end();
    }
}
