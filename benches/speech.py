#!/usr/bin/env python3
"""Makes speech in many voices and languages with free synthesisers, and counts the digits heard in it: there are none.

    benches/speech.py [MINUTES] [SEED]        default: 65 minutes, seed 1

Needs espeak-ng, flite, sox and cargo. The same seed and synthesisers give the same speech.
"""
import os
import random
import subprocess
import sys
import tempfile

# Language: voice of espeak-ng, and sentences to say numbers, hours and sums with.
TEXTS = {
    "en-gb": "Good morning. The train to the coast leaves at {a} from platform {b}. I paid {c} for {d} of them, and nobody asked why.",
    "en-us": "Call me back at {c} before {a}. The office on the {b} floor closes early, so bring all {d} boxes today.",
    "de": "Guten Morgen. Der Zug an die Küste fährt um {a} Uhr von Gleis {b}. Ich habe {c} für {d} davon bezahlt.",
    "fr-fr": "Bonjour. Le train pour la côte part à {a} heures, voie {b}. J'ai payé {c} euros pour {d} d'entre eux.",
    "es": "Buenos días. El tren a la costa sale a las {a} del andén {b}. Pagué {c} por {d} de ellos y nadie preguntó.",
    "it": "Buongiorno. Il treno per la costa parte alle {a} dal binario {b}. Ho pagato {c} per {d} di loro.",
    "pt": "Bom dia. O comboio para a costa parte às {a} da linha {b}. Paguei {c} por {d} deles e ninguém perguntou.",
    "nl": "Goedemorgen. De trein naar de kust vertrekt om {a} uur van spoor {b}. Ik betaalde {c} voor {d} stuks.",
    "pl": "Dzień dobry. Pociąg nad morze odjeżdża o {a} z peronu {b}. Zapłaciłem {c} za {d} sztuk.",
    "ru": "Доброе утро. Поезд к морю отправляется в {a} с пути {b}. Я заплатил {c} за {d} штук.",
    "tr": "Günaydın. Sahile giden tren saat {a} da {b} numaralı perondan kalkıyor. {d} tanesine {c} lira ödedim.",
    "sv": "God morgon. Tåget till kusten går klockan {a} från spår {b}. Jag betalade {c} för {d} av dem.",
    "da": "Godmorgen. Toget til kysten kører klokken {a} fra spor {b}. Jeg betalte {c} for {d} af dem.",
    "cs": "Dobré ráno. Vlak k moři odjíždí v {a} z nástupiště {b}. Zaplatil jsem {c} za {d} kusů.",
    "hu": "Jó reggelt. A vonat a tengerhez {a} órakor indul a {b}. vágányról. {c} forintot fizettem {d} darabért.",
    "fi": "Hyvää huomenta. Juna rannikolle lähtee kello {a} raiteelta {b}. Maksoin {c} euroa {d} kappaleesta.",
    "el": "Καλημέρα. Το τρένο για την ακτή φεύγει στις {a} από την αποβάθρα {b}. Πλήρωσα {c} για {d} από αυτά.",
    "hi": "नमस्ते। तट की गाड़ी {a} बजे प्लेटफ़ॉर्म {b} से जाती है। मैंने {d} के लिए {c} रुपये दिए।",
}
VARIANTS = ["", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4", "+croak", "+whisper"]
FLITE = ["kal", "awb", "rms", "slt"]


def text(language, draw):
    said = TEXTS[language].format(a=draw.randrange(1, 24), b=draw.randrange(1, 40), c=draw.randrange(100, 99999), d=draw.randrange(2, 900))
    spelled = " ".join(str(draw.randrange(10)) for _ in range(8))
    return f"{said} {spelled}. "


def speak(language, draw, folder, name):
    """One stretch of speech as 8000 Hz at a level of a telephone, between -30 and -8 dBFS."""
    raw, path = os.path.join(folder, "raw.wav"), os.path.join(folder, f"{name}.wav")
    said = " ".join(text(language, draw) for _ in range(4))
    if language.startswith("en") and draw.random() < 0.5:
        command = ["flite", "-voice", draw.choice(FLITE), "-t", said, "-o", raw]
    else:
        voice = language + draw.choice(VARIANTS)
        command = ["espeak-ng", "-v", voice, "-s", str(draw.randrange(110, 240)), "-p", str(draw.randrange(20, 85)), "-w", raw, "--", said]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    level = -draw.uniform(8, 30)
    subprocess.run(["sox", "-D", raw, "-r", "8000", "-c", "1", "-b", "16", path, "norm", f"{level:.1f}"], check=True)
    os.remove(raw)
    return path, (os.path.getsize(path) - 44) / 16000


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 65
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    languages = list(TEXTS)
    with tempfile.TemporaryDirectory(prefix="passline-speech-") as folder:
        paths, seconds, number = [], 0.0, 0
        while seconds < minutes * 60:
            path, length = speak(languages[number % len(languages)], draw, folder, f"{number:04}-{languages[number % len(languages)]}")
            paths.append(path)
            seconds += length
            number += 1
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        command = ["cargo", "run", "--release", "--locked", "-q", "-p", "passline-rtp", "--example", "tones"]
        heard = subprocess.run(command, cwd=root, input="\n".join(paths), text=True, check=True, stdout=subprocess.PIPE)
        print(heard.stdout.replace(folder + os.sep, ""), end="")
        print(f"{len(languages)} languages, of which English also by {len(FLITE)} voices of another synthesiser")


if __name__ == "__main__":
    main()
