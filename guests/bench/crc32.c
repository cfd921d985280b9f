/* CRC-32 by a table of 256 words (the reflected polynomial of Ethernet). */
#include "bench.h"

enum { POLYNOMIAL = 0xedb88320, SIZE = 14336 };

static u32 table[256] APART;
static u8 data[SIZE] APART;

static void make_table(void)
{
    for (u32 byte = 0; byte < 256; byte++) {
        u32 crc = byte;

        for (u32 bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        table[byte] = crc;
    }
}

u64 crc32(u64 units)
{
    u32 crc = ~0u;

    make_table();
    for (u64 i = 0; i < SIZE; i++)
        data[i] = (u8)(i * i >> 3);
    while (units--)
        for (u64 i = 0; i < SIZE; i++)
            crc = table[(u8)(crc ^ data[i])] ^ crc >> 8;
    return (u32)~crc;
}
