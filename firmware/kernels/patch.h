/* What a convolution reads at one position: a window of an image, as bytes or as a column of lanes. */
#ifndef HARNESS_PATCH_H
#define HARNESS_PATCH_H

#include "kernels/lanes.h"

/* A uint8 image [height][width][channels] and the size of the windows taken from it. */
struct image {
    const uint8_t *values;
    int32_t zero; /* stands for what lies outside */
    uint32_t height;
    uint32_t width;
    uint32_t channels;
    uint32_t window_height;
    uint32_t window_width;
};

static inline uint32_t patch_elements(const struct image *image)
{
    return image->window_height * image->window_width * image->channels;
}

/* Fill a column with the window whose first pixel is (top, left); `bytes` has room for it in whole groups. Returns the
 * sum of the lanes. */
int32_t fill_column(lane *column, uint8_t *bytes, const struct image *image, int32_t top, int32_t left);

#endif
