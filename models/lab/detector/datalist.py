"""Data lists: which sets a network is trained on and validated by, with licences and how often each is seen."""

import json
from dataclasses import dataclass
from pathlib import Path

from sets import SetError

SET_KEYS = {"name", "folder", "source", "licence", "attribution", "caveat", "exhaustive", "every", "classes", "doubt", "weight"}


@dataclass(frozen=True)
class Entry:
    name: str
    folder: Path
    licence: str
    attribution: str
    is_exhaustive: bool
    every: int
    classes: dict
    doubt: tuple
    """Classes that teachers are not believed of here."""
    weight: float
    """In sampling: its pictures come so many times as often as those of a set of weight 1."""
    teachers: tuple
    is_validation: bool


def read_list(path, root):
    """The sets of a list, those of validation last: with human boxes alone, so without teachers. @raises SetError"""
    try:
        about = json.loads(Path(path).read_text())
        teachers = tuple(about.get("teachers", ()))
        entries = [_entry(one, root, teachers, False) for one in about["sets"]]
        entries += [_entry(one, root, (), True) for one in about.get("validation", ())]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SetError(f"{path} is no data list: {type(error).__name__} {error}") from error
    if len({entry.name for entry in entries}) < len(entries):
        raise SetError(f"{path} names a set twice")
    return entries


def _entry(one, root, teachers, is_validation):
    if set(one) - SET_KEYS:
        raise ValueError(f"unknown keys: {', '.join(sorted(set(one) - SET_KEYS))}")
    if not one.get("weight", 1) > 0:
        raise ValueError(f"{one['name']}: a weight has to be above 0")
    return Entry(
        one["name"], Path(root) / one.get("folder", one["name"]), one["licence"], one.get("attribution", ""),
        is_validation or one.get("exhaustive", False), one.get("every", 1), one.get("classes", {}), tuple(one.get("doubt", ())), one.get("weight", 1.0), teachers, is_validation,
    )
