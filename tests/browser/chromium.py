"""The browser that pages of reports are looked at in."""

import shutil

import pytest

PROGRAMS = ("chromium", "chromedriver")
needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS),
        reason="chromium or chromedriver is not installed",
    ),
]
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDTH = 1280
SIZES = """
return [
    document.documentElement.scrollWidth, window.innerWidth,
    [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)
        .map(e => e.parentElement.id)
]
"""
"""Width of the page, that of the window, and which tables or figures have to be scrolled."""
