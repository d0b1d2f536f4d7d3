"""Two small graphs in RDF about the same people, in two languages, each with entities of its own."""

import random
from pathlib import Path

_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_SYLLABLES = [c + v for c in "bdfgklmnprstv" for v in "aiou"]


class World:
    """``shared`` towns and people, ``own`` more on either side, and two N-Triples files about them."""

    def __init__(self, folder: Path, shared: int = 90, own: int = 15, seed: int = 0):
        rng = random.Random(seed)
        everyone = shared + 2 * own
        names = [" ".join(_word(rng) for _ in range(2)) for _ in range(everyone)]
        birthdays = [
            f"{rng.randint(1900, 1999)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
            for _ in range(everyone)
        ]
        sizes = [round(rng.lognormvariate(8, 2), 2) for _ in range(everyone)]
        facts = [
            (rng.randrange(everyone), rng.randrange(3), rng.randrange(everyone)) for _ in range(6 * everyone)
        ]
        members = (range(shared + own), [*range(shared), *range(shared + own, everyone)])
        relations = (("knows", "near", "owns"), ("kennt", "bei", "besitzt"))
        numbers = list(range(everyone))
        self.uris = []
        for side, (base, language) in enumerate((("http://a.example/", "en"), ("http://b.example/", "de"))):
            rng.shuffle(numbers)
            uri = {i: f"{base}{'Q' if side else 'e'}{numbers[i]}" for i in members[side]}
            lines = []
            for i in members[side]:
                name = names[i] if rng.random() < 0.6 else _misspelt(names[i], rng)
                lines.append(f'<{uri[i]}> <{_LABEL}> "{name}"@{language} .')
                if rng.random() < 0.7:
                    birth = ("born", "geboren")[side]
                    lines.append(f'<{uri[i]}> <{base}{birth}> "{birthdays[i]}"^^<{_XSD}date> .')
                if rng.random() < 0.7:
                    size = f"{sizes[i]}" if side else f"{sizes[i]:e}"
                    lines.append(f'<{uri[i]}> <{base}size> "{size}"^^<{_XSD}double> .')
            for head, relation, tail in facts:
                if head in uri and tail in uri and rng.random() < 0.8:
                    lines.append(f"<{uri[head]}> <{base}{relations[side][relation]}> <{uri[tail]}> .")
            path = folder / ("left.nt", "right.nt")[side]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            self.uris.append(uri)
        self.left, self.right = folder / "left.nt", folder / "right.nt"
        self.links = [(self.uris[0][i], self.uris[1][i]) for i in range(shared)]
        self.dangling = [self.uris[0][i] for i in range(shared, shared + own)]

    def write_links(self, path: Path, links) -> Path:
        path.write_text("".join(f"{one}\t{two}\n" for one, two in links), encoding="utf-8")
        return path


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(2, 4))).capitalize()


def _misspelt(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name))
    return name[:at] + rng.choice("aeiou") + name[at + 1 :]
