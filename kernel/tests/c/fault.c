/* claim: a bad access ends the process with -1, and the console says who, where and why
 * status: -1
 * kernel: kernel: process 1: thread * (fault) killed at 0x*: page fault: write of 0x10, not mapped
 */
#include "keos.h"

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    print("before\n");
    *(volatile int *)0x10 = 1;
    print("after\n");
    return 0;
}
