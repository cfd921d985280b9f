/* Every cpu is entered big-endian, in real mode, with MSR[SF] of either value: at the image's first
 * byte for the boot cpu, at start-cpu's address for the others. ENTER_64_BIT leaves it in 64-bit mode
 * and in the byte order this guest was compiled for; r10, r11 and r12 are lost.
 *
 * These words are executed big-endian whatever the guest's own order is, so a little-endian guest
 * stores them byte-reversed. rfid is the only instruction that changes MSR[LE]. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MSR_LE 1
#define BIG_ENDIAN_WORD(w) \
    .long (((w) & 0xff) << 24) | (((w) & 0xff00) << 8) | (((w) >> 8) & 0xff00) | (((w) >> 24) & 0xff)
#else
#define MSR_LE 0
#define BIG_ENDIAN_WORD(w) .long (w)
#endif

#define ENTER_64_BIT \
    BIG_ENDIAN_WORD(0x429f0005)          /* bcl    20,31,.+4            lr = the next address   */ ; \
    BIG_ENDIAN_WORD(0x7d4802a6)          /* mflr   r10                                          */ ; \
    BIG_ENDIAN_WORD(0x394a0028)          /* addi   r10,r10,40           10 words from the mflr  */ ; \
    BIG_ENDIAN_WORD(0x7d6000a6)          /* mfmsr  r11                                          */ ; \
    BIG_ENDIAN_WORD(0x39800001)          /* li     r12,1                                        */ ; \
    BIG_ENDIAN_WORD(0x798cf806)          /* sldi   r12,r12,63           MSR[SF]                 */ ; \
    BIG_ENDIAN_WORD(0x618c0000 | MSR_LE) /* ori    r12,r12,MSR_LE                               */ ; \
    BIG_ENDIAN_WORD(0x7d6b6378)          /* or     r11,r11,r12                                  */ ; \
    BIG_ENDIAN_WORD(0x7d5a03a6)          /* mtsrr0 r10                                          */ ; \
    BIG_ENDIAN_WORD(0x7d7b03a6)          /* mtsrr1 r11                                          */ ; \
    BIG_ENDIAN_WORD(0x4c000024)          /* rfid                                                */
