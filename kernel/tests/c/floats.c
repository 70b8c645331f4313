/* claim: floating point works, and survives preemption and system calls
 * cpus: 1 4
 */
#include "keos.h"

#define THREADS 4
static char stacks[THREADS][8192] __attribute__((aligned(16)));

/* pi by Leibniz' series, with a call in between now and then. */
static double pi(int steps)
{
    double sum = 0, sign = 1;
    for (int i = 0; i < steps; i++) {
        sum += sign / (2.0 * i + 1);
        sign = -sign;
        if (i % 100000 == 0)
            tell(1);
    }
    return 4 * sum;
}

static void body(int which)
{
    float factor = (float)which + 0.5f;
    exit_thread((int)(pi(2000000) * 1000 * factor));
}

int main(int argc, char **argv)
{
    int tids[THREADS], code;
    (void)argc, (void)argv;
    for (int i = 0; i < THREADS; i++)
        tids[i] = (int)thread_create("pi", stacks[i] + sizeof stacks[i], (void *)body, (void *)(u64)i);
    for (int i = 0; i < THREADS; i++) {
        thread_join(tids[i], &code);
        show("pi in parts", code);
    }
    return 0;
}
