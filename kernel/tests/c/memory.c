/* claim: mappings are zero, keep what is written, come from files, and obey W^X */
#include "keos.h"

int main(int argc, char **argv)
{
    char *at = (char *)0x10000000;
    (void)argc, (void)argv;
    show("mapped where asked", mmap(at, 3 * 4096, 3, -1, 0) == (i64)at);
    i64 sum = 0;
    for (int i = 0; i < 3 * 4096; i++)
        sum += at[i];
    show("sum of fresh bytes", sum);
    for (int i = 0; i < 3; i++)
        at[i * 4096] = (char)(i + 1);
    show("kept", at[0] + at[4096] + at[8192]);
    show("overlap", mmap(at + 4096, 4096, 3, -1, 0) < 0);
    show("no address", mmap(0, 4096, 3, -1, 0) < 0);
    show("crooked address", mmap(at + 1, 4096, 3, -1, 0) < 0);
    show("no length", mmap(at + 0x100000, 0, 3, -1, 0) < 0);
    show("write and execute", mmap(at + 0x100000, 4096, 7, -1, 0) < 0);
    show("not an exact start", munmap(at + 4096) < 0);
    show("munmap", munmap(at));
    show("gone", write(1, at, 1));
    int fd = (int)open("data.txt", 0);
    char *file = at + 0x200000;
    show("file mapped", mmap(file, 4096, 1, fd, 0) == (i64)file);
    write(1, file, 15);
    return 0;
}
