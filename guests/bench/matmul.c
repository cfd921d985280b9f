/* Products of integer matrices. */
#include "bench.h"

enum { SIZE = 26 };

typedef u64 matrix[SIZE][SIZE];

static matrix a APART, b APART, product APART;

static void multiply(void)
{
    for (u64 row = 0; row < SIZE; row++)
        for (u64 column = 0; column < SIZE; column++) {
            u64 sum = 0;

            for (u64 i = 0; i < SIZE; i++)
                sum += a[row][i] * b[i][column];
            product[row][column] = sum;
        }
}

u64 matmul(u64 units)
{
    u64 random = 1, sum = 0;

    for (u64 i = 0; i < SIZE * SIZE; i++) {
        random = next_random(random);
        a[i / SIZE][i % SIZE] = random >> 40;
        b[i / SIZE][i % SIZE] = random;
    }
    while (units--) {
        multiply();
        a[units % SIZE][0] = product[0][units % SIZE];
        sum = mix(sum, product[SIZE - 1][SIZE - 1]);
    }
    return sum;
}
