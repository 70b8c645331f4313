/* claim: bad pointers and numbers are refused, and nothing else happens */
#include "keos.h"

static const char fixed[] = "read only";

int main(int argc, char **argv)
{
    void *bad[] = {(void *)0, (void *)1, (void *)0x7ffffffff000, (void *)0x800000000000,
                   (void *)0xffff800000000000, (void *)-1};
    int fds[2];
    (void)argc, (void)argv;
    int fd = (int)open("data.txt", 0);
    for (int i = 0; i < 6; i++) {
        if (write(1, bad[i], 8) != -14 || read(fd, bad[i], 8) != -14 || open(bad[i], 0) != -14 ||
            pipe(bad[i]) != -14 || thread_create(bad[i], bad[i], bad[i], 0) != -14)
            exit_group(i + 1);
    }
    show("read into constants", read(fd, (void *)fixed, 4));
    show("position", tell(fd));
    show("pipe over constants", pipe((int *)fixed));
    show("pipe", pipe(fds));
    show("its numbers are the next", fds[0] == fd + 1 && fds[1] == fd + 2);
    show("stack is no code", thread_create("x", (char *)fds - 4096, fds, 0));
    show("unknown number", call(21, 0, 0, 0, 0, 0));
    show("huge number", call(-1ul, -1ul, -1ul, -1ul, -1ul, -1ul));
    show("bad descriptor", write(99, fixed, 1));
    show("text is whole", length(fixed));
    return 0;
}
