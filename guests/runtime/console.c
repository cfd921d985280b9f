#include "console.h"
#include "bytes.h"
#include "hcall.h"
#include <stdarg.h>

enum { DEFAULT_VTY = 0, BYTES_PER_CALL = 16 };

/* Bytes wait here until the call is full or the text ends. */
static u64 waiting[BYTES_PER_CALL / 8];
static u64 waiting_length;

static void flush(void)
{
    if (waiting_length == 0)
        return;
    while (hcall(H_PUT_TERM_CHAR, DEFAULT_VTY, waiting_length, BE64(waiting[0]), BE64(waiting[1])) == H_BUSY)
        ;
    waiting_length = 0;
}

static void put(char c)
{
    ((u8 *)waiting)[waiting_length++] = (u8)c;
    if (waiting_length == BYTES_PER_CALL)
        flush();
}

static void put_padding(u64 used, u64 width)
{
    for (; used < width; used++)
        put('0');
}

static void put_hex(u64 value, u64 width)
{
    u64 digits = value ? (67 - (u64)__builtin_clzl(value)) / 4 : 1;

    put_padding(digits, width);
    while (digits--)
        put("0123456789abcdef"[value >> (4 * digits) & 15]);
}

static void put_decimal(u64 value, u64 width)
{
    char digits[20];
    u64 n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put_padding(n, width);
    while (n--)
        put(digits[n]);
}

static void put_signed(long value)
{
    if (value < 0)
        put('-');
    put_decimal(value < 0 ? 0 - (u64)value : (u64)value, 0);
}

void printf(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    for (; *format; format++) {
        u64 width = 0;
        int is_long = 0;

        if (*format != '%') {
            put(*format);
            continue;
        }
        for (format++; *format >= '0' && *format <= '9'; format++)
            width = 10 * width + (u64)(*format - '0');
        if (*format == 'l') {
            is_long = 1;
            format++;
        }
        switch (*format) {
        case 's':
            for (const char *text = va_arg(arguments, const char *); *text; text++)
                put(*text);
            break;
        case 'd':
            put_signed(is_long ? va_arg(arguments, long) : va_arg(arguments, int));
            break;
        case 'u':
            put_decimal(is_long ? va_arg(arguments, u64) : va_arg(arguments, u32), width);
            break;
        case 'x':
            put_hex(is_long ? va_arg(arguments, u64) : va_arg(arguments, u32), width);
            break;
        case 'c':
            put((char)va_arg(arguments, int));
            break;
        default:
            put(*format);
        }
    }
    va_end(arguments);
    flush();
}
