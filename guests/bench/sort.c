/* Quicksort of 640 numbers, two times. */
#include "bench.h"

enum { NUMBERS = 640, FEW = 8 };

static u32 numbers[NUMBERS] APART;

static void insertion_sort(u32 *first, u32 *last)
{
    for (u32 *next = first + 1; next <= last; next++) {
        u32 number = *next;
        u32 *to = next;

        for (; to > first && to[-1] > number; to--)
            *to = to[-1];
        *to = number;
    }
}

/* The larger part is left for the next round: the stack stays small. */
static void quicksort(u32 *first, u32 *last)
{
    while (last - first > FEW) {
        u32 pivot = first[(last - first) / 2];
        u32 *low = first, *high = last;

        while (low <= high) {
            while (*low < pivot)
                low++;
            while (*high > pivot)
                high--;
            if (low <= high) {
                u32 number = *low;

                *low++ = *high;
                *high-- = number;
            }
        }
        if (high - first < last - low) {
            quicksort(first, high);
            first = low;
        } else {
            quicksort(low, last);
            last = high;
        }
    }
    insertion_sort(first, last);
}

u64 sort(u64 units)
{
    u64 random = 1, sum = 0;

    for (u64 round = 0; round < 2 * units; round++) {
        for (u64 i = 0; i < NUMBERS; i++) {
            random = next_random(random);
            numbers[i] = (u32)(random >> 32);
        }
        quicksort(numbers, numbers + NUMBERS - 1);
        for (u64 i = 0; i < NUMBERS; i += 16)
            sum = mix(sum, numbers[i]);
    }
    return sum;
}
