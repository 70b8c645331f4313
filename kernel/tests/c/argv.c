/* claim: argc, argv[0] as it was given, every word whole, a null pointer behind the last
 * args: one two-words -- --flag "quoted" back\slash
 */
#include "keos.h"

int main(int argc, char **argv)
{
    show("argc", argc);
    for (int i = 0; i < argc; i++) {
        print(argv[i]);
        print("\n");
    }
    show("end is null", argv[argc] == 0);
    return 0;
}
