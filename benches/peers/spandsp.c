/* Listens to a file of 16-bit samples at 8000 Hz with spandsp's DTMF receiver, so many times over; prints CPU seconds
   and digits. */
#include <spandsp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char *arguments[])
{
    if (count != 3)
        return 2;
    FILE *file = fopen(arguments[1], "rb");
    int times = atoi(arguments[2]);
    if (!file)
        return 1;
    fseek(file, 0, SEEK_END);
    long samples = ftell(file) / 2;
    rewind(file);
    int16_t *audio = malloc(samples * 2);
    if (!audio || fread(audio, 2, samples, file) != (size_t) samples)
        return 1;
    long digits = 0;
    char heard[129];
    clock_t begin = clock();
    for (int time = 0; time < times; time++) {
        dtmf_rx_state_t *receiver = dtmf_rx_init(NULL, NULL, NULL);
        for (long at = 0; at + 160 <= samples; at += 160) {
            dtmf_rx(receiver, audio + at, 160);
            digits += dtmf_rx_get(receiver, heard, 128);
        }
        dtmf_rx_free(receiver);
    }
    printf("%f %ld\n", (double) (clock() - begin) / CLOCKS_PER_SEC, digits / times);
    return 0;
}
