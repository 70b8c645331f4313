/* claim: the process lives until its last thread ends, or one ends all
 * status: 5
 * cpus: 1 4
 */
#include "keos.h"

static char stack[8192] __attribute__((aligned(16)));
static volatile int gone;

static void body(void)
{
    while (!gone)
        ;
    print("after main\n");
    exit_group(5);
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    thread_create("last", stack + sizeof stack, (void *)body, 0);
    gone = 1;
    exit_thread(9);
}
