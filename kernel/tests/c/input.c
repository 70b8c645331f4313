/* claim: standard input arrives, and ends
 * stdin: first\nsecond\nno line end
 */
#include "keos.h"

int main(int argc, char **argv)
{
    char piece[5];
    i64 n, all = 0;
    (void)argc, (void)argv;
    while ((n = read(0, piece, sizeof piece)) > 0) {
        all += n;
        write(1, piece, (u64)n);
    }
    print("\n");
    show("bytes", all);
    show("at the end", n);
    return 0;
}
