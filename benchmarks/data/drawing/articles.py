"""The article types of the drawn catalogue: names, number of rows, wearers, and drawing function.

Counts have the real catalogue's shape: 20 head classes (one without test rows, like Sarees there), a tail down to three
training rows, and one class that only the test years have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from benchmarks.data.drawing import accessories, bags, lower, shoes, upper
from benchmarks.data.drawing.marks import Look, Mark

Drawer = Callable[[Look, np.random.Generator], list[Mark]]


@dataclasses.dataclass(frozen=True)
class Group:
    """What the article types of one category share.

    `genders` and `usages`: values to draw from (repeat one to make it likelier). `family`: words that can name any
    type of the category. `body`: whether a wearer may be in the picture.
    """

    master: str
    genders: tuple[str, ...]
    usages: tuple[str, ...]
    family: tuple[str, ...]
    body: bool = False


@dataclasses.dataclass(frozen=True)
class Article:
    """One article type: rows, its own words, and the article type that it is confused with."""

    name: str
    sub: str
    group: Group
    train: int
    test: int
    words: tuple[str, ...]
    neighbour: str
    draw: Drawer


_M, _W, _U = "Men", "Women", "Unisex"
_TOP = Group("Apparel", (_M, _W, _M, _W, "Boys", "Girls"), ("Casual", "Casual", "Sports"), ("Top", "Topwear"), True)
_SHIRT = Group("Apparel", (_M, _M, _M, _W), ("Casual", "Formal"), ("Shirt", "Topwear"), True)
_HERS = Group("Apparel", (_W, _W, _W, "Girls"), ("Casual",), ("Top", "Fashion Top"), True)
_ETHNIC = Group("Apparel", (_W, _W, _M), ("Ethnic",), ("Ethnic Wear", "Kurta"), True)
_LEGS = Group(
    "Apparel", (_M, _W, _M, _W, "Boys", "Girls"), ("Casual", "Sports", "Formal"), ("Bottomwear", "Pants"), True
)
_INNER = Group("Apparel", (_M, _M, _W), ("Casual",), ("Innerwear", "Pack of 2"), True)
_SOCK = Group("Accessories", (_M, _M, _W), ("Casual", "Sports"), ("Pack of 3", "Pair"))
_SHOE = Group("Footwear", (_M, _M, _W), ("Casual", "Sports"), ("Shoes", "Shoe", "Footwear"))
_FORMAL = Group("Footwear", (_M,), ("Formal", "Formal", "Casual"), ("Shoes", "Shoe", "Footwear"))
_HER_SHOE = Group("Footwear", (_W,), ("Casual",), ("Shoes", "Sandals", "Footwear"))
_OPEN_SHOE = Group("Footwear", (_M, _W), ("Casual",), ("Sandals", "Footwear", "Slippers"))
_BAG = Group("Accessories", (_W, _W, _U), ("Casual",), ("Bag", "Bags"))
_PACK = Group("Accessories", (_U, _U, _M), ("Casual", "Sports", "Travel"), ("Bag", "Bags"))
_MISC = Group("Accessories", (_M, _W, _M), ("Casual", "Formal"), ("Accessory", "Gift"))
_DRAPE = Group("Accessories", (_W, _W, _U), ("Casual", "Ethnic"), ("Accessory", "Wrap"))
_CARE = Group("Personal Care", (_W,), ("Casual",), ("Lip Colour", "Makeup"))


def _upper(name: str) -> Drawer:
    """Return the function that draws a garment for the upper body."""
    return partial(upper.upper, upper.CUTS[name])


def _lower(name: str) -> Drawer:
    """Return the function that draws trousers."""
    return partial(lower.lower, lower.LEGS[name])


def _shoe(name: str) -> Drawer:
    """Return the function that draws a closed shoe."""
    return partial(shoes.shoe, shoes.SHOES[name])


_HEAD = (
    Article("Tshirts", "Topwear", _TOP, 360, 150, ("T-shirt", "Tshirt", "Polo T-shirt", "Tee"), "Tops",
            _upper("Tshirts")),
    Article("Watches", "Watches", _MISC, 290, 80, ("Watch", "Dial Watch", "Analogue Watch"), "Watches",
            accessories.watch),
    Article("Casual Shoes", "Shoes", _SHOE, 250, 120, ("Casual Shoes", "Casual Shoe", "Sneakers"), "Sports Shoes",
            _shoe("Casual Shoes")),
    Article("Kurtas", "Topwear", _ETHNIC, 210, 90, ("Kurta", "Printed Kurta"), "Kurtis", _upper("Kurtas")),
    Article("Shirts", "Topwear", _SHIRT, 195, 110, ("Shirt", "Check Shirt", "Formal Shirt"), "Tshirts",
            _upper("Shirts")),
    Article("Tops", "Topwear", _HERS, 180, 90, ("Top", "Printed Top"), "Tunics", _upper("Tops")),
    Article("Sunglasses", "Eyewear", _MISC, 165, 60, ("Sunglasses", "Wayfarer Sunglasses"), "Sunglasses",
            accessories.sunglasses),
    Article("Handbags", "Bags", _BAG, 155, 80, ("Handbag", "Hobo Handbag", "Tote"), "Clutches", bags.handbag),
    Article("Sports Shoes", "Shoes", _SHOE, 145, 100, ("Sports Shoes", "Running Shoes", "Training Shoe"),
            "Casual Shoes", _shoe("Sports Shoes")),
    Article("Heels", "Shoes", _HER_SHOE, 135, 70, ("Heels", "Wedges", "Pumps"), "Flats", _shoe("Heels")),
    Article("Briefs", "Innerwear", _INNER, 128, 60, ("Brief", "Briefs"), "Briefs", lower.briefs),
    Article("Wallets", "Wallets", _MISC, 122, 60, ("Wallet", "Leather Wallet"), "Clutches", bags.wallet),
    Article("Flip Flops", "Flip Flops", _OPEN_SHOE, 117, 60, ("Flip Flops", "Slippers"), "Sandals", shoes.flip_flops),
    Article("Socks", "Socks", _SOCK, 113, 50, ("Socks", "Ankle Length Socks"), "Socks", lower.socks),
    Article("Belts", "Belts", _MISC, 110, 60, ("Belt", "Leather Belt"), "Belts", accessories.belt),
    Article("Sandals", "Sandal", _OPEN_SHOE, 107, 60, ("Sandals", "Sandal"), "Flip Flops", shoes.sandal),
    Article("Sarees", "Saree", _ETHNIC, 105, 0, ("Saree", "Silk Saree"), "Kurtas", accessories.saree),
    Article("Dresses", "Dress", _HERS, 103, 60, ("Dress", "Maxi Dress"), "Tunics", _upper("Dresses")),
    Article("Formal Shoes", "Shoes", _FORMAL, 100, 60, ("Formal Shoes", "Oxford Shoes"), "Casual Shoes",
            _shoe("Formal Shoes")),
    Article("Flats", "Shoes", _HER_SHOE, 98, 50, ("Flats", "Ballerinas", "Flat Shoes"), "Heels", _shoe("Flats")),
)  # fmt: skip

_TAIL = (
    Article("Jeans", "Bottomwear", _LEGS, 90, 60, ("Jeans", "Slim Fit Jeans"), "Trousers", _lower("Jeans")),
    Article("Earrings", "Jewellery", _DRAPE, 84, 40, ("Earrings", "Drop Earrings"), "Earrings", accessories.earrings),
    Article("Shorts", "Bottomwear", _LEGS, 78, 60, ("Shorts", "Bermuda Shorts"), "Capris", _lower("Shorts")),
    Article("Trousers", "Bottomwear", _LEGS, 74, 60, ("Trousers", "Chinos"), "Track Pants", _lower("Trousers")),
    Article("Backpacks", "Bags", _PACK, 68, 60, ("Backpack", "Laptop Backpack"), "Rucksacks", bags.backpack),
    Article("Clutches", "Bags", _BAG, 62, 40, ("Clutch", "Evening Clutch"), "Handbags", bags.clutch),
    Article("Tunics", "Topwear", _HERS, 58, 40, ("Tunic", "Printed Tunic"), "Tops", _upper("Tunics")),
    Article("Ties", "Ties", _MISC, 54, 40, ("Tie", "Silk Tie"), "Ties", accessories.tie),
    Article("Caps", "Headwear", _MISC, 50, 40, ("Cap", "Baseball Cap"), "Caps", accessories.cap),
    Article("Kurtis", "Topwear", _ETHNIC, 46, 40, ("Kurti", "Short Kurti"), "Kurtas", _upper("Kurtis")),
    Article("Track Pants", "Bottomwear", _LEGS, 42, 50, ("Track Pants", "Lowers"), "Trousers", _lower("Track Pants")),
    Article("Leggings", "Bottomwear", _LEGS, 38, 30, ("Leggings", "Churidar Leggings"), "Track Pants",
            _lower("Leggings")),
    Article("Capris", "Bottomwear", _LEGS, 34, 30, ("Capris", "Capri"), "Shorts", _lower("Capris")),
    Article("Scarves", "Scarves", _DRAPE, 30, 30, ("Scarf", "Stole"), "Scarves", accessories.scarf),
    Article("Skirts", "Bottomwear", _HERS, 26, 30, ("Skirt", "Flared Skirt"), "Dresses", lower.skirt),
    Article("Jackets", "Topwear", _TOP, 22, 40, ("Jacket", "Windcheater"), "Sweatshirts", _upper("Jackets")),
    Article("Sweatshirts", "Topwear", _TOP, 18, 40, ("Sweatshirt", "Hooded Sweatshirt"), "Jackets",
            _upper("Sweatshirts")),
    Article("Sweaters", "Topwear", _TOP, 14, 40, ("Sweater", "Pullover"), "Sweatshirts", _upper("Sweaters")),
    Article("Duffel Bag", "Bags", _PACK, 11, 30, ("Duffel Bag", "Gym Bag"), "Backpacks", bags.duffel_bag),
    Article("Laptop Bag", "Bags", _PACK, 9, 30, ("Laptop Bag", "Office Bag"), "Backpacks", bags.laptop_bag),
    Article("Nightdress", "Loungewear and Nightwear", _HERS, 7, 40, ("Nightdress", "Night Gown"), "Dresses",
            _upper("Nightdress")),
    Article("Lounge Pants", "Loungewear and Nightwear", _LEGS, 6, 30, ("Lounge Pants", "Pyjamas"), "Track Pants",
            _lower("Lounge Pants")),
    Article("Messenger Bag", "Bags", _PACK, 5, 30, ("Messenger Bag", "Satchel"), "Laptop Bag",
            partial(bags.laptop_bag, messenger=True)),
    Article("Rucksacks", "Bags", _PACK, 4, 20, ("Rucksack", "Trekking Rucksack"), "Backpacks", bags.rucksack),
    Article("Camisoles", "Innerwear", _HERS, 3, 20, ("Camisole", "Slip"), "Tops", _upper("Camisoles")),
)  # fmt: skip

_UNSEEN = (Article("Lipstick", "Lips", _CARE, 0, 40, ("Lipstick", "Lip Stick"), "Lipstick", accessories.lipstick),)

ARTICLES: Mapping[str, Article] = {a.name: a for a in (*_HEAD, *_TAIL, *_UNSEEN)}
