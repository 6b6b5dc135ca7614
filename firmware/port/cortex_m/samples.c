#include "trainer/sample_store.h"

extern const struct sample_store __samples_start[];

const struct sample_store *sample_store(void)
{
    return __samples_start;
}
