/* claim: a fault of one thread ends the whole process, waiting threads included
 * status: -1
 * cpus: 1 4
 * kernel: kernel: process 1: thread * (divider) killed at 0x*: divide error
 */
#include "keos.h"

static char stack[8192] __attribute__((aligned(16)));

static void body(int zero)
{
    __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; div %0" : : "r"(zero) : "eax", "edx");
    exit_thread(0);
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    int tid = (int)thread_create("divider", stack + sizeof stack, (void *)body, 0);
    thread_join(tid, 0);
    print("after\n");
    return 0;
}
