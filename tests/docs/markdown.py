# SPDX-License-Identifier: Apache-2.0
"""What the tests of the documentation need of Markdown: code blocks with their directives, links, headings.

A directive is a comment right before a block:

    <!-- not run: WHY -->     the block is for reading
    <!-- exit N -->           its last failing command exits N (0 unless said)
    <!-- repeat -->           run again until the output is as stated, for what takes a moment
    <!-- file: PATH -->       the block is that file, or a part of it

A ```text block right after a ```sh block is its output; `…` stands for anything, alone on a line for any lines, and
runs of blanks are alike.
"""
import re


class Block:
    def __init__(self, path, line, language, text, directives):
        self.path, self.line, self.language, self.text = path, line, language, text
        self.directives = directives
        self.output = None      # of a sh block

    @property
    def place(self):
        return f"{self.path}:{self.line}"

    def directive(self, name):
        for text in self.directives:
            if text == name or text.startswith((name + " ", name + ":")):
                return text[len(name):].lstrip(": ")
        return None


def blocks_of(path, text):
    blocks, directives, last_sh = [], [], None
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        fence = re.match(r"^( *)(```+)(\w*)\s*$", lines[i])
        comment = re.match(r"^<!-- (.*) -->$", lines[i].strip())
        if fence:
            start, body = i, []
            i += 1
            while i < len(lines) and lines[i].strip() != fence.group(2):
                body.append(lines[i][len(fence.group(1)):])
                i += 1
            block = Block(path, start + 1, fence.group(3), "\n".join(body) + "\n", directives)
            if block.language == "text" and last_sh and not directives:
                last_sh.output = block
            blocks.append(block)
            last_sh = block if block.language == "sh" else None
            directives = []
        elif comment:
            directives = directives + [comment.group(1)]
        elif lines[i].strip():
            directives, last_sh = [], None
        i += 1
    return blocks


def without_blocks(text):
    return re.sub(r"(?ms)^( *)```.*?^\1```", "", text)


def links_of(text):
    """(target, line) of every [text](target) outside of code."""
    for number, line in enumerate(blank_blocks(text).split("\n"), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            yield target, number


def blank_blocks(text):
    return re.sub(r"(?ms)^( *)```.*?^\1```", lambda m: "\n" * m.group(0).count("\n"), text)


def anchors_of(text):
    """GitHub's."""
    found = set()
    for title in re.findall(r"(?m)^#+ +(.*)$", without_blocks(text)):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower())
        found.add(words.strip().replace(" ", "-"))
    return found


def code_of(text):
    """(code, line) of every line of a block and every inline span."""
    for block in blocks_of("", text):
        if block.language in ("", "sh", "text"):
            for k, line in enumerate(block.text.rstrip("\n").replace("\\\n", "  ").split("\n")):
                yield block.language, line, block.line + 1 + k
    for number, line in enumerate(blank_blocks(text).split("\n"), 1):
        for span in re.findall(r"`([^`]+)`", line):
            yield "span", span, number
