/* claim: a forked child has a copy of the memory, shares the open files, and a pipe connects them
 * cpus: 1 4
 */
#include "keos.h"

static int value = 1;

int main(int argc, char **argv)
{
    int fds[2];
    char text[32];
    (void)argc, (void)argv;
    pipe(fds);
    i64 child = fork();
    if (child == 0) {
        value = 2;
        close(fds[0]);
        write(fds[1], "from the child", 14);
        exit_group(0);
    }
    show("a number", child > 0);
    close(fds[1]);
    i64 n, all = 0;
    while ((n = read(fds[0], text + all, sizeof text - (u64)all)) > 0)
        all += n;
    write(1, text, (u64)all);
    print("\n");
    show("end", n);
    show("own value", value);
    return 0;
}
