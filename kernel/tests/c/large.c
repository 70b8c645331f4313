/* claim: what main returns is the status, all 32 bits of it
 * status: 66052
 */
#include "keos.h"

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return 0x10204;
}
