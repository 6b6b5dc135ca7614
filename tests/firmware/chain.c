/* One call chain that is known: through a jump, an inlined call, a pointer, a recursion and assembly, over a stack on
 * which the return addresses of an earlier and longer chain still lie. */
#include "start.h"

static volatile int sink;

__attribute__((naked, noinline)) static void leaf(void)
{
    __asm("push {r4-r7, lr}\n"
          "nop\n"
          "pop {r4-r7, pc}\n");
}

__attribute__((noinline)) static int recurse(int n)
{
    volatile int local[3];
    local[0] = n;
    if (n == 0) {
        leaf();
        return local[0];
    }
    return recurse(n - 1) + local[0];
}

__attribute__((noinline)) static int jumped_to(int n)
{
    volatile int local[40]; /* never written: old contents of the stack lie here */
    sink = recurse(n) + n;
    return local[39];
}

__attribute__((noinline)) static int jumps_on(int n)
{
    sink = n;
    return jumped_to(n + 1);
}

static inline __attribute__((always_inline)) int inlined(int n)
{
    return jumps_on(n) + 1;
}

__attribute__((noinline)) static int through_pointer(int n)
{
    return inlined(n) + sink;
}

__attribute__((noinline)) static int litter(int n)
{
    volatile int local[2];
    local[0] = n;
    return n == 0 ? 0 : litter(n - 1) + local[0] + recurse(0);
}

int run(void)
{
    int (*volatile pointer)(int) = through_pointer;
    marker(LOAD, -1);
    sink = litter(3);
    marker(FORWARD, 2);
    sink = pointer(1);
    marker(IO, -1);
    return 0;
}
