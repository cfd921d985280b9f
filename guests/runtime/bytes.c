#include "bytes.h"

/* The empty asm keeps the compiler from turning a loop back into a call of the function it is in. */
#define NOT_AN_IDIOM __asm__ volatile("")

void *memcpy(void *to, const void *from, u64 length)
{
    u8 *t = to;
    const u8 *f = from;

    while (length--) {
        *t++ = *f++;
        NOT_AN_IDIOM;
    }
    return to;
}

void *memset(void *to, int byte, u64 length)
{
    u8 *t = to;

    while (length--) {
        *t++ = (u8)byte;
        NOT_AN_IDIOM;
    }
    return to;
}

int memcmp(const void *a, const void *b, u64 length)
{
    const u8 *x = a, *y = b;

    for (; length; length--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (u8)*a - (u8)*b;
}

u64 strlen(const char *text)
{
    u64 length = 0;

    while (text[length]) {
        length++;
        NOT_AN_IDIOM;
    }
    return length;
}
