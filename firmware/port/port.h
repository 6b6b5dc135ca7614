/* What a platform provides: start-up of its UART, and a way to write to it. */
#ifndef HARNESS_PORT_H
#define HARNESS_PORT_H

#include <stdint.h>

void port_start(void);
void port_write(const char *data, uint32_t length);

#endif
