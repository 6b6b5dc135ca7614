/* Which structures of a layer get a gradient in this step. */
#ifndef HARNESS_SELECT_H
#define HARNESS_SELECT_H

#include "trainer/plan.h"

void select_structures_u8(const void *structures, struct step *step);
void select_structures_f32(const void *structures, struct step *step);

#endif
