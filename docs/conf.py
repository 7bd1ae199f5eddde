"""Sphinx configuration. Build without a network: ``sphinx-build -W --keep-going -n -b html docs docs/_build/html``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import typer
from docutils import nodes
from docutils.parsers.rst import Directive

import explorer_frames
from explorer_frames import schemas

project = "explorer_frames"
author = "the explorer_frames maintainers"
project_copyright = "the explorer_frames maintainers, Apache-2.0"
version = release = explorer_frames.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "examples", "notebooks/.ipynb_checkpoints"]

# Single backticks in docstrings are links for public names, and italics for arguments.
default_role = "autolink"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are stored with outputs
nb_merge_streams = True
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

autodoc_mock_imports = ["pyspark"]
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"

# Names of other projects are links only if DOCS_ONLINE is set, because their inventories need a network.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(Axes|Literal|pd|pa|pc|ds|np|pandas|pyarrow|numpy|os|contextlib|dd|dask|pyspark|pytest|datetime|collections|io|typing)\b.*",
    ),
    ("py:obj", r"(cloudpickle|deltalake|igraph|math|pyiceberg)\b.*"),
    ("py:obj", r"top|(Comparison|Provenance)\.\w+"),  # attributes, documented in their class
    (
        "py:class",
        r"(Any|Self|Iterable|Mapping|Sequence|Iterator|Callable|PathLike|AbstractContextManager|timedelta|SparkSession)",
    ),
]
if os.environ.get("DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "pyarrow": ("https://arrow.apache.org/docs", None),
    }

# Sphinx does not read files outside its folder.
shutil.copytree(Path(__file__).parent.parent / "notebooks", Path(__file__).parent / "notebooks", dirs_exist_ok=True)

html_theme = "pydata_sphinx_theme"
html_title = "explorer_frames"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    "show_nav_level": 2,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "logo": {"text": "explorer_frames"},
    "icon_links": [
        {"name": "Source", "url": "https://github.com/explorer-frames/explorer_frames", "icon": "fa-brands fa-github"},
    ],
}
# The site has a folder for each version; see .ci/publish_docs.py.
if docs_version := os.environ.get("DOCS_VERSION"):
    html_theme_options |= {
        "switcher": {
            "json_url": "https://explorer-frames.github.io/explorer_frames/switcher.json",
            "version_match": docs_version,
        },
        "check_switcher": False,  # would need a network
        "navbar_start": ["navbar-logo", "version-switcher"],
    }
html_sidebars = {"index": [], "tutorial": [], "troubleshooting": [], "changelog": []}


class Book(Directive):
    """Table of documented algorithms, generated from `schemas.ALGORITHMS`."""

    def run(self):
        """Return the nodes."""
        table = nodes.table(classes=["table"])
        group = nodes.tgroup(cols=3)
        table += group
        group += [nodes.colspec(colwidth=width) for width in (25, 50, 25)]
        head, body = nodes.thead(), nodes.tbody()
        group += [head, body]
        head += self._row(*(nodes.paragraph(text=title) for title in ("schema", "columns", "aliases")))
        for entry in schemas.ALGORITHMS:
            shapes = [_codes(f"{name}: {kind}" for name, kind in shape) for shape in entry.shapes]
            shapes = shapes or [nodes.paragraph(text="any number of text columns: column_1, column_2, ...")]
            body += self._row(_codes([entry.name]), shapes, _codes(entry.aliases))
        return [table]

    @staticmethod
    def _row(*cells):
        row = nodes.row()
        row += [nodes.entry("", *(cell if isinstance(cell, list) else [cell])) for cell in cells]
        return row


class Commands(Directive):
    """Help texts of `explorer-frames` and its commands."""

    def run(self):
        """Return the nodes."""
        from explorer_frames.cli._app import app  # noqa: PLC0415 (only this page needs typer)

        app.rich_markup_mode = None  # plain text, no boxes
        group = typer.main.get_command(app)
        with group.make_context("explorer-frames", [], resilient_parsing=True, max_content_width=88) as context:
            texts = {"explorer-frames": group.get_help(context)}
            for name, command in group.commands.items():
                with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
                    texts[name] = command.get_help(inner)
        return [self._section(name, text) for name, text in texts.items()]

    @staticmethod
    def _section(name, text):
        section = nodes.section(ids=[f"command-{name}"])
        section += [nodes.title(text=name), nodes.literal_block(text, text, language="text")]
        return section


def _mark_chinese(app, pagename, templatename, context, doctree):
    if pagename.startswith("zh/"):
        context["language"] = "zh-CN"  # becomes the page's lang attribute, which selects the font


def _codes(texts):
    pieces = [piece for text in texts for piece in (nodes.Text(", "), nodes.literal(text=text))]
    return nodes.paragraph("", "", *pieces[1:])


def setup(app):
    """Register the directives."""
    app.add_directive("book-of-schemas", Book)
    app.add_directive("commands", Commands)
    app.connect("html-page-context", _mark_chinese)
