/* claim: threads take their argument and leave their code to exactly one joiner
 * cpus: 1 4
 */
#include "keos.h"

#define THREADS 16
static char stacks[THREADS][8192] __attribute__((aligned(16)));
static volatile int sum;

static void body(int argument)
{
    __atomic_fetch_add(&sum, argument, __ATOMIC_SEQ_CST);
    exit_thread(argument % 2 ? -argument : argument);
}

int main(int argc, char **argv)
{
    int tids[THREADS], code;
    (void)argc, (void)argv;
    for (int i = 0; i < THREADS; i++) {
        i64 tid = thread_create("worker", stacks[i] + sizeof stacks[i], (void *)body, (void *)(u64)i);
        if (tid <= 0)
            exit_group(1);
        tids[i] = (int)tid;
    }
    for (int i = 0; i < THREADS; i++) {
        code = 12345;
        if (thread_join(tids[i], &code) != 0 || code != (i % 2 ? -i : i))
            exit_group(2);
        code = 12345;
        i64 again = thread_join(tids[i], &code);
        if (again >= 0 || code != 12345)
            exit_group(3);
    }
    show("sum", sum);
    code = 77;
    show("unknown thread is refused", thread_join(999999, &code) < 0);
    show("code is untouched", code);
    i64 last = thread_create("last", stacks[0] + sizeof stacks[0], (void *)body, (void *)1);
    show("bad pointer", thread_join((int)last, (int *)0xffff800000000000));
    show("nothing was consumed", thread_join((int)last, 0));
    return 0;
}
