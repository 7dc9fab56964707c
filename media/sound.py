"""Samples at 8 kHz, 16 bit, mono: WAV files, levels, silence and fades. Plain Python, so that every machine gives the
same octets."""
import math
import struct
import wave

RATE = 8000
FRAME = 160  # of the level meter: 20 ms
MARGIN_DB = 15.9  # pauses lie this far below the active level (ITU-T P.56)
FULL_DBM0 = 3.17  # level of the loudest sine that G.711 µ-law carries ...
FULL = 32124  # ... and its peak
LEVEL_DBM0 = -19.0
PEAK = 29204  # -1 dBFS
AUDIBLE = 40.0  # RMS of 5 ms above which there is sound: -52 dBm0
FADE = 40  # 5 ms
LEAD = 56  # silence left at both ends: 7 ms, over most of which the fade lies


def read_wav(path):
    """Samples of a WAV file of our format; ValueError for any other."""
    with wave.open(path, "rb") as file:
        kind = (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getcomptype())
        if kind != (RATE, 1, 2, "NONE"):
            raise ValueError(f"{kind[0]} Hz, {kind[1]} channels, {8 * kind[2]} bits; not 8000 Hz, mono, 16 bits")
        data = file.readframes(file.getnframes())
    return list(struct.unpack(f"<{len(data) // 2}h", data))


def wav_bytes(samples):
    """A WAV file with the shortest header."""
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16,
                       b"data", len(data))
    return head + data


def dbm0(square):
    """dBm0 of a mean square."""
    return 10 * math.log10(square / (FULL * FULL / 2)) + FULL_DBM0 if square > 0 else -math.inf


def active_level(samples):
    """Active speech level in dBm0: mean power of the 20 ms frames that are at most 15.9 dB below it. ITU-T P.56 method B
    with frames in place of its envelope; the same meter as in `passline prompts check`."""
    frames = []
    for at in range(0, len(samples), FRAME):
        part = samples[at:at + FRAME]
        frames.append(math.fsum(x * x for x in part) / len(part))
    level = -math.inf
    for _ in range(20):
        active = [f for f in frames if f > 0 and dbm0(f) >= level - MARGIN_DB]
        if not active:
            break
        following = dbm0(math.fsum(active) / len(active))
        if abs(following - level) < 0.01:
            return following
        level = following
    return level


def sound_bounds(samples, audible=AUDIBLE, step=8, window=40):
    """First and last sample of what can be heard, by the RMS of 5 ms every 1 ms; None for silence."""
    loud = []
    for at in range(0, max(1, len(samples) - window + 1), step):
        part = samples[at:at + window]
        if part and math.fsum(x * x for x in part) > audible * audible * len(part):
            loud.append(at)
    if not loud:
        return None
    return loud[0], min(len(samples), loud[-1] + window)


def scaled(samples, gain_db):
    gain = 10 ** (gain_db / 20)
    return [x * gain for x in samples]


def limited(samples):
    """Peaks above -1 dBFS are bent, not cut: straight up to -4 dBFS, then tanh."""
    knee = 20675.0
    room = PEAK - knee
    out = []
    for x in samples:
        size = abs(x)
        if size > knee:
            size = knee + room * math.tanh((size - knee) / room)
            x = math.copysign(size, x)
        out.append(x)
    return out


def faded(samples):
    """Raised cosine over the first and last 5 ms, from zero and to zero."""
    out = list(samples)
    for i in range(min(FADE, len(out) // 2)):
        gain = 0.5 - 0.5 * math.cos(math.pi * i / FADE)
        out[i] *= gain
        out[-1 - i] *= gain
    return out


def finished(samples):
    """From what a synthesiser gave (floats, 8 kHz) to a clip: level, trim, fade, level again, 16 bit."""
    level = active_level(samples)
    if level == -math.inf:
        raise ValueError("silence")
    # Cutting and fading may leave what is too quiet to be heard at the new ends: cut again until nothing changes.
    for _ in range(8):
        samples = scaled(samples, LEVEL_DBM0 - active_level(samples))
        first, last = sound_bounds(samples)
        # The window sees a sound up to 4 ms before it begins; the fade must not eat the sound.
        first, last = max(0, first + 32 - LEAD), min(len(samples), last - 32 + LEAD)
        if first < 16 and len(samples) - last < 16:
            break
        samples = faded(samples[first:last])
    for _ in range(3):
        samples = limited(scaled(samples, LEVEL_DBM0 - active_level(samples)))
    # Rounding, without dither: the noise floor of G.711 is far above it.
    return [int(math.floor(x + 0.5)) for x in samples]
