"""Materials that a person is made of."""

from __future__ import annotations

from portraiture.engine.concepts.concept import Concept, Substance

MATERIALS: tuple[Concept, ...] = (
    Concept(
        "marble",
        "material",
        "made of marble",
        (
            "a statue",
            "a white marble sculpture",
            "a classical bust",
            "a sculpture",
            "a Greek sculpture",
            "a sculpture in a museum",
        ),
        substance=Substance((0.90, 0.88, 0.85), (0.48, 0.49, 0.53), "veined", 70.0, 0.5, 0.34),
    ),
    Concept(
        "bronze",
        "material",
        "made of bronze",
        ("a bronze statue", "a cast metal monument"),
        substance=Substance(
            (0.50, 0.32, 0.16), (0.24, 0.42, 0.34), "patina", 46.0, 0.32, 0.38, 0.85, relief=0.55
        ),
    ),
    Concept(
        "gold",
        "material",
        "made of gold",
        ("a golden statue", "covered in gold", "a gilded idol"),
        substance=Substance(
            (1.0, 0.78, 0.30), (0.95, 0.66, 0.20), "mottled", 60.0, 0.3, 0.24, 0.95, relief=0.3
        ),
    ),
    Concept(
        "silver",
        "material",
        "made of silver",
        ("a silver statue", "polished steel", "chrome", "covered in liquid metal"),
        substance=Substance(
            (0.86, 0.87, 0.89), (0.7, 0.72, 0.75), "mottled", 60.0, 0.3, 0.2, 0.95, relief=0.3
        ),
    ),
    Concept(
        "copper",
        "material",
        "made of copper",
        ("a copper statue",),
        substance=Substance(
            (0.88, 0.50, 0.34), (0.55, 0.28, 0.18), "mottled", 40.0, 0.5, 0.3, 0.9, relief=0.4
        ),
    ),
    Concept(
        "wood",
        "material",
        "made of wood",
        ("a wooden carving", "carved from oak", "a wooden puppet"),
        substance=Substance((0.70, 0.49, 0.29), (0.36, 0.20, 0.10), "grained", 34.0, 0.8, 0.55),
    ),
    Concept(
        "clay",
        "material",
        "made of clay",
        ("a terracotta figure", "an earthenware bust", "plasticine", "claymation"),
        substance=Substance((0.72, 0.41, 0.28), (0.60, 0.32, 0.21), "mottled", 22.0, 0.55, 0.85),
    ),
    Concept(
        "stone",
        "material",
        "made of stone",
        ("a granite statue", "carved out of rock", "turned to stone", "petrified"),
        substance=Substance(
            (0.55, 0.54, 0.52), (0.24, 0.24, 0.25), "speckled", 26.0, 0.75, 0.9, relief=0.6
        ),
    ),
    Concept(
        "sandstone",
        "material",
        "made of sandstone",
        ("an ancient sand-coloured sculpture", "made of sand"),
        substance=Substance(
            (0.80, 0.66, 0.46), (0.62, 0.46, 0.30), "speckled", 14.0, 0.6, 0.95, relief=0.6
        ),
    ),
    Concept(
        "ice",
        "material",
        "made of ice",
        (
            "an ice sculpture",
            "carved from a frozen block",
            "crystal clear frozen water",
            "a glass figure",
        ),
        substance=Substance(
            (0.66, 0.85, 0.95), (0.95, 0.99, 1.0), "cracked", 44.0, 0.8, 0.1, 0.18, relief=0.35
        ),
    ),
    Concept(
        "jade",
        "material",
        "made of jade",
        ("a jade figurine", "carved from a green gemstone", "emerald"),
        substance=Substance(
            (0.30, 0.58, 0.42), (0.62, 0.78, 0.62), "mottled", 38.0, 0.65, 0.2, relief=0.4
        ),
    ),
    Concept(
        "porcelain",
        "material",
        "made of porcelain",
        ("a china doll", "a ceramic figure", "a glossy white porcelain doll"),
        substance=Substance(
            (0.95, 0.94, 0.93), (0.88, 0.88, 0.90), "plain", roughness=0.12, whole=False, relief=0.9
        ),
        set={"cheek_blush": 1.0, "lip_redness": 1.0},
    ),
    Concept(
        "obsidian",
        "material",
        "made of obsidian",
        ("black volcanic glass", "polished black stone", "onyx"),
        substance=Substance(
            (0.07, 0.07, 0.09), (0.28, 0.28, 0.34), "veined", 60.0, 0.45, 0.12, relief=0.3
        ),
    ),
    Concept(
        "chocolate",
        "material",
        "made of chocolate",
        ("a chocolate figure", "dipped in chocolate"),
        substance=Substance(
            (0.30, 0.16, 0.09), (0.38, 0.21, 0.12), "mottled", 30.0, 0.5, 0.36, relief=0.4
        ),
    ),
    Concept(
        "plaster",
        "material",
        "made of plaster",
        ("a white plaster cast", "gypsum", "a paper mache head"),
        substance=Substance(
            (0.90, 0.89, 0.86), (0.80, 0.78, 0.74), "mottled", 16.0, 0.5, 0.95, relief=0.4
        ),
    ),
    Concept(
        "lava",
        "material",
        "made of lava",
        ("molten rock", "a fire elemental", "burning magma"),
        substance=Substance(
            (0.13, 0.10, 0.10), (1.0, 0.46, 0.08), "cracked", 30.0, 1.0, 0.85, relief=0.4
        ),
    ),
)
"""All materials."""
