/* One channel of an image as bytes of its own, with what lies around and between its pixels. */
#ifndef HARNESS_PLANE_H
#define HARNESS_PLANE_H

#include <stdint.h>

/* One channel of a uint8 image [height][width][channels]; its pixels may be spread, with `zero` between them. */
struct channel_image {
    const uint8_t *values; /* of the channel, at the first pixel */
    uint32_t height;
    uint32_t width;
    uint32_t channels;
    uint32_t spread_y; /* 1: not spread */
    uint32_t spread_x;
    uint8_t zero; /* also stands for what lies outside */
};

struct plane {
    uint8_t *values; /* [rows][pitch] */
    uint32_t rows;
    uint32_t pitch;
};

/* Fill a plane whose first value is that of the image, spread, at (top, left). */
void fill_plane(const struct plane *plane, const struct channel_image *image, int32_t top, int32_t left);

#endif
