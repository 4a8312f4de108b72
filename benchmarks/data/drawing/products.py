"""One product of the drawn catalogue: its columns, its name and its look, each a function of the row's generator."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.data.drawing.articles import ARTICLES, Article
from benchmarks.data.drawing.marks import RGB, Look, Paint, between, chance, one_of, shade
from benchmarks.data.drawing.scene import photograph

VERSION = 1  # raise it when drawing or naming changes: it is part of the data's stamp

COLOURS: dict[str, RGB] = {
    "Black": (34, 33, 36), "White": (236, 236, 234), "Blue": (52, 92, 168), "Brown": (104, 70, 46),
    "Grey": (134, 136, 140), "Red": (190, 42, 48), "Green": (62, 128, 72), "Pink": (228, 130, 164),
    "Navy Blue": (34, 44, 84), "Purple": (112, 66, 136), "Silver": (196, 198, 202), "Yellow": (236, 200, 70),
    "Beige": (212, 190, 156), "Maroon": (112, 30, 44), "Orange": (228, 122, 48), "Olive": (110, 112, 62),
    "Cream": (238, 226, 196), "Teal": (40, 126, 130), "Peach": (244, 188, 158), "Turquoise Blue": (70, 184, 190),
}  # fmt: skip
_SKINS: tuple[RGB, ...] = ((238, 204, 178), (214, 168, 134), (178, 126, 92), (120, 82, 60))
_PATTERNS = ("plain",) * 9 + ("stripes", "stripes", "checks", "dots", "floral")
_PATTERN_WORDS = {"plain": ("Solid", ""), "stripes": ("Striped",), "checks": ("Check", "Checked"), "dots": ("Polka Dot",
                  "Printed"), "floral": ("Printed", "Floral")}  # fmt: skip
_BRANDS = (
    "Norvik", "Palash", "Tidewell", "Bluefern", "Kesaria", "Omicron", "Redgate", "Lumo", "Varnam", "Stellan",
    "Hazel & Co", "Ridgeline", "Marigold", "Quay", "Aster", "Fenwick",
)  # fmt: skip
_LINES = ("Zoom", "Classic", "Essentials", "Urban", "Gold", "Active", "Heritage", "Xpress", "Breeze", "Signature", "")
_SEASONS = ("Summer", "Summer", "Fall", "Winter", "Spring")
_TRAIN_YEARS, _TEST_YEARS = ("2012", "2012", "2016", "2010", "2018"), ("2011", "2011", "2017", "2015", "2013")


@dataclasses.dataclass(frozen=True)
class Product:
    """A row's columns as in the real `styles.csv`, all text; `id` is given by the catalogue."""

    gender: str
    masterCategory: str
    subCategory: str
    articleType: str
    baseColour: str
    season: str
    year: str
    usage: str
    productDisplayName: str


def describe(kind: str, train: bool, g: np.random.Generator) -> tuple[Product, str]:
    """Return a product of article type `kind` and its pattern; even years train."""
    article = ARTICLES[kind]
    gender, colour = one_of(g, article.group.genders), _colour(g)
    pattern = one_of(g, _PATTERNS)
    year = one_of(g, _TRAIN_YEARS if train else _TEST_YEARS)
    name = _name(article, gender, colour, pattern, g)
    group = article.group
    return Product(
        gender, group.master, article.sub, kind, colour, one_of(g, _SEASONS), year, one_of(g, group.usages), name
    ), pattern  # fmt: skip


def draw(product: Product, pattern: str, g: np.random.Generator) -> np.ndarray:
    """Return the product's photograph, uint8 [80, 60, 3] RGB."""
    article = ARTICLES[product.articleType]
    base = _shaken(COLOURS[product.baseColour], g)
    second = _shaken(one_of(g, tuple(COLOURS.values())), g)
    slope = between(g, (-0.3, 0.3)) + (3.0 if chance(g, 0.4) else 0.0)  # from 3 on, the stripes are horizontal
    cloth = Paint(base, pattern, second, between(g, (7, 26)), slope, int(between(g, (0, 40))))
    accent = Paint(_shaken(one_of(g, tuple(COLOURS.values())), g))
    look = Look(cloth, accent, Paint(one_of(g, _SKINS)), worn=article.group.body and chance(g, 0.5))
    return photograph(article.draw(look, g), g)


def _colour(g: np.random.Generator) -> str:
    """Draw a colour; the first are the most frequent, as in the real catalogue."""
    names = tuple(COLOURS)
    share = float(g.random())
    return names[int(share * share * len(names))]


def _shaken(rgb: RGB, g: np.random.Generator) -> RGB:
    """Return the colour with a random deviation."""
    red, green, blue = (min(255, max(0, int(c + between(g, (-18, 19))))) for c in shade(rgb, between(g, (0.85, 1.15))))
    return red, green, blue


def _name(article: Article, gender: str, colour: str, pattern: str, g: np.random.Generator) -> str:
    """Return a name with a word of the class, its category, its neighbour or none of them; a few are empty."""
    kind = float(g.random())
    if kind < 0.03:
        return ""
    if kind < 0.68:
        noun = one_of(g, article.words)
    elif kind < 0.88:
        noun = one_of(g, article.group.family)
    elif kind < 0.93:
        noun = one_of(g, ARTICLES[article.neighbour].words)
    else:
        noun = f"Style {int(between(g, (100, 1000)))}"
    who = gender + one_of(g, ("", "", "'s"))
    parts = [one_of(g, _BRANDS), who, one_of(g, _LINES), one_of(g, _PATTERN_WORDS[pattern]), colour, noun]
    if chance(g, 0.3):
        parts[2], parts[4] = parts[4], parts[2]
    if chance(g, 0.15):
        parts.remove(colour)
    return " ".join(p for p in parts if p)
