"""What a person sees, measured in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trimesh
from playwright.sync_api import Locator, Page

COLOURS = """(element, [column, row]) => new Promise((resolve, reject) => {
  const url = getComputedStyle(element).backgroundImage.slice(5, -2);
  const image = new Image();
  image.onerror = () => reject(new Error("no picture"));
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 16;
    const side = image.width / 16, context = canvas.getContext("2d");
    context.drawImage(image, column * side, 0, side, image.height, 0, 0, 16, 16);
    const found = new Set(), data = context.getImageData(0, 0, 16, 16).data;
    for (let i = 0; i < data.length; i += 4) found.add(`${data[i]},${data[i+1]},${data[i+2]}`);
    resolve(found.size);
  };
  image.src = url;
})"""

CONTRAST = """() => {
  const rgba = (text) => {
    // color-mix() is told as color(srgb ...), with channels from 0 to 1.
    const n = text.match(/[\\d.]+/g).map(Number), unit = text.startsWith("color(srgb") ? 255 : 1;
    return [n[0] * unit, n[1] * unit, n[2] * unit, n[3] ?? 1];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = (top, base) => [0, 1, 2].map((i) => top[i] * top[3] + base[i] * (1 - top[3])).concat(1);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((base, layer) => over(layer, base), [255, 255, 255, 1]);
  };
  const poor = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement, style = getComputedStyle(node);
    if (!text.data.trim() || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (node.closest(":disabled, [aria-disabled=true], script, style, footer") || style.fontSize === "0px") continue;
    seen += 1;
    const base = ground(node), front = over(rgba(style.color), base);
    const [a, b] = [light(front), light(base)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) poor.push([text.data.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return { seen, poor };
}"""

NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, [role=slider]")]
  .filter((node) => node.checkVisibility() && node.type !== "hidden" && node.type !== "file")
  .filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")
    || node.innerText || node.title || node.querySelector("img[alt]:not([alt=''])") || (node.labels && [...node.labels].some((l) => l.innerText.trim()))))
  .map((node) => node.outerHTML.slice(0, 120))"""


def colours_of_view(turntable: Locator, index: int) -> int:
    """Return how many colours one view of a turntable has; 1 is a blank picture."""
    return colours_in(turntable.locator(".tt-picture"), index)


def colours_in(picture: Locator, index: int) -> int:
    """Return how many colours one view of a picture that shows a strip has."""
    return picture.evaluate(COLOURS, [index, 0])


def contrast(page: Page) -> dict[str, Any]:
    """Return the number of visible texts and those below WCAG AA."""
    return page.evaluate(CONTRAST)


def nameless(page: Page) -> list[str]:
    """Return visible controls that a screen reader could not name."""
    return page.evaluate(NAMELESS)


def width_beyond_window(page: Page) -> int:
    """Return how many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def mesh_of(file: str | Path) -> trimesh.Trimesh:
    """Return a mesh file as one mesh."""
    mesh = trimesh.load(file, force="mesh")
    assert isinstance(mesh, trimesh.Trimesh)
    return mesh
