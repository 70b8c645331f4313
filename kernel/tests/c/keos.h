/* The system calls of KeOS's numbers, as a program built elsewhere makes them. */
typedef unsigned long u64;
typedef long i64;

static inline i64 call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e)
{
    i64 result;
    register u64 r10 __asm__("r10") = d;
    register u64 r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

#define P(x) ((u64)(x))
static inline void exit_thread(int status) { call(0, P(status), 0, 0, 0, 0); __builtin_unreachable(); }
static inline i64 open(const char *path, int flags) { return call(1, P(path), P(flags), 0, 0, 0); }
static inline i64 read(int fd, void *to, u64 n) { return call(2, P(fd), P(to), n, 0, 0); }
static inline i64 write(int fd, const void *from, u64 n) { return call(3, P(fd), P(from), n, 0, 0); }
static inline i64 seek(int fd, i64 offset, int whence) { return call(4, P(fd), P(offset), P(whence), 0, 0); }
static inline i64 tell(int fd) { return call(5, P(fd), 0, 0, 0, 0); }
static inline i64 close(int fd) { return call(6, P(fd), 0, 0, 0, 0); }
static inline i64 pipe(int *fds) { return call(7, P(fds), 0, 0, 0, 0); }
static inline i64 mmap(void *at, u64 n, int prot, int fd, u64 offset) { return call(8, P(at), n, P(prot), P(fd), offset); }
static inline i64 munmap(void *at) { return call(9, P(at), 0, 0, 0, 0); }
static inline i64 fork(void) { return call(10, 0, 0, 0, 0, 0); }
static inline i64 thread_create(const char *name, void *top, void *entry, void *argument)
{
    return call(11, P(name), P(top), P(entry), P(argument), 0);
}
static inline i64 thread_join(int tid, int *status) { return call(12, P(tid), P(status), 0, 0, 0); }
static inline void exit_group(int status) { call(13, P(status), 0, 0, 0, 0); __builtin_unreachable(); }
static inline i64 create(const char *path) { return call(14, P(path), 0, 0, 0, 0); }
static inline i64 mkdir(const char *path) { return call(15, P(path), 0, 0, 0, 0); }
static inline i64 unlink(const char *path) { return call(16, P(path), 0, 0, 0, 0); }
static inline i64 chdir(const char *path) { return call(17, P(path), 0, 0, 0, 0); }
static inline i64 fsync(int fd) { return call(20, P(fd), 0, 0, 0, 0); }

/* What gcc may call of its own accord. */
void *memcpy(void *to, const void *from, u64 n)
{
    char *t = to;
    const char *f = from;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, u64 n)
{
    char *t = to;
    while (n--)
        *t++ = (char)byte;
    return to;
}

static u64 length(const char *text)
{
    u64 n = 0;
    while (text[n])
        n++;
    return n;
}

static void print(const char *text) { write(1, text, length(text)); }

static void number(i64 value)
{
    char digits[24];
    int at = sizeof digits;
    u64 rest = value < 0 ? -(u64)value : (u64)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    write(1, digits + at, sizeof digits - at);
}

/* Prints "what: value". */
static void show(const char *what, i64 value)
{
    print(what);
    print(": ");
    number(value);
    print("\n");
}

int main(int argc, char **argv);

/* The kernel enters with no return address and the stack as after a call. */
void _start(int argc, char **argv) { exit_group(main(argc, argv)); }
