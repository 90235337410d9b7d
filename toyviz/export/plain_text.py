"""Markdown with formulas as plain text in Unicode: "$\\hat v_i$" is v̂ᵢ."""

from __future__ import annotations

import re

SIGNS = {
    r"\cdot": "·", r"\times": "×", r"\sum": "∑", r"\prod": "∏", r"\top": "ᵀ", r"\ne": "≠", r"\neq": "≠", r"\le": "≤",
    r"\leq": "≤", r"\ge": "≥", r"\geq": "≥", r"\approx": "≈", r"\pm": "±", r"\infty": "∞", r"\in": "∈", r"\to": "→",
    r"\rightarrow": "→", r"\sqrt": "√", r"\langle": "⟨", r"\rangle": "⟩", r"\ldots": "…", r"\dots": "…", r"\mid": "|",
    r"\alpha": "α", r"\beta": "β", r"\gamma": "γ", r"\delta": "δ", r"\epsilon": "ε", r"\eta": "η", r"\theta": "θ",
    r"\lambda": "λ", r"\mu": "μ", r"\pi": "π", r"\rho": "ρ", r"\sigma": "σ", r"\tau": "τ", r"\phi": "φ",
    r"\omega": "ω", r"\Delta": "Δ", r"\Sigma": "Σ", r"\ell": "ℓ", r"\partial": "∂", r"\ll": "≪", r"\gg": "≫",
    r"\,": " ", r"\;": " ", r"\:": " ", r"\!": "", r"\ ": " ", r"\quad": "  ", r"\left": "", r"\right": "",
    r"\|": "‖", r"\lVert": "‖", r"\rVert": "‖", r"\sim": "~", r"\propto": "∝", r"\%": "%", r"\{": "{", r"\}": "}",
}  # fmt: skip
ABOVE = {r"\hat": "\u0302", r"\bar": "\u0304", r"\tilde": "\u0303", r"\vec": "\u20d7", r"\dot": "\u0307"}
UPRIGHT = ("mathrm", "text", "operatorname", "mathbf", "mathcal", "mathbb")
SUPER = dict(zip("0123456789+-−=()ijklmnptxTW", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁱʲᵏˡᵐⁿᵖᵗˣᵀᵂ", strict=True)) | {
    "'": "′",
    "ᵀ": "ᵀ",
    "*": "*",
}
SUB = dict(zip("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"


def plain_text(markdown: str) -> str:
    """The text without marks of markdown, its formulas in Unicode; paragraphs and items stay on lines of their own."""
    parts = re.split(r"(\$\$.+?\$\$|(?<!\\)\$[^$\n]+?(?<!\\)\$)", markdown, flags=re.DOTALL)
    text = "".join(formula(part.strip("$")) if k % 2 else _without_marks(part) for k, part in enumerate(parts))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def formula(tex: str) -> str:
    """A formula of TeX in Unicode, as well as that can be: what has no small letter stays behind ^ or _."""
    tex = re.sub(rf"\\(?:{'|'.join(UPRIGHT)}){GROUP}", r"\1", tex)
    tex = re.sub(r"\\([dt]?frac)\s*(\w)\s*(\w)", r"\\\1{\2}{\3}", tex)
    for _ in range(3):  # from the inside out
        tex = re.sub(rf"\\[dt]?frac{GROUP}{GROUP}", lambda m: f"{_held(m[1])}/{_held(m[2])}", tex)
        tex = re.sub(rf"\\sqrt{GROUP}", lambda m: f"√{_held(m[1])}", tex)
    for name, sign in ABOVE.items():
        tex = re.sub(rf"{re.escape(name)}\s*(?:{GROUP}|(\w))", lambda m, s=sign: (m[1] or m[2]) + s, tex)  # type: ignore[misc]
    tex = re.sub(r"\\([a-zA-Z]+|.)", lambda m: SIGNS.get(m[0], m[1]), tex)
    tex = re.sub(rf"\^(?:{GROUP}|(.))", lambda m: _small(m[1] or m[2], SUPER, "^"), tex)
    tex = re.sub(rf"_(?:{GROUP}|(.))", lambda m: _small(m[1] or m[2], SUB, "_"), tex)
    tex = tex.replace("'", "′").replace("-", "−")
    return re.sub(r" {2,}", " ", re.sub(r"[{}]", "", tex)).strip()


def _small(text: str, letters: dict[str, str], mark: str) -> str:
    """A raised or lowered text; where some letter has no such form, behind its mark."""
    text = text.replace(" ", "")
    if all(each in letters for each in text):
        return "".join(letters[each] for each in text)
    return f"{mark}{text}" if len(text) == 1 else f"{mark}({text})"


def _held(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+|\S", text.strip()) else f"({text.strip()})"


def _without_marks(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^#+ +", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(\s*)[-*] +", r"\1• ", text, flags=re.MULTILINE)
    text = re.sub(r"\*\*(.+?)\*\*|__(.+?)__", lambda m: m[1] or m[2], text, flags=re.DOTALL)
    text = re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"\1", text)
    text = re.sub(r":[a-z]+\[([^\]]*)\]", r"\1", text)  # Streamlit's colours
    text = re.sub(r":material/\w+:\s*", "", text)
    return text.replace("`", "").replace(r"\$", "$").replace("&nbsp;", " ")
