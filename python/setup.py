"""Build hoist._core against libhoist, and install the .pth file that makes HOIST_PATCH=1 work.

Environment: HOIST_INCLUDEDIR (holds hoist/hoist.h) and HOIST_LIBDIR (holds libhoist.so, also written into the extension as its
run path). Without them the compiler's own search paths are used."""
import os
import shutil

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

PTH = "hoist_patch.pth"
SOURCES = ["module", "client", "model", "view", "capsule", "device", "events", "error"]


class BuildWithPth(build_py):
    """Put the .pth file beside the package, at the top of site-packages."""

    def run(self):
        """Build, then copy."""
        super().run()
        if not getattr(self, "editable_mode", False):
            shutil.copy(PTH, os.path.join(self.build_lib, PTH))

    def get_outputs(self, include_bytecode=1):
        """Name the file, so that it is installed and removed with the package."""
        return super().get_outputs(include_bytecode) + [os.path.join(self.build_lib, PTH)]


def folders(variable):
    """The folders that an environment variable names."""
    return [os.path.abspath(folder) for folder in os.environ.get(variable, "").split(os.pathsep) if folder]


setup(
    ext_modules=[
        Extension(
            "hoist._core",
            [f"src/{name}.c" for name in SOURCES],
            depends=["src/core.h", "src/dlpack.h"],
            include_dirs=folders("HOIST_INCLUDEDIR"),
            library_dirs=folders("HOIST_LIBDIR"),
            runtime_library_dirs=folders("HOIST_LIBDIR"),
            libraries=["hoist"],
            extra_compile_args=["-std=gnu17", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wno-cast-function-type",
                                "-fvisibility=hidden"],
        )
    ],
    cmdclass={"build_py": BuildWithPth},
)
