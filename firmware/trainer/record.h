/* Records: one JSON object a line, integers only; a float32 travels as its bits. */
#ifndef HARNESS_RECORD_H
#define HARNESS_RECORD_H

#include <stdint.h>

void record_begin(const char *kind);
void record_text(const char *key, const char *text);
void record_number(const char *key, uint32_t number);
void record_float(const char *key, float value);
void record_list_begin(const char *key);
void record_list_number(uint32_t number);
void record_list_end(void);
void record_end(void);

#endif
