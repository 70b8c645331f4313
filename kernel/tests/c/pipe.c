/* claim: a pipe blocks, ends when its writers are gone, and refuses when its readers are
 * cpus: 1 4
 */
#include "keos.h"

#define BYTES 100000
static char stack[8192] __attribute__((aligned(16)));
static int fds[2];

static void writer(void)
{
    for (int i = 0; i < BYTES; i++) {
        unsigned char byte = (unsigned char)(i * 7);
        if (write(fds[1], &byte, 1) != 1)
            exit_group(1);
    }
    close(fds[1]);
    exit_thread(0);
}

int main(int argc, char **argv)
{
    static unsigned char piece[777];
    i64 n, all = 0;
    (void)argc, (void)argv;
    pipe(fds);
    int tid = (int)thread_create("writer", stack + sizeof stack, (void *)writer, 0);
    while ((n = read(fds[0], piece, sizeof piece)) > 0) {
        for (i64 i = 0; i < n; i++, all++)
            if (piece[i] != (unsigned char)(all * 7))
                exit_group(2);
    }
    thread_join(tid, 0);
    show("bytes", all);
    show("end", n);
    show("wrong end is refused", write(fds[0], "x", 1) < 0);
    close(fds[0]);
    pipe(fds);
    close(fds[0]);
    show("nobody reads", write(fds[1], "x", 1));
    return 0;
}
