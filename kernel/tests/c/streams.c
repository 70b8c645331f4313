/* claim: both streams arrive apart, byte for byte, long writes whole
 */
#include "keos.h"

static unsigned char all[256];
static char many[3000];

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    for (int i = 0; i < (int)sizeof many; i++)
        many[i] = (char)('a' + i % 26);
    show("written", write(1, all, sizeof all));
    write(2, "to the other\r\n", 14);
    show("written", write(1, many, sizeof many));
    write(2, all, sizeof all);
    return 0;
}
