#include "kernels/plane.h"

#include <string.h>

/* The first pixel at or behind `start`, where pixels lie `spread` apart. */
static uint32_t first_pixel(int32_t start, uint32_t spread)
{
    return start <= 0 ? 0 : ((uint32_t)start + spread - 1) / spread;
}

/* How many pixels from `first` on lie before `end`, where pixels lie `spread` apart from `start` on. */
static uint32_t pixels_before(uint32_t end, uint32_t start, uint32_t spread, uint32_t first, uint32_t pixels)
{
    const uint32_t fit = start < end ? (end - start + spread - 1) / spread : 0;
    const uint32_t left = first < pixels ? pixels - first : 0;
    return fit < left ? fit : left;
}

void fill_plane(const struct plane *plane, const struct channel_image *image, int32_t top, int32_t left)
{
    const uint32_t spread = image->spread_x;
    const uint32_t channels = image->channels;
    const uint32_t first_x = first_pixel(left, spread);
    const uint32_t first_y = first_pixel(top, image->spread_y);
    const uint32_t first_column = first_x * spread - (uint32_t)left;
    const uint32_t first_row = first_y * image->spread_y - (uint32_t)top;
    const uint32_t width = pixels_before(plane->pitch, first_column, spread, first_x, image->width);
    const uint32_t rows = pixels_before(plane->rows, first_row, image->spread_y, first_y, image->height);
    const uint8_t *pixels = image->values + (first_y * image->width + first_x) * channels;
    uint8_t *row = plane->values + first_row * plane->pitch + first_column;
    memset(plane->values, image->zero, plane->rows * plane->pitch);
    for (uint32_t y = 0; y < rows; y++, pixels += image->width * channels, row += image->spread_y * plane->pitch) {
        const uint8_t *value = pixels;
        uint8_t *to = row;
#pragma GCC unroll 4
        for (uint32_t x = width; x > 0; x--, value += channels, to += spread) {
            *to = *value;
        }
    }
}
