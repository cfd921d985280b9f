/* Memory in bulk: copies by bytes, by words, and by words at odd addresses; a checksum; strlen. */
#include "bench.h"

enum { SIZE = 8192 };

static u8 from[SIZE + 8] APART, to[SIZE + 8] APART;

static void copy_words(u8 *target, const u8 *source)
{
    for (u64 i = 0; i < SIZE; i += 8) {
        u64 word;

        __builtin_memcpy(&word, source + i, 8);
        __builtin_memcpy(target + i, &word, 8);
    }
}

/* The Internet's: 32-bit words, with the carries added in at the end. */
static u64 checksum(const u8 *data)
{
    u64 sum = 0;

    for (u64 i = 0; i < SIZE; i += 4)
        sum += BE32(*(const u32 *)(data + i));
    sum = (sum >> 32) + (u32)sum;
    return (sum >> 32) + (u32)sum;
}

u64 memops(u64 units)
{
    u64 random = 1, sum = 0;

    for (u64 i = 0; i < SIZE; i++) {
        random = next_random(random);
        from[i] = (u8)(random >> 56 | 1);
    }
    while (units--) {
        from[units % SIZE] ^= 2;
        memcpy(to, from, SIZE / 2);
        sum = mix(sum, strlen((const char *)to));
        for (u64 i = 0; i < 3; i++) {
            copy_words(to, from + i);
            copy_words(to + 8 - i, from);
        }
        sum = mix(sum, checksum(to) + checksum(from));
        sum = mix(sum, to[SIZE / 2] + strlen((const char *)from));
    }
    return sum;
}
