"""Every English text that a visitor reads, in one place."""

from __future__ import annotations

TITLE = "HarmonyView"
TAGLINE = "One picture of an object in, sixteen consistent views around it out."
METHOD_LINK = "https://arxiv.org/abs/2312.15980"
METHOD_LINK_TEXT = "How it works"

PICTURE = "Picture of one object"
PICTURE_HINT = "Drop a picture here, paste it, or use the camera"
EXAMPLES = "Or start from an example"
CUTOUT = "What the model will see"

S1 = "s1 · stay true to the picture"
S1_INFO = "Weight of the reference (Eq. 7). 0 is off."
S2 = "s2 · agree across the views"
S2_INFO = "Weight of the other views (Eq. 7). 0 is off."
CFG = "s · plain guidance scale"
CFG_INFO = "Scale of Eq. 3; SyncDreamer's default is 1. 0 is off."
RULE = "Guidance rule"
RULES = {
    "decomposed": "HarmonyView: two dials (Eq. 7)",
    "decomposed-official": "HarmonyView as released (Eq. 7, latent × 4)",
    "cfg": "SyncDreamer: one scale (Eq. 3)",
    "none": "No guidance",
}
INSTANCES = "Number of samples"
INSTANCES_INFO = "Each gets its own seed: first seed, first seed + 1, …"
FIRST_SEED = "First seed"
RANDOM_SEED = "New random seed for every run"
NUM_STEPS = "Steps"
NUM_STEPS_INFO = "More steps take longer and look cleaner."
SAMPLER = "Sampler"
ETA = "DDIM eta"
ETA_INFO = "Noise added at every step: 1 as in the paper, 0 for none. Other samplers ignore it."
ELEVATION = "Camera height of the picture, degrees"
ELEVATION_INFO = "0 is level with the object, 30 looks down on it."
FOREGROUND = "Object size in the frame"
FOREGROUND_INFO = "Share of the frame that the longer side takes."
CUTOUT_MODEL = "Cut-out model"
CUTOUT_MODEL_INFO = "Removes the background unless the picture has its own mask."
OBJECT_NAME = "Object name"
OBJECT_NAME_INFO = "What the picture shows, in a word or two. Only the CD score reads it."
SUGGEST_NAME = "Suggest a name"

ADVANCED = "Advanced settings"
GENERATE = "Generate 16 views"
STOP = "Stop"

EXAMPLE_SHOWN = "Example “{name}”, made earlier by the {model} model in {steps} steps."
EXAMPLE_MAP = "Move s1 and s2: the nearest setting shows at once."
EXAMPLE_OWN = "Press Generate to make your own."
READY = "Choose a picture, then press Generate."
LOADING_MODEL = "Loading the model (first run only) …"
LOADING_SCORER = "Measuring the CD score …"
ENCODING = "Reading the picture …"
MESH_WRITTEN = "The {format} file is ready."
WRITING_MESH = "writing the {format} file"
READING_VIEWS = "reading the views"
CUTTING_OUT = "Cutting the object out …"
WORKING = "Step {step} of {num_steps}"
PASS = "pass {index} of {count}"
TIME_LEFT = "about {time} left"
DONE = "Done: {samples} in {time}."
STOPPED = "Stopped at step {step} of {num_steps}. The last preview is kept."
STOPPED_EARLY = "Stopped."
FAILED = "That did not work; everything you had is still here."

SAMPLE = "Seed {seed}"
CD_BADGE = "CD {ratio}"
CD_NONE = "CD –"
CD_NOTE = "D {diversity:.3f} · S_var {variance:.3f} · {encoder}"
CD_EXPLAINED = (
    "CD = D / S_var: how much the views differ over how much their meaning wavers. Higher is "
    "better; values of different encoders do not compare."
)
NOT_SCORED = "No score"

BEST_CD = "highest CD"
WORST_CD = "lowest CD"
TURNTABLE_WORDS = {
    "seeds": "All seeds at one azimuth",
    "view": "View",
    "views": "All views",
    "turntable": "Turntable",
    "samples": "Samples",
    "play": "Play",
    "pause": "Pause",
    "link": "Turn together",
    "peek": "Go to the views",
    "hint": "Drag, use the arrow keys, or pick a view.",
    "empty": "Your sixteen views will appear here.",
}

MAP = "Map of s1 and s2"
MAP_OWN = "Fill a map of s1 and s2"
MAP_INFO = (
    "Paints your picture at one seed with every pair of the two dials, the middle of the map first. "
    "Cells that were made before cost nothing."
)
MAP_SIZE = "Size of the map"
MAP_START = "Fill the map"
MAP_GO_ON = "Go on with the map"
MAP_DONE = "The map is full."
MAP_STOPPED = "Stopped. The cells that are done stay; start again to go on."
MAP_CELL = "Cell {number} of {count}"
MAP_WORDS = {
    "map": MAP,
    "title": "What the two dials do",
    "about": "The same noise under every pair of s1 and s2. Choose a cell to see it large.",
    "azimuth": "Azimuth of the map",
    "turn": "Turn",
    "colour": "Colour by",
    "waiting": "not made yet",
    "exact": "s1 = {s1}, s2 = {s2}",
    "nearest": "Nearest precomputed: s1 = {s1}, s2 = {s2}",
}
FIGURE_NAMES = {
    "ratio": "CD score",
    "diversity": "Diversity D",
    "semantic_variance": "Wavering S_var (low is good)",
    "neighbour_consistency": "Agreement of neighbouring views",
    "reference_psnr": "Likeness of the first view to the picture",
}
FIGURE_SHORT = {
    "ratio": "CD {value:.3g}",
    "diversity": "D {value:.3f}",
    "semantic_variance": "S_var {value:.3f}",
    "neighbour_consistency": "{value:.3f}",
    "reference_psnr": "{value:.1f} dB",
}

SHARE = "Recipe and link"
LINK = "Link to these settings"
LINK_INFO = "Opens the page with the same settings; a picture of your own does not travel with it."
COPY_LINK = "Copy the link"
RECIPE = "Recipe of this result"
RESTORE = "Restore the settings from a recipe (.json, or a strip .png)"
OTHER_PICTURE = "The recipe belongs to another picture; choose that one for the same result."
OTHER_MODEL = "The recipe was made with the model {model}; this page runs another one."
SCATTERED_SEEDS = "The recipe's seeds do not follow each other; the dials cannot say that."
BAD_LINK = "The link says {name} = {value:.40}, which is not a number that can be used."
NO_NAME = "The object name must be text; it says what the picture shows, such as “teapot”."
LONG_NAME = "The object name may have at most {limit} characters."

COMPARE = "Compare two settings at the same seed"
COMPARE_INFO = (
    "Both sides start from the same noise: what differs is what the guidance does. Pictures, "
    "steps and first seed are those of the dials."
)
COMPARE_LEFT = "A"
COMPARE_RIGHT = "B"
COMPARE_START = "Compare A and B"
COMPARED = "Both are done. Turn them, wipe across, or look at the difference."
PRESETS = {
    "syncdreamer": "SyncDreamer (Eq. 3, s = 1)",
    "harmonyview": "HarmonyView (s1 2, s2 1)",
    "off": "Guidance off",
    "dials": "The dials as they stand",
}
COMPARE_WORDS = {
    "view": "View",
    "compare": "Comparison",
    "modes": "How the two are shown",
    "wipe": "Wipe",
    "side": "Side by side",
    "difference": "Difference",
    "divider": "Place of the wipe",
}

RESULT = "Result"
GALLERY = "Pictures of the chosen sample"
RUNS = "Runs of this visit"
RUN_TITLE = "{time} · {guidance} · {samples} · {steps} steps"
MEASURE = "Measure the CD score for another name"
SCORE_AGAIN = "Score again"

MESH = "3D mesh"
QUALITY = "Mesh quality"
QUALITY_NAMES = {"draft": "Draft", "standard": "Standard", "fine": "Fine"}
FINE_TIME = "Fine computes on the GPU: about half a minute on an H100, longer on others."
RECONSTRUCT = "Build the 3D mesh"
MODEL_3D = "Mesh of the chosen sample"
MESH_FORMAT = "Mesh format"
DOWNLOADS = "Take it away"
DOWNLOAD_MESH = "Mesh ({format})"
DOWNLOAD_VIEWS = "16 views (.zip)"
DOWNLOAD_RECIPE = "Recipe (.json)"

API_PROGRESS = "Progress"
API_FILES = "Files"
API_SCORES = "CD scores"
API_REPORT = "Report"

NO_PICTURE = "Choose a picture first."
NO_EXAMPLE = "There is no such example."
NO_SCORER = "This page runs without the CD score."
NO_SAMPLE = "Generate views first, then build a mesh from one of the samples."
NOT_WHOLE = "{name} must be a whole number from {low} to {high}."
NOT_NUMBER = "{name} must be a number from {low:g} to {high:g}."
NOT_OFFERED = "{name} is {value!r}; it must be one of {choices}."
BAD_ZIP = "This is not a zip of views as this page writes it; use the file from “16 views (.zip)”."
NOT_FINISHED = "Only a finished sample of your own can be chosen; press Generate to make one."
GONE = "This result is no longer kept; generate it again."


def duration(seconds: float) -> str:
    """Return a length of time as people say it: "8 s", "2 min 5 s"."""
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def spread(value: float | None) -> str:
    """Return how much the seeds of a run differ, and what the figure is."""
    if value is None:
        return "All seeds of this run at one azimuth."
    return (
        f"Spread of the seeds {value:.2g}: mean over pairs of seeds and over the views of "
        "1 − cosine of their CLIP embeddings. 0 means that all seeds look alike."
    )


def samples(count: int) -> str:
    """Return "1 sample", "2 samples" and so on."""
    return "1 sample" if count == 1 else f"{count} samples"


def cell_title(s1: float, s2: float, *, exact: bool) -> str:
    """Return what a precomputed cell is called, for dials that say just that or something near."""
    return MAP_WORDS["exact" if exact else "nearest"].format(s1=f"{s1:g}", s2=f"{s2:g}")


def figure(name: str, value: float | None) -> str:
    """Return a figure of a cell in short, "–" where it was not measured."""
    return "–" if value is None else FIGURE_SHORT[name].format(value=value)


def map_estimate(cells: int, steps: int, seconds: float | None) -> str:
    """Return how long a map takes: "9 cells of 25 steps: about 4 min."."""
    text = f"{cells} cells of {steps} steps"
    if seconds is None:
        return f"{text}. How long it takes is known once a run was made here."
    return f"{text}: about {duration(seconds)}."


def guidance(rule: str, s1: float, s2: float, cfg_scale: float) -> str:
    """Return a guidance rule and its scales in short: "s1 2, s2 1"."""
    if rule == "none":
        return "no guidance"
    if rule == "cfg":
        return f"s {cfg_scale:g} (Eq. 3)"
    return f"s1 {s1:g}, s2 {s2:g}"


def map_progress(number: int, count: int, left: float | None) -> str:
    """Return "Cell 3 of 9 · about 2 min left"; the first cell cannot say how long it takes."""
    text = MAP_CELL.format(number=number, count=count)
    return text if left is None else f"{text} · {TIME_LEFT.format(time=duration(left))}"
