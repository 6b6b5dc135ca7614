#include "kernels/conv2d.h"
#include "kernels/dot.h"
#include "kernels/patch.h"
#include "kernels/requantizer.h"

void conv2d_u8_forward(const void *conv2d, struct step *step)
{
    const struct conv2d *conv = conv2d;
    const struct conv2d_shape *shape = &conv->shape;
    const int32_t *bias = conv->bias.data;
    const uint32_t filters = shape->filters;
    const struct image input = {
        .values = conv->input.data,
        .zero = conv->input.quant->zero_point,
        .height = shape->input_height,
        .width = shape->input_width,
        .channels = shape->input_channels,
        .window_height = shape->kernel_height,
        .window_width = shape->kernel_width,
    };
    const uint32_t elements = patch_elements(&input);
    const uint32_t positions = (uint32_t)shape->output_height * shape->output_width;
    const int32_t weight_zero = conv->weights.quant->zero_point;
    const float unit = conv->input.quant->scale * conv->weights.quant->scale;
    struct requantizer requantizer = requantizer_of(unit, conv->output.quant, conv->activation);
    uint8_t *output = conv->output.data;
    lane *const columns = conv->forward_scratch.data;
    uint8_t *const bytes = (uint8_t *)(columns + whole_groups(elements) * COLUMNS);
    uint32_t output_y = 0;
    uint32_t output_x = 0;

    for (uint32_t position = 0; position < positions; position += COLUMNS, output += COLUMNS * filters) {
        const uint32_t filled = position + COLUMNS <= positions ? COLUMNS : 1;
        uint32_t correction[2] = {0, 0};
        for (uint32_t i = 0; i < filled; i++) {
            const int32_t top = (int32_t)(output_y * shape->stride_y) - shape->padding_y;
            const int32_t left = (int32_t)(output_x * shape->stride_x) - shape->padding_x;
            const int32_t sum = fill_column(columns + i * LANE_GROUP, bytes, &input, top, left);
            correction[i] = (uint32_t)(sum * weight_zero);
            if (++output_x == shape->output_width) {
                output_x = 0;
                output_y++;
            }
        }
        const uint8_t *row = conv->weights.data;
        for (uint32_t o = 0; o < filters; o += ROWS_AT_ONCE, row += ROWS_AT_ONCE * elements) {
            const uint32_t rows = filters - o < ROWS_AT_ONCE ? filters - o : ROWS_AT_ONCE;
            struct row_sums sums;
            for (uint32_t r = 0; r < rows; r++) {
                sums.column0[r] = (uint32_t)bias[o + r] - correction[0];
                sums.column1[r] = (uint32_t)bias[o + r] - correction[1];
            }
            add_dot_rows(&sums, rows, row, elements, columns, elements);
            requantizer_take_rows(&requantizer, sums.column0, rows, output + o);
            if (filled == 2) {
                requantizer_take_rows(&requantizer, sums.column1, rows, output + filters + o);
            }
        }
    }
    if (step->training && conv->output.quant->tracked) {
        see_activated(conv->output.quant, conv->activation, requantizer.lowest, requantizer.highest, unit);
    }
}
