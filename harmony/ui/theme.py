"""Colours, type and style sheets; system fonts only, so that nothing comes from the network."""

from __future__ import annotations

import gradio as gr

from harmony.ui.turntable import ASSETS

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
STYLE_SHEETS = (
    "page.css",
    "turntable.css",
    "inspector.css",
    "coach.css",
    "map.css",
    "diversity.css",
)


def theme() -> gr.themes.Base:
    """Return the page's theme, light and dark."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_lg,
        spacing_size=gr.themes.sizes.spacing_md,
        font=_FONT,
        font_mono=_MONO,
    )
    return base.set(
        body_background_fill="#f7f6f3",
        body_background_fill_dark="#141311",
        body_text_color="#292524",
        body_text_color_dark="#e7e5e4",
        body_text_color_subdued="#57534e",
        body_text_color_subdued_dark="#a8a29e",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1d1b19",
        block_border_width="1px",
        block_border_color="#e7e5e4",
        block_border_color_dark="#33302c",
        block_shadow="none",
        block_label_text_color="#57534e",
        block_label_text_color_dark="#c4beb8",
        block_title_text_color="#292524",
        block_title_text_color_dark="#e7e5e4",
        block_title_text_weight="500",
        block_info_text_color="#57534e",
        block_info_text_color_dark="#a8a29e",
        input_background_fill="#fafaf9",
        input_background_fill_dark="#26231f",
        input_border_color="#8c857d",
        input_border_color_dark="#78716c",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#115e59",
        button_primary_background_fill_dark="#2dd4bf",
        button_primary_background_fill_hover_dark="#5eead4",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#042f2e",
        button_secondary_background_fill="#efedea",
        button_secondary_background_fill_hover="#e4e1dc",
        button_secondary_background_fill_dark="#33302c",
        button_secondary_background_fill_hover_dark="#44403b",
        slider_color="#0f766e",
        slider_color_dark="#2dd4bf",
        link_text_color="#0f766e",
        link_text_color_dark="#5eead4",
    )


def style_sheet() -> str:
    """Return the page's own CSS."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLE_SHEETS)
