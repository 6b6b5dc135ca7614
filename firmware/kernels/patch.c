#include "kernels/patch.h"

#include <stdbool.h>

static void copy_patch(uint8_t *to, const struct image *image, int32_t top, int32_t left)
{
    for (uint32_t row = 0; row < image->window_height; row++) {
        const uint32_t y = (uint32_t)top + row;
        for (uint32_t column = 0; column < image->window_width; column++) {
            const uint32_t x = (uint32_t)left + column;
            const bool inside = y < image->height && x < image->width;
            const uint8_t *pixel = image->values + (y * image->width + x) * image->channels;
            for (uint32_t c = 0; c < image->channels; c++) {
                *to++ = inside ? pixel[c] : (uint8_t)image->zero;
            }
        }
    }
}

/* For pixels of whole groups. */
static int32_t widen_patch(lane *to, const struct image *image, int32_t top, int32_t left)
{
    const int32_t right = left + (int32_t)image->window_width;
    const uint32_t first = left < 0 ? 0 : (uint32_t)left;
    const uint32_t before = (first - (uint32_t)left) * image->channels;
    const uint32_t behind = right > (int32_t)image->width ? ((uint32_t)right - image->width) * image->channels : 0;
    const uint32_t whole = image->window_width * image->channels;
    int32_t sum = 0;
    for (uint32_t row = 0; row < image->window_height; row++, to += whole * COLUMNS) {
        const uint32_t y = (uint32_t)top + row;
        if (y >= image->height) {
            pad_with_zeros(to, whole);
            continue;
        }
        const uint8_t *pixels = image->values + (y * image->width + first) * image->channels;
        pad_with_zeros(to, before);
        sum += widen(to + before * COLUMNS, pixels, whole - before - behind, image->zero);
        pad_with_zeros(to + (whole - behind) * COLUMNS, behind);
    }
    return sum;
}

int32_t fill_column(lane *column, uint8_t *bytes, const struct image *image, int32_t top, int32_t left)
{
    if (image->channels % LANE_GROUP == 0) {
        return widen_patch(column, image, top, left);
    }
    copy_patch(bytes, image, top, left);
    return widen(column, bytes, patch_elements(image), image->zero);
}
