/* claim: a negative status survives
 * status: -3
 */
#include "keos.h"

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    exit_group(-3);
}
