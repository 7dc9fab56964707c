/* Makes the vectors of ../g722.rs with spandsp, whose decoder and encoder are not ours:
 *     cc reference.c -lspandsp -o reference && ./reference
 * The tests need neither spandsp nor this program. */
#include <math.h>
#include <spandsp.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t fnv(uint64_t hash, unsigned octet) { return (hash ^ octet) * 1099511628211ull; }

static uint32_t state = 7;
static uint32_t next(void) { return (state = state * 1664525u + 1013904223u) >> 24; }

/* A square of varying height with noise on it: integers only, so that it is the same everywhere. */
static int16_t sample(int n) {
    int height = 500 + n % 4000 * 5;
    return (int16_t)((n / 7 % 2 ? height : -height) + (int)next() - 128);
}

int main(void) {
    enum { COUNT = 16000 };
    static uint8_t octets[COUNT], code[2 * COUNT];
    static int16_t narrow[COUNT], wide[2 * COUNT], back[2 * COUNT];
    /* The lower band alone, spandsp's mode for 8000 Hz: octets of all values. */
    for (int n = 0; n < COUNT; n++) octets[n] = (uint8_t)next();
    g722_decode_state_t *decode = g722_decode_init(NULL, 64000, G722_SAMPLE_RATE_8000);
    int length = g722_decode(decode, narrow, octets, COUNT);
    uint64_t hash = 14695981039346656037ull;
    for (int n = 0; n < length; n++) hash = fnv(fnv(hash, narrow[n] & 255), narrow[n] >> 8 & 255);
    printf("decode 8000: %d samples, hash %#llx\n", length, (unsigned long long)hash);
    /* The same band, encoded; the upper two bits are not looked at. */
    for (int n = 0; n < COUNT; n++) narrow[n] = sample(n);
    g722_encode_state_t *encode = g722_encode_init(NULL, 64000, G722_SAMPLE_RATE_8000);
    length = g722_encode(encode, code, narrow, COUNT);
    hash = 14695981039346656037ull;
    for (int n = 0; n < length; n++) hash = fnv(hash, code[n] & 63);
    printf("encode 8000: %d octets, hash %#llx\n", length, (unsigned long long)hash);
    /* Both bands, a dual tone at 16000 Hz: what a telephone sends. */
    for (int n = 0; n < 2 * COUNT; n++)
        wide[n] = (int16_t)lrint(6000 * sin(2 * M_PI * 697 * n / 16000) + 6000 * sin(2 * M_PI * 1633 * n / 16000));
    encode = g722_encode_init(NULL, 64000, 0);
    length = g722_encode(encode, code, wide, 320);
    printf("tone at 16000, the first 20 ms:");
    for (int n = 0; n < length; n++) printf("%s0x%02x,", n % 16 ? " " : "\n    ", code[n]);
    /* Its octets from standard input through both bands: what a telephone hears. */
    printf("\n");
    decode = g722_decode_init(NULL, 64000, 0);
    length = (int)fread(octets, 1, COUNT, stdin);
    length = g722_decode(decode, back, octets, length);
    if (length > 0) {
        double energy = 0;
        for (int n = 400; n < length; n++) energy += (double)back[n] * back[n];
        printf("heard at 16000: %d samples, effective %.1f\n", length, sqrt(energy / (length - 400)));
    }
    return 0;
}
