/* Words whose byte order is fixed by PAPR, whatever order the guest runs in, and bytes in memory. */
#ifndef BYTES_H
#define BYTES_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)
#define BE64(x) __builtin_bswap64(x)
#else
#define BE16(x) ((u16)(x))
#define BE32(x) ((u32)(x))
#define BE64(x) ((u64)(x))
#endif

void *memcpy(void *to, const void *from, u64 length);
void *memset(void *to, int byte, u64 length);
int memcmp(const void *a, const void *b, u64 length);
int strcmp(const char *a, const char *b);
u64 strlen(const char *text);
#endif
