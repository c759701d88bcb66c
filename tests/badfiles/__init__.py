"""Bad model files, and good ones beside them, each with the verdict it must get.

A module here has the cases of one format: a case is a file (or a folder) and an outcome. Nothing is kept as bytes: every file is built of words below.
tests/system/test_badfiles.py writes them all and checks each; tests/badfiles/check.c does what needs speed.

Outcomes
    A            accepted without a warning
    A+word       accepted with the warning that begins with this word
    R            refused; R:word = for this reason (the word before the colon of the problem's text: docs/reasons.md)
    U            unsafe: never loadable; U:text = and the problem's text holds this
    L:name       refused since a limit of this name is exceeded
    S            no model: not in the catalog at all
Several are joined by a bar where a rule leaves it open: "R|U".
"""
import dataclasses


@dataclasses.dataclass
class Case:
    """A file and what must come of it."""

    id: str
    """Of the rule, then what this file is: "ST-023/one-past"."""
    content: bytes
    """The file's bytes."""
    want: str
    """The outcome, as above."""
    suffix: str = ".safetensors"
    """Of the file's name."""
    sparse: int = 0
    """The file's size where it goes on as a hole; 0 = its bytes are all."""
    heap: int = 0
    """Bytes of heap allowed where it is more than the rule; 0 = the rule."""
    ms: int = 0
    """Milliseconds of processor time allowed where it is more than the rule; 0 = the rule."""

    @property
    def file(self):
        """The file's name."""
        return self.id.replace("/", "-") + self.suffix

    def write(self, folder):
        """Write the file. Returns its path."""
        path = folder / self.file
        with open(path, "wb") as out:
            out.write(self.content)
            if self.sparse:
                out.truncate(self.sparse)
        return path


def collect():
    """Every case of every module."""
    from badfiles import gguf, legacy, pickles, safetensors, strangers, torch_zip

    return [case for module in (safetensors, gguf, torch_zip, pickles, legacy, strangers) for case in module.cases()]
