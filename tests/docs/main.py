# SPDX-License-Identifier: Apache-2.0
"""Runs the guide as a newcomer would, and holds the rest of the documentation against the program and the tree.

What it does not do: judge the prose.
"""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import markdown
import operations

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
WEIR = os.environ["WEIR_BIN"]
REPEAT_SECONDS = 180
BLOCK_SECONDS = 300
RUN_MARK = "<!-- tests/docs runs every command of this page -->"

passed = failed = 0


def check(name, problems):
    global passed, failed
    problems = list(problems)
    if problems:
        failed += 1
        print(f"FAILED {name}")
        for problem in problems:
            print("  " + problem.replace("\n", "\n  "))
    else:
        passed += 1
        print(f"ok     {name}")
    sys.stdout.flush()


def text_of(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns], cwd=TOP, check=True,
                         capture_output=True, text=True).stdout
    return sorted(path for path in out.split("\n") if path and os.path.exists(os.path.join(TOP, path)))


def weir(*args):
    return subprocess.run([WEIR, *args], capture_output=True, text=True, check=False).stdout


# ---------------------------------------------------------------- running the blocks

def matches(expected, actual):
    """`…` is anything; blanks are alike."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:.*\n)*"
            continue
        parts = [r"\s+".join(re.escape(word) for word in re.split(r"\s+", part)) for part in line.rstrip().split("…")]
        pattern += ".*".join(parts) + r"[ \t]*\n"
    return re.fullmatch(pattern, actual.rstrip("\n") + "\n") is not None


class Shell:
    """One bash for all blocks of a page, so that variables and jobs last."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.bash = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=folder, env=environment, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     start_new_session=True)
        self.n = 0
        self.send("trap 'block_status=$?' ERR\n")

    def send(self, text):
        self.bash.stdin.write(text)
        self.bash.stdin.flush()

    def run(self, text):
        """(the last failing command's exit status or 0, output)."""
        self.n += 1
        base = os.path.join(self.folder, f".block{self.n}")
        with open(base, "w", encoding="utf-8") as file:
            file.write(text)
        self.send(f"block_status=0; . {base} >{base}.out 2>&1 </dev/null; "
                  f"echo $block_status >{base}.tmp; mv {base}.tmp {base}.status\n")
        deadline = time.monotonic() + BLOCK_SECONDS
        while not os.path.exists(base + ".status"):
            if time.monotonic() > deadline or self.bash.poll() is not None:
                return None, self.read(base + ".out")
            time.sleep(0.02)
        return int(self.read(base + ".status")), self.read(base + ".out")

    @staticmethod
    def read(path):
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self):
        try:
            os.killpg(self.bash.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.bash.wait()


def block_problem(shell, block):
    want = int(block.directive("exit") or 0)
    deadline = time.monotonic() + REPEAT_SECONDS
    while True:
        status, out = shell.run(block.text)
        fine = status == want and (block.output is None or matches(block.output.text, out))
        if fine:
            return None
        if status is None or block.directive("repeat") is None or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if status != want:
        return f"{block.place}: exit {status} instead of {want}\n{block.text}--\n{out}"
    return f"{block.output.place}: not this output, but\n{out}"


def run_blocks(name, blocks, folder, environment):
    shell = Shell(folder, environment)
    try:
        for block in blocks:
            problem = block_problem(shell, block)
            check(f"{name}: line {block.line}: {block.text.strip().splitlines()[0][:60]}", [problem] if problem else [])
            if problem:
                break       # what follows stands on it
    finally:
        shell.close()


def to_run(path):
    blocks = markdown.blocks_of(path, text_of(path))
    return [b for b in blocks if b.language == "sh" and b.directive("not run") is None]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def a_clone(base):
    """A folder that looks like the repository's, of which only jobs/ may be written to."""
    folder = os.path.join(base, "weir")
    os.mkdir(folder)
    for name in os.listdir(TOP):
        if name not in ("jobs", "build", ".git"):
            os.symlink(os.path.join(TOP, name), os.path.join(folder, name))
    shutil.copytree(os.path.join(TOP, "jobs"), os.path.join(folder, "jobs"))
    return folder


def guide(path, base):
    folder = a_clone(tempfile.mkdtemp(dir=base))
    environment = {**os.environ, "PATH": os.path.dirname(WEIR) + ":" + os.environ["PATH"],
                   "WEIR_HTTP": f"127.0.0.1:{free_port()}", "LC_ALL": "C.UTF-8", "TMPDIR": base}
    try:
        run_blocks(path, to_run(path), folder, environment)
    finally:        # a block may have failed before the one that stops the servers
        for sandbox in glob.glob(os.path.join(base, "weir-sandbox.*")):
            subprocess.run([os.path.join(TOP, "connectors/sandbox/down"), "--dir", sandbox, "--wipe"], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def readme_offline(base):
    """The README's commands that need no server, over the second example job."""
    folder = os.path.join(base, "readme")
    shutil.copytree(os.path.join(TOP, "jobs/clicks"), folder)
    blocks = [b for b in markdown.blocks_of("README.md", text_of("README.md"))
              if b.language == "sh" and "weir try" in b.text]
    check("README.md has an offline part", [] if len(blocks) == 1 else [f"{len(blocks)} blocks run `weir try`"])
    environment = {**os.environ, "PATH": os.path.dirname(WEIR) + ":" + os.environ["PATH"]}
    run_blocks("README.md", blocks, folder, environment)


def yaml_jobs(base):
    """Every job file shown is one that `weir check` takes."""
    for path in tracked("*.md"):
        for block in markdown.blocks_of(path, text_of(path)):
            if block.language != "yaml" or not block.text.startswith("job:"):
                continue
            folder = os.path.join(base, re.sub(r"\W", "_", block.place))
            os.mkdir(folder)
            for job in ("flights", "clicks"):
                shutil.copytree(os.path.join(TOP, "jobs", job, "schemas"), os.path.join(folder, "schemas"),
                                dirs_exist_ok=True)
            with open(os.path.join(folder, "job.yaml"), "w", encoding="utf-8") as file:
                file.write(block.text)
            done = subprocess.run([WEIR, "check", "job.yaml"], cwd=folder, capture_output=True, text=True, check=False)
            check(f"the job at {block.place}", [] if done.returncode == 0 else [done.stderr])


# ---------------------------------------------------------------- the rest

def shown_files():
    for path in tracked("*.md"):
        for block in markdown.blocks_of(path, text_of(path)):
            name = block.directive("file")
            if name is None:
                continue
            if not os.path.exists(os.path.join(TOP, name)):
                yield f"{block.place}: there is no {name}"
            elif block.text not in text_of(name):
                yield f"{block.place}: is no part of {name}"


def broken_links():
    anchors = {}
    for path in tracked("*.md"):
        for target, line in markdown.links_of(text_of(path)):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not os.path.exists(os.path.join(TOP, full)):
                yield f"{path}:{line}: there is no {full}"
            elif anchor and full.endswith(".md"):
                if full not in anchors:
                    anchors[full] = markdown.anchors_of(text_of(full))
                if anchor not in anchors[full]:
                    yield f"{path}:{line}: {full} has no heading for #{anchor}"


def commands():
    """{command: its options}."""
    listed = re.search(r"(?ms)^commands:\n(.*?)\n\n", weir("--help")).group(1)
    names = [re.match(r"  ([a-z]+(?: [a-z]+)?)", line).group(1) for line in listed.split("\n")]
    return {name: set(re.findall(r"--[a-z][a-z-]*", weir("help", *name.split()))) for name in names}


def unknown_words(path, known):
    every = set().union(*known.values()) | set(re.findall(r"--[a-z][a-z-]*", weir("--help")))
    common = {"--help", "--version", "--format", "--config"}
    for kind, code, line in markdown.code_of(text_of(path)):
        for use in re.finditer(r"(?:^|[|;&(] *|\bsudo )(?:[A-Z_]+=\S+ +)*weir ([a-z]+)((?: [^|;&\n]*)?)", code):
            if kind == "text" and not code.startswith("weir "):
                continue
            word, rest = use.group(1), use.group(2)
            if word == "test" and kind == "text":
                continue
            second = re.match(r" ([a-z]+)", rest)
            name = f"{word} {second.group(1)}" if second and f"{word} {second.group(1)}" in known else word
            if name not in known:
                if any(k.startswith(word + " ") for k in known) and not second:
                    continue
                if kind == "text" and code.startswith(f"weir {word}:"):
                    continue
                yield f"{path}:{line}: there is no command: {code.strip()}"
                continue
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest.split(" #")[0]):
                if option not in known[name] | common:
                    yield f"{path}:{line}: weir {name} has no {option}"
        if kind == "span":
            alone = re.match(r"^(--[a-z][a-z-]*)( [A-Z.]+)?$", code)
            if alone and alone.group(1) not in every and not of_a_script(alone.group(1)):
                yield f"{path}:{line}: nothing has {alone.group(1)}"


SCRIPTS = None


def of_a_script(option):
    global SCRIPTS
    if SCRIPTS is None:
        SCRIPTS = "".join(text_of(p) for p in tracked("connectors/sandbox", "tests/run", "tests/crash", "jobs", "bench", ".ci/deps")
                          if not p.endswith((".md", ".gz", ".parquet")))
    return option in SCRIPTS


def generated():
    if text_of("docs/reference/cli.md") != weir("help", "--reference"):
        yield "docs/reference/cli.md is not what `weir help --reference` prints"
    for page, test in (("language.md", "lang_reference"), ("metrics.md", "base_metrics")):
        program = os.path.join(os.environ["WEIR_BUILD"], "tests", "test_" + test)
        if page not in text_of(f"tests/unit/{test}.c"):
            yield f"tests/unit/{test}.c does not compare {page}"
        elif os.path.exists(program):       # the unit suite runs it too
            done = subprocess.run([program], cwd=TOP, capture_output=True, text=True, check=False)
            if done.returncode:
                yield f"{page}: {done.stdout[-2000:]}"


def alert_rules(base):
    """Metrics that exist; what promtool says, where it is installed."""
    for block in markdown.blocks_of("docs/operations.md", text_of("docs/operations.md")):
        if block.directive("prometheus rules") is None:
            continue
        metrics = text_of("docs/reference/metrics.md")
        for name in sorted(set(re.findall(r"\bweir_\w+", block.text))):
            if f"`{name}`" not in metrics:
                yield f"{block.place}: there is no {name}"
        path = os.path.join(base, "rules.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(block.text)
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
            if done.returncode:
                yield done.stdout + done.stderr
        return
    yield "docs/operations.md shows no rules"


def main():
    base = tempfile.mkdtemp(prefix="docs.", dir=os.environ.get("WEIR_TMP"))
    try:
        check("every relative link resolves", broken_links())
        check("every file shown is that file", shown_files())
        known = commands()
        for path in tracked("*.md", ":!docs/decisions", ":!docs/reference/cli.md"):    # to come; generated
            check(f"commands and options of {path}", unknown_words(path, known))
        check("generated pages are the program's", generated())
        check("the alerting rules name metrics", alert_rules(base))
        yaml_jobs(base)
        readme_offline(base)
        for path in tracked("docs/guide/*.md"):
            if RUN_MARK in text_of(path):
                guide(path, base)
        for name, problem in operations.claims(TOP, WEIR, base):
            check("operations: " + name, [problem] if problem else [])
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"suite: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
