/* claim: files are read, made, written, sought in and removed; paths may be relative */
#include "keos.h"

int main(int argc, char **argv)
{
    char text[64];
    (void)argc, (void)argv;
    int fd = (int)open("/data.txt", 0);
    show("first free number", fd);
    i64 n = read(fd, text, sizeof text);
    write(1, text, (u64)n);
    show("position", tell(fd));
    show("to the second line", seek(fd, 15, 0));
    n = read(fd, text, 10);
    write(1, text, (u64)n);
    print("\n");
    show("close", close(fd));
    show("closed already", close(fd));

    show("mkdir", mkdir("/made"));
    show("chdir", chdir("/made"));
    show("create", create("new"));
    fd = (int)open("new", 2);
    show("write", write(fd, "0123456789", 10));
    show("back", seek(fd, -4, 1));
    n = read(fd, text, sizeof text);
    write(1, text, (u64)n);
    print("\n");
    show("fsync", fsync(fd));
    close(fd);
    fd = (int)open("/made/../made/new", 0);
    show("read again", read(fd, text, sizeof text));
    show("end", read(fd, text, sizeof text));
    close(fd);
    show("not empty", unlink("/made"));
    show("unlink", unlink("new"));
    show("gone", open("new", 0));
    return 0;
}
