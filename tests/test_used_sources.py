"""Which sources an image is made of, from the map that the linker writes."""

from harness.build.used_sources import linked_objects

MAP = """\
Discarded input sections

 .text.left_out 0x00000000       0xf8 build/kernels/left_out.c.obj

Linker script and memory map

LOAD build/kernels/left_out.c.obj
 .text.max_pool2d_u8_forward
                0x00002f6c      0x104 build/kernels/max_pool2d.c.obj
                0x00002f6c                max_pool2d_u8_forward
 .text.trainer_step
                0x00003120       0x40 build/trainer/trainer.c.obj
 .rodata.table  0x00007504       0x48 build/plan.c.obj
 .text          0x00000000        0x0 build/kernels/left_out.c.obj
 .debug_info    0x00009f7f      0xae3 build/kernels/left_out.c.obj
"""


def test_an_object_with_a_function_that_others_see_is_linked_like_one_with_a_local_function() -> None:
    assert linked_objects(MAP) == {
        "build/kernels/max_pool2d.c.obj",
        "build/trainer/trainer.c.obj",
        "build/plan.c.obj",
    }
